"""The share of the keys that are attended to, against rows of weights written out in numpy."""

import math

import numpy as np
import pytest
from optional import module, torch

from rkbs.kernels import EDP, L2Distance
from rkbs.kernels.entity import Constant

transformer = module("rkbs.transformer")
study = module("verify.studies.attended")
helpers = module("transformer_helpers")


def share(weights):
    """exp(entropy)/keys of each row, keys of no weight being unseen where they are to the right."""
    shares = []
    for i, row in enumerate(weights):
        entropy = -sum(w * math.log(w) for w in row if w > 0)
        shares.append(math.exp(entropy) / (i + 1 if np.triu(weights, 1).max() == 0 else len(row)))
    return np.mean(shares)


def config(**options):
    sizes = {"vocab": 9, "d_model": 4, "heads": 1, "layers": 1, "dropout": 0.5}
    return transformer.TransformerConfig(**sizes | options)


def test_uniform_attention_attends_to_all_keys():
    model = transformer.EncoderDecoder(config(heads=2, layers=2), Constant())
    found = study.attended(model, [([5, 6, 2], [1, 7]), ([5, 2], [1, 7, 8, 2])])
    assert found == pytest.approx({"encoder": 1.0, "decoder": 1.0, "cross": 1.0}, abs=1e-7)


@pytest.mark.parametrize("causal", [False, True])
def test_rows_of_weights_by_hand(causal):
    make = transformer.LanguageModel if causal else transformer.EncoderClassifier
    options = {} if causal else {"classes": 2}
    model = make(config(), kernel=EDP(), seed=3, **options)
    with torch.no_grad():
        for part in ("query", "key"):
            next(p for n, p in model.named_parameters() if f"{part}.weight" in n).mul_(3)
    tokens, w = [1, 5, 7, 2], {k: v.double().numpy() for k, v in model.state_dict().items()}
    x = 2 * (w["embedding.token.weight"][tokens] + w["embedding.position.weight"][:4])
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    side = "decoder" if causal else "encoder"
    q, k = (x @ w[f"{side}.blocks.0.attention.{part}.weight"].T for part in ("query", "key"))
    values = np.exp(q @ k.T / 2)
    values = np.tril(values) if causal else values
    expected = share(values / values.sum(1, keepdims=True))
    assert expected < 0.95
    assert study.attended(model, [(tokens,)]) == {side: pytest.approx(expected, rel=1e-5)}
    more = study.attended(model, [(tokens,), (tokens,)])  # a mean over sentences, hooks once each
    assert more == {side: pytest.approx(expected, rel=1e-5)}


def test_models_are_left_as_they_were():
    model = transformer.EncoderClassifier(config(), 2, L2Distance()).train()
    tokens = torch.tensor([[1, 5, 2]])
    before = [id(hook) for m in model.modules() for hook in m._forward_pre_hooks]
    study.attended(model, [([1, 5, 2],)])
    assert before == [id(hook) for m in model.modules() for hook in m._forward_pre_hooks] == []
    assert model.training
    assert model.eval()(tokens).shape == (1, 2)
