"""Heads for the bracket of the sup error."""

import math

import numpy as np

from rkbs.approximation.heads import Head
from rkbs.approximation.sup_bracket import certified_sup_error


def random_weights(seed, scale, d=3, width=12):
    rng = np.random.default_rng(seed)
    weights = {}
    for tower in ("query", "key"):
        slopes = rng.normal(scale=scale, size=(width, 1))
        weights |= {
            f"{tower}.hidden.weight": slopes,
            f"{tower}.hidden.bias": -slopes[:, 0] * rng.uniform(-1.2, 1.2, width),
            f"{tower}.output.weight": rng.normal(size=(d, width)) / math.sqrt(width),
            f"{tower}.output.bias": rng.normal(size=d),
        }
    return weights


def certify(target, weights, **how):
    """The bracket of a head given by its weights' names."""
    return certified_sup_error(target, Head.from_weights(weights), **how)
