"""Small Transformers in plain numpy with weights that are at no particular place."""

from dataclasses import replace

import numpy as np

from verify.oracles.log_kernels import Logit, QuarticLogit, RBFLogit
from verify.oracles.transformer import Plain
from verify.studies.deep_models import start
from verify.studies.deep_networks import Network
from verify.studies.deep_tasks import TASKS

LOGITS = {"edp": Logit(), "quartic": QuarticLogit(), "rbf": RBFLogit()}
KINDS = ("edp", "quartic", "rbf", "bias", "tied", "shared")


def network(kind="edp", task="counting", layers=2, dimension=3, decay=1e-2, gains=True):
    """A network of two heads, of eight examples, and a vector of weights."""
    rng = np.random.default_rng(len(kind) + layers)
    whole = TASKS[task](0.2)
    some = whole.some(rng.permutation(len(whole.tokens))[:8])
    plain = Plain(2, layers, dimension, some.causal, 0.5, LOGITS.get(kind, Logit()))
    weights = start(some, plain, 6, 5, 3)
    if kind == "bias":
        for block in plain.blocks:
            weights[f"{block}.attention.query.bias"] = rng.standard_normal(2 * dimension)
    kept = {"key.weight"} if kind == "tied" else set()
    decays = {
        name: decay
        for name in weights
        if not any(name.endswith(part) for part in kept) and (gains or "norm" not in name)
    }
    found = Network(some, plain, weights, decays, kind == "tied", kind == "shared")
    x = found.vector(weights)
    return replace(found, start=weights), x + 0.3 * rng.standard_normal(len(x))
