"""Theorem 1, separable reading: existence, expansion and uniqueness in Banach spaces over ℓ^p."""

from __future__ import annotations

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.kernels.dot_product import TaylorEDP
from rkbs.problems.separable import SeparableProblem
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.spaces.lp import conjugate_exponent
from rkbs.terms.losses import DualLoss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, PowerNorm
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared

EXPONENTS = (1.25, 1.5, 2.0, 3.0, 4.0)
LOSSES = (Squared(), Logistic(), Huber(0.5), Hinge(), EpsilonInsensitive(0.2))
HEAD, ORDER = 2, 5  # 21 features, more than the points of a domain: the spans are proper subspaces
ALPHA_X, ALPHA_Y = 0.3, 0.2


def make_problem(
    rng: np.random.Generator, p: float, loss: DualLoss, natural: bool, complete: bool
) -> SeparableProblem:
    """7 targets, 6 sources, W^Q ≠ W^K; R = t^r/r with each space's own exponent, or t²/2."""
    WQ, WK = rng.standard_normal((2, HEAD, 3)) / 2
    spaces = RKBSPair.from_kernel(TaylorEDP(ORDER), HEAD, ORDER, p, WQ, WK)
    pairs = Pairs.grid(rng.uniform(-1, 1, (7, 3)), rng.uniform(-1, 1, (6, 3)))
    if not complete:
        pairs = pairs[np.sort(rng.permutation(len(pairs))[:30])]
    z = rng.standard_normal(len(pairs))
    z = np.sign(z) if loss.labels else z
    regularizers = (PowerNorm(p), PowerNorm(conjugate_exponent(p)))
    regularizers = regularizers if natural else (HalfSquare(), HalfSquare())
    return SeparableProblem(spaces, pairs, z, ALPHA_X, ALPHA_Y, loss, *regularizers)


def off_span(vector: np.ndarray, phi: np.ndarray) -> float:
    """Distance of a vector from the span of the features' rows, over its norm; infinite for 0."""
    if not vector.any():
        return float("inf")
    coefficients = np.linalg.lstsq(phi.T, vector, rcond=None)[0]
    return float(np.linalg.norm(vector - coefficients @ phi) / np.linalg.norm(vector))
