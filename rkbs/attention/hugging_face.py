"""Kernels in the models of Hugging Face: ``model.set_attn_implementation(register(kernel))``."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

try:
    from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
    from transformers.masking_utils import sdpa_mask
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise
    raise ImportError(
        "rkbs.attention.hugging_face needs transformers, which is not installed: "
        "pip install rkbs[hf]"
    ) from error

from rkbs.attention.functional import kernel_attention
from rkbs.attention.learned import LearnedKernel
from rkbs.kernels.base import Kernel

_OWN = "rkbs_kernel"
_LEARNED = "rkbs_learned"
_REFUSED = {
    "softcap": "caps the logits: CappedEDP(cap) is the kernel of that",
    "s_aux": "adds a logit of its own to each row of weights",
}
"""Arguments of models that change the weights in a way that no kernel knows of."""


def register(kernel: Kernel, name: str | None = None) -> str:
    """Make a kernel an attention implementation of all models; the name to set it by.

    A model with ``set_attn_implementation`` then runs, trains and generates with
    κ(q_i, k_j)/Σ_j κ(q_i, k_j) in place of softmax weights. Masks are kept whole, padding and
    causality, since they are always built. The model's own scale of q·k is honoured: if it is not
    1/√d, q and k are multiplied by (scale · √d)^½ each. Key heads that serve several query heads
    are repeated. A bias for positions, as T5 has it, is added to the logits.

    Parameters
    ----------
    kernel : Kernel
        Non-negative, with parameters that are not trained; see ``attach`` for those that are.
    name : str, optional
        By default the kernel's own, as ``"rkbs: RBF(tau=0.5)"``.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        For what is no kernel. When the model runs: for a bias of positions and a kernel without
        a logit.
    ValueError
        When the model runs: for a model that caps its logits, or adds sinks to them.

    Examples
    --------
    >>> import torch
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> from rkbs import RBF
    >>> from rkbs.attention.hugging_face import register
    >>> sizes = dict(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1)
    >>> model = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2))
    >>> model.set_attn_implementation(register(RBF(0.5)))
    >>> model(torch.tensor([[1, 2, 3]])).logits.shape
    torch.Size([1, 3, 50])
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, such as RBF(), got {kernel!r}")
    name = f"rkbs: {kernel!r}" if name is None else name

    def forward(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        return _attend(kernel, module, *args, **kwargs)

    _register(name, forward)
    return name


def attach(
    model: nn.Module, kernel: Kernel, *, learn: bool = True, per_head: bool = True
) -> nn.Module:
    """Put a kernel with parameters of its own on each attention module of a model, and use it.

    The parameters become the model's: optimizers find them, ``save_pretrained`` and the state
    dict have them, under ``rkbs_kernel.`` of each module. A model that is loaded again needs
    ``attach`` before its state dict.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    kernel : Kernel
        Where training starts.
    learn : bool
        Whether the parameters are trained.
    per_head : bool
        Whether each head has values of its own.

    Returns
    -------
    The model.

    Raises
    ------
    TypeError
        For a model whose attention cannot be set.

    Examples
    --------
    >>> from transformers import BertConfig, BertModel
    >>> from rkbs import RBF
    >>> from rkbs.attention.hugging_face import attach
    >>> sizes = dict(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2)
    >>> model = attach(BertModel(BertConfig(**sizes, num_attention_heads=2)), RBF())
    >>> [name for name, _ in model.named_parameters() if "rkbs" in name][0]
    'encoder.layer.0.attention.self.rkbs_kernel.tau'
    """
    if not isinstance(model, PreTrainedModel):
        raise TypeError(f"model must be a PreTrainedModel of transformers, got {type(model)}")
    modules = _attention_modules(model)
    model.set_attn_implementation(_LEARNED)
    if not modules or model.config._attn_implementation != _LEARNED:
        raise TypeError(
            f"model must have attention that can be set, as models with set_attn_implementation "
            f"do; {type(model).__name__} does not: replace its attention modules, for example by "
            "MultiheadKernelAttention"
        )
    reference = next(model.parameters())
    for module in modules:
        heads = _heads(module, model) if per_head else None
        own = LearnedKernel(
            kernel, learn=learn, heads=heads, device=reference.device, dtype=reference.dtype
        )
        module.add_module(_OWN, own)
    return model


def _learned(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    own = getattr(module, _OWN, None)
    if own is None:
        raise TypeError(
            f"model has an attention module without a kernel, {type(module).__name__}: call "
            "attach(model, kernel), which puts one on each"
        )
    return _attend(own(), module, *args, **kwargs)


def _register(name: str, forward: Any) -> None:
    AttentionInterface.register(name, forward)
    AttentionMaskInterface.register(name, _mask)


def _mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """The whole mask, (N, 1, n, m), True where a query sees a key: never None for "causal"."""
    kwargs |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    return sdpa_mask(*args, **kwargs)


def _attend(
    kernel: Kernel,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    output_attentions: bool = False,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """(N, heads, n, d), (N, groups, m, d), … → (N, n, heads, d_v), and the weights if asked for."""
    for name, what in _REFUSED.items():
        if kwargs.get(name) is not None:
            raise ValueError(f"the model's {name} {what}: {kernel!r} cannot honour it")
    n, m, d = query.shape[-2], key.shape[-2], query.shape[-1]
    mask = attention_mask
    if mask is None and n > 1 and _is_causal(module, is_causal):
        mask = torch.ones(n, m, dtype=torch.bool, device=query.device).tril(m - n)
    if position_bias is not None:
        if kernel.is_positive is not True:
            raise TypeError(
                f"{type(module).__name__} adds a bias of positions to its logits, and {kernel!r} "
                "has none: take a positive kernel, such as RBF()"
            )
        mask = _biased(mask, position_bias.to(query.dtype))
    if scaling is not None and not math.isclose(scaling * math.sqrt(d), 1.0, rel_tol=1e-6):
        root = math.sqrt(scaling * math.sqrt(d))
        query, key = root * query, root * key
    found = kernel_attention(
        query,
        key,
        value,
        kernel,
        attn_mask=mask,
        dropout_p=dropout,
        enable_gqa=key.shape[1] != query.shape[1],
        return_weights=output_attentions,
    )
    out, weights = found if output_attentions else (found, None)
    return out.transpose(1, 2).contiguous(), weights


def _is_causal(module: nn.Module, is_causal: bool | None) -> bool:
    return bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)


def _biased(mask: Tensor | None, bias: Tensor) -> Tensor:
    """What is added to logits: the bias where a query sees a key."""
    if mask is None:
        return bias
    if mask.dtype == torch.bool:
        return torch.where(mask, bias, -math.inf)
    return bias + mask


def _attention_modules(model: nn.Module) -> list[nn.Module]:
    """Those that call the attention interface: it reads ``is_causal`` of each."""
    return [part for part in model.modules() if isinstance(getattr(part, "is_causal", None), bool)]


def _heads(module: nn.Module, model: nn.Module) -> int | None:
    """How many heads of queries a module has; None where it does not say."""
    names = ("num_heads", "num_attention_heads", "n_heads")
    owners = (module, getattr(module, "config", None), model.config)
    counts = (getattr(owner, name, None) for owner in owners for name in names)
    return next((count for count in counts if isinstance(count, int)), None)


_register(_LEARNED, _learned)
