"""Laws: each ``*_residual`` is the worst residual of a law, 0 where it holds exactly.

Tests call them on every kernel, feature map, pair of spaces and solution, and verification where
a residual in floating point is the evidence (elsewhere it works in exact numbers or balls). A
residual is relative (to the size of what is compared) unless a docstring says otherwise, and
infinite where anything is NaN or infinite, or where everything is zero: a law says nothing about
zeros.
"""

from __future__ import annotations

import numpy as np

from rkbs.kernels.base import Kernel
from rkbs.kernels.features import PowerFeatures
from rkbs.problems.operator import OperatorProblem
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.spaces.element import Element
from rkbs.terms.losses import Loss

_TINY = np.finfo(float).tiny


def worst(*residuals: float) -> float:
    """The largest residual; NaN, which ``max`` would drop, counts as infinite."""
    return max(float("inf") if np.isnan(r) else float(r) for r in residuals)


def _says_nothing(*arrays: np.ndarray) -> bool:
    return any(not np.isfinite(a).all() or not np.any(a) for a in arrays)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """max|found − expected| / max|expected|; infinite for NaN, infinity, or only zeros expected."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    if found.shape != expected.shape:
        raise ValueError(f"shapes differ: {found.shape} and {expected.shape}")
    if not np.isfinite(found).all() or _says_nothing(expected):
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def negativity(gram: np.ndarray) -> float:
    """−λ_min/max|λ| of the symmetric part, 0 for a positive semi-definite matrix."""
    if _says_nothing(gram):
        return float("inf")
    eigenvalues = np.linalg.eigvalsh((gram + gram.T) / 2)
    return float(max(-eigenvalues[0], 0.0) / max(np.abs(eigenvalues).max(), _TINY))


def symmetry_residual(kernel: Kernel, x: np.ndarray) -> float:
    """κ(x, y) = κ(y, x)."""
    gram = kernel(x, x)
    return relative(gram, gram.T)


def mercer_residual(kernel: Kernel, x: np.ndarray) -> float:
    """Symmetric, and cᵀKc ≥ 0: the larger of asymmetry and negativity."""
    return worst(symmetry_residual(kernel, x), negativity(kernel(x, x)))


def logit_residual(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> float:
    """exp(log κ) = κ, elementwise relative."""
    gram = kernel(x, y)
    if not (gram > 0).all():
        return float("inf")
    return relative(np.exp(kernel.log(x, y)) / gram, np.ones_like(gram))


def transpose_residual(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> float:
    """κᵀ(y, x) = κ(x, y)ᵀ."""
    return relative(kernel.T(y, x), kernel(x, y).T)


def algebra_residual(a: Kernel, b: Kernel, x: np.ndarray, y: np.ndarray) -> float:
    """Sum, product and multiple of kernels are those of their Gram matrices."""
    A, B = a(x, y), b(x, y)
    return worst(
        relative((a + b)(x, y), A + B),
        relative((a * b)(x, y), A * B),
        relative((-2.5 * a)(x, y), -2.5 * A),
    )


def pullback_residual(
    kernel: Kernel, WQ: np.ndarray, WK: np.ndarray, x: np.ndarray, y: np.ndarray
) -> float:
    """κ.pullback(W^Q, W^K)(x, y) = κ(W^Q x, W^K y)."""
    return relative(kernel.pullback(WQ, WK)(x, y), kernel(x @ WQ.T, y @ WK.T))


def domain_kernels_residual(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> float:
    """[[k_X, κ], [κᵀ, k_Y]] is PSD, as the Gram matrix of all the features Φ_X(x), Φ_Y(y)."""
    cross = kernel(x, y)
    if _says_nothing(cross):
        return float("inf")
    return negativity(np.block([[kernel.domain_x(x, x), cross], [cross.T, kernel.domain_y(y, y)]]))


def rank_residual(kernel: Kernel, x: np.ndarray) -> float:
    """σ_{D+1}/σ_1 of a Gram matrix on more than D = feature_dim(d) points: 0 for rank ≤ D."""
    dim = kernel.feature_dim(x.shape[-1])
    if not isinstance(dim, int) or len(x) <= dim:
        raise ValueError(f"needs a finite feature_dim below {len(x)} points, got {dim}")
    gram = kernel(x, x)
    if _says_nothing(gram):
        return float("inf")
    sigma = np.linalg.svd(gram, compute_uv=False)
    return float(sigma[dim] / sigma[0])


def features_residual(features: PowerFeatures, q: np.ndarray, k: np.ndarray) -> float:
    """|κ(q, k) − Φ(q)·SΦ(k)| beyond the remainder bound, over max|κ|.

    Infinite where the bound reaches max|κ|: features that are all zero would keep it.
    """
    gram = features.kernel(q, k)
    bound = features.remainder_bound(q @ k.T / np.sqrt(features.d))
    largest = np.abs(gram).max()
    if _says_nothing(gram) or not bound.max() < largest:
        return float("inf")
    excess = np.abs(features(q) @ features(k, signed=True).T - gram) - bound
    return worst(excess.max() / largest, 0.0)


def reproducing_residual(
    spaces: RKBSPair, f: Element, g: Element, x: np.ndarray, y: np.ndarray
) -> float:
    """f(x) = ⟨f, κ(x, ·)⟩ and g(y) = ⟨κ(·, y), g⟩."""
    through_x = np.array([spaces.pairing(f, spaces.section_x(point)) for point in x])
    through_y = np.array([spaces.pairing(spaces.section_y(point), g) for point in y])
    return worst(relative(through_x, f(x)), relative(through_y, g(y)))


def duality_map_residual(spaces: RKBSPair, element: Element) -> float:
    """‖ι(f)‖ = 1, ⟨ι(f), f⟩ = ‖f‖, and ι⁻¹ gives f back, for f ≠ 0."""
    image, norm = spaces.duality_map(element), spaces.norm(element)
    if not norm > 0 or not image.coefficients.any():
        return float("inf")
    back = spaces.inverse_duality_map(image, norm)
    f, g = (element, image) if element.domain == "x" else (image, element)
    return worst(
        abs(spaces.norm(image) - 1),
        abs(spaces.pairing(f, g) / norm - 1),
        relative(back.coefficients, element.coefficients),
    )


def hoelder_residual(spaces: RKBSPair, f: Element, g: Element) -> float:
    """|⟨f, g⟩| / (‖f‖_p ‖g‖_{p'}) − 1 where positive: 0 by Hölder's inequality."""
    product = spaces.norm(f) * spaces.norm(g)
    return worst(abs(spaces.pairing(f, g)) / product - 1, 0.0) if product > 0 else float("inf")


def optimality_residual(problem: OperatorProblem, c: np.ndarray) -> float:
    """‖(K + αI)c − z‖/‖z‖ with K formed entry by entry: the ridge certificate, independently."""
    left, right = problem.grams_of(problem.pairs.i, problem.pairs.j)
    gram = left * right
    residual = gram @ c + problem.alpha * c - problem.z
    return worst(np.linalg.norm(residual) / max(np.linalg.norm(problem.z), _TINY))


def conjugate_residual(loss: Loss, h: np.ndarray, z: np.ndarray) -> float:
    """ℓ(h) + ℓ*(u) = uh at the subgradient u = ℓ'(h): Fenchel's equality, over max(ℓ)."""
    value, slope = loss.value(h, z), loss.gradient(h, z)
    return _over(value + loss.conjugate(slope, z) - slope * h, value)


def prox_residual(loss: Loss, h: np.ndarray, z: np.ndarray, step: float) -> float:
    """(h − t)/step is a subgradient of ℓ at t = prox(h): Fenchel's equality, over max(ℓ).

    ℓ* is asked 1e-12 inside, at (1 − 1e-12)(h − t)/step, so that rounding stays in its domain.
    """
    near = loss.prox(h, z, step)
    value, slope = loss.value(h, z), (1 - 1e-12) * (h - near) / step
    return _over(loss.value(near, z) + loss.conjugate(slope, z) - slope * near, value)


def _over(excess: np.ndarray, size: np.ndarray) -> float:
    if not np.isfinite(excess).all() or _says_nothing(size):
        return float("inf")
    return float(np.abs(excess).max() / np.abs(size).max())
