"""Problems of the three readings on small data, and their penalties written out."""

import numpy as np
from helpers import norm

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP
from rkbs.problems.product import ProductProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.spaces import RKBSPair, conjugate_exponent
from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten

SMOOTH = (Squared(), Logistic(), Huber(0.5))
KINKED = (Hinge(), EpsilonInsensitive(0.2))
LOSSES = (*SMOOTH, *KINKED)


def as_labels(loss, z):
    """z, or its signs where the loss asks for labels."""
    return np.sign(z) if loss.labels else z


# ---- the operator problem


def bounded_features(n, d, seed, dim=4):
    """More features than dimensions, of random points, one of them dependent on the others."""
    rng = np.random.default_rng(seed)
    phi = np.tanh(rng.standard_normal((n, d)) @ rng.standard_normal((d, dim)))
    return np.hstack([phi, phi[:, :1] + phi[:, 1:2]])


PHI_X, PHI_Y = bounded_features(9, 3, 0), bounded_features(8, 2, 1)
CORNERS = Pairs.grid(np.zeros((9, 1)), np.zeros((8, 1)))


def schatten_problem(loss=None, penalty=None, keep=None, alpha=0.2, seed=2):
    """A problem whose feature maps are ``PHI_X`` and ``PHI_Y``."""
    rng = np.random.default_rng(seed)
    pairs = CORNERS if keep is None else CORNERS[np.sort(rng.permutation(72)[:keep])]
    loss = loss or Squared()
    z = as_labels(loss, rng.standard_normal(len(pairs)))
    return SchattenProblem(
        PHI_X @ PHI_X.T, PHI_Y @ PHI_Y.T, pairs, z, alpha, loss, penalty or Schatten(1)
    )


def loss_by_hand(loss, h, z):
    """ℓ(h; z), another way than in ``rkbs.terms``."""
    r = h - z
    if isinstance(loss, Squared):
        return r @ r / 2
    if isinstance(loss, Logistic):
        return np.log1p(np.exp(-z * h)).sum()
    if isinstance(loss, Hinge):
        return ((1 - z * h) * (z * h < 1)).sum()
    if isinstance(loss, Huber):
        small = abs(r) <= loss.delta
        return (small * r**2 / 2 + ~small * loss.delta * (abs(r) - loss.delta / 2)).sum()
    return ((abs(r) - loss.epsilon) * (abs(r) > loss.epsilon)).sum()


# ---- separable and product

W = np.random.default_rng(5).standard_normal((2, 2, 3)) / 2  # W^Q ≠ W^K


def separable_problem(
    p=3.0, loss=None, regularizers=None, alphas=(0.3, 0.2), order=4, keep=None, seed=0
):
    loss = loss or Squared()
    rng = np.random.default_rng(seed)
    spaces = RKBSPair.from_kernel(EDP(), 2, order, p, *W)
    pairs = Pairs.grid(rng.uniform(-1, 1, (6, 3)), rng.uniform(-1, 1, (5, 3)))
    if keep:
        pairs = pairs[np.sort(rng.permutation(len(pairs))[:keep])]
    z = as_labels(loss, rng.standard_normal(len(pairs)))
    if regularizers is None:
        regularizers = PowerNorm(p), PowerNorm(conjugate_exponent(p))
    return SeparableProblem(spaces, pairs, z, *alphas, loss, *regularizers)


def product_problem(p=1.5, loss=None, kinds=None, alphas=(0.1, 0.2), keep=24, seed=0):
    loss = loss or Squared()
    rng = np.random.default_rng(seed)
    spaces = RKBSPair.from_kernel(EDP(), 2, 3, p, *W)
    pairs = Pairs.grid(rng.uniform(-1.5, 1.5, (6, 3)), rng.uniform(-1.5, 1.5, (5, 3)))
    if keep:
        pairs = pairs[np.sort(rng.permutation(30)[:keep])]
    i, j = pairs.i, pairs.j
    z = 2 * pairs.X[i, 0] * pairs.Y[j, 1] + 0.2 * rng.standard_normal(len(pairs))
    z = as_labels(loss, z)
    return ProductProblem(spaces, pairs, z, *alphas, loss, *(kinds or (HalfSquare(),) * 2))


def features_at_pairs(problem):
    """Φ_X(x_{i_n}) and Φ_Y(y_{j_n}), a row for each pair."""
    x = problem.spaces.features_x(problem.pairs.X)[problem.pairs.i]
    return x, problem.spaces.features_y(problem.pairs.Y)[problem.pairs.j]


def power(regularizer):
    return {HalfSquare: 2.0, Norm: 1.0}.get(type(regularizer)) or regularizer.r


def penalty(v, p, regularizer):
    r = power(regularizer)
    return norm(v, p) ** r / r


def left_side(v, p, regularizer):
    """R'(‖v‖_p) ι(v) = sign(v)|v|^{p−1} ‖v‖^{r−p} for R = t^r/r."""
    return np.sign(v) * np.abs(v) ** (p - 1) * norm(v, p) ** (power(regularizer) - p)


PENALTIES = [
    (HalfSquare(), HalfSquare()),
    (PowerNorm(1.5), PowerNorm(3.0)),
    (Norm(), PowerNorm(1.2)),
]


class WrongLoss(Loss):
    """Squared loss, with one of its parts replaced."""

    def __init__(self, **parts):
        right = Squared()
        for name in ("value", "gradient", "conjugate", "prox"):
            setattr(self, name, parts.get(name, getattr(right, name)))

    value = gradient = conjugate = curvature = prox = None
