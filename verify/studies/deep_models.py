"""rkbs's own models with the weights of the plain ones: their start, their loss and their audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rkbs.kernels.distance import RBF
from rkbs.kernels.dot_product import EDP, TaylorEDP
from rkbs.transformer.auditing import audit
from rkbs.transformer.model import EncoderClassifier, LanguageModel, TransformerConfig
from verify.oracles.log_kernels import QuarticLogit, RBFLogit
from verify.oracles.transformer import Plain
from verify.studies.deep_networks import Network
from verify.studies.deep_tasks import Task

KERNELS = {RBFLogit: RBF(1.0), QuarticLogit: TaylorEDP(4)}


def start(task: Task, plain: Plain, d_model: int, d_ff: int, seed: int) -> dict[str, np.ndarray]:
    """The weights that rkbs's model of these sizes begins with."""
    found = _model(task, plain, d_model, d_ff, seed).state_dict()
    return {name: w.numpy().copy() for name, w in found.items() if ".attend." not in name}


def _model(task: Task, plain: Plain, d_model: int, d_ff: int, seed: int) -> nn.Module:
    config = TransformerConfig(
        vocab=task.vocab,
        d_model=d_model,
        heads=plain.heads,
        layers=plain.layers,
        head_dim=plain.dimension,
        d_ff=d_ff,
        context=task.tokens.shape[1],
        dropout=0.0,
    )
    kernel = KERNELS.get(type(plain.logit), EDP())
    if task.causal:
        model: nn.Module = LanguageModel(config, kernel, seed=seed)
    else:
        model = EncoderClassifier(config, task.classes, kernel, seed=seed)
    return model.double()


def model_of(network: Network, weights: Mapping[str, np.ndarray]) -> nn.Module:
    """The model with these weights, a bias of queries where there is one; kernels at gain 1."""
    C, hidden = (
        weights[f"{network.plain.blocks[0]}.{part}.weight"].shape[0]
        for part in ("attention.out", "feed_forward.up")
    )
    model = _model(network.task, network.plain, C, hidden, 0)
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = network.plain.eps
        if f"{name}.bias" in weights and getattr(module, "bias", 0) is None:
            module.bias = nn.Parameter(torch.zeros(len(module.weight), dtype=torch.float64))
    state = {name: torch.ones_like(w) for name, w in model.state_dict().items()}
    state |= {name: torch.as_tensor(w) for name, w in weights.items()}
    model.load_state_dict(state)
    return model


def loss_of(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """−Σ_y p(y) log p̂(y), the mean over examples."""
    scores = model(batch["tokens"])
    if scores.ndim == 3:
        scores = scores[:, -1, 1:]  # what follows the last token; padding never does
    return functional.cross_entropy(scores, batch["frequencies"])


def judged(network: Network, x: np.ndarray) -> tuple[float, np.ndarray, Any]:
    """The loss, its gradient by autograd as a vector, and the audit at the decay of the maps."""
    weights, task = network.weights(x), network.task
    model = model_of(network, weights)
    batch = {
        "tokens": torch.as_tensor(task.tokens),
        "frequencies": torch.as_tensor(task.frequencies),
    }
    loss = loss_of(model, batch)
    loss.backward()
    gradients = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    block = network.plain.blocks[0]
    query, key = (
        network.decays.get(f"{block}.attention.{part}.weight") for part in ("query", "key")
    )
    found = audit(model, batch, loss_of, decay=(query, query if key is None else key))
    return float(loss.detach()), network.gathered(gradients), found
