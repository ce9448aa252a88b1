"""Problems: objective, dual and optimality residual, so that any solution can be certified."""

from __future__ import annotations

import abc
import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self, final

import numpy as np

from rkbs._arrays import as_matrix, check_kinds, check_number, short_repr
from rkbs.certificates import KKTCertificate, relative_gap
from rkbs.eigen import Eigen, Factors
from rkbs.losses import Loss, Squared
from rkbs.pairs import Pairs


@dataclass(frozen=True, eq=False)
class GramProblem(abc.ABC):
    """Data, loss and α of the operator reading: h_n = ⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩.

    Parameters
    ----------
    gram_x, gram_y : arrays of shape (n_x, n_x), (n_y, n_y)
        Within-domain Gram matrices: symmetric, positive semi-definite (the latter is checked
        where the eigenvalues are computed).
    pairs : Pairs
        Only its indices are used.
    z : array of shape (n,), or (n_x, n_y) for a complete grid
        Responses; labels −1 and 1 for the logistic and hinge losses.
    alpha : float
        α > 0, the regularization. The loss is a sum over pairs, as in scikit-learn's
        ``KernelRidge``; the paper's 1/(n_x n_y) average has λ = α/(n_x n_y).
    loss : Loss

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    """

    gram_x: np.ndarray
    gram_y: np.ndarray
    pairs: Pairs
    z: np.ndarray
    alpha: float
    loss: Loss = field(default_factory=Squared)

    def __post_init__(self) -> None:
        check_kinds(self, pairs=Pairs, loss=Loss)
        checked = {
            "gram_x": as_gram(self.gram_x, "gram_x", len(self.pairs.X)),
            "gram_y": as_gram(self.gram_y, "gram_y", len(self.pairs.Y)),
            "z": self.loss.check(check_scale(self.pairs.responses(self.z))),
            "alpha": check_number(self.alpha, "alpha", above=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @cached_property
    def eigen(self) -> tuple[Eigen, Eigen]:
        """Both eigendecompositions: computed once, and shared by ``with_alpha``."""
        return Eigen.of(self.gram_x, "gram_x"), Eigen.of(self.gram_y, "gram_y")

    @cached_property
    def factors(self) -> Factors:
        """R_X and R_Y, of the ranges of the Gram matrices: they too are computed once."""
        x, y = self.eigen
        return Factors(x.range(), y.range())

    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another α, with the same factors: nothing is decomposed again."""
        _ = self.factors  # computed before it is copied
        other = copy.copy(self)
        object.__setattr__(other, "alpha", check_number(alpha, "alpha", above=0.0))
        return other

    def values(self, M: np.ndarray) -> np.ndarray:
        """h = R_X M R_Yᵀ at the pairs: (r_x, r_y) → (n,)."""
        return self.pairs.values(self.factors.push(M))

    def pull(self, c: np.ndarray) -> np.ndarray:
        """R_Xᵀ C R_Y, the adjoint of ``values``: (n,) → (r_x, r_y)."""
        return self.factors.pull(self.pairs.matrix(c))

    def expansion(self, M: np.ndarray) -> np.ndarray:
        """A = U S^{−1/2} M T^{−1/2} Vᵀ, with T = Σ_ij A_ij Φ_X(x_i) ⊗ Φ_Y(y_j): (n_x, n_y).

        A is over the whole grid of observed points, also where only some pairs were observed.
        """
        return self.factors.dual_left @ M @ self.factors.dual_right.T


class OperatorPoint(NamedTuple):
    """Coordinates M of the operator T, (r_x, r_y), and the dual unknowns c, (n,), c_n = −ℓ'(h_n).

    ι(T*) = ∇Ω(T*) = Σ_n c_n Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}) / α at the optimum: an expansion over the
    observed pairs only. That of T* itself (``GramProblem.expansion``) is over the whole grid of
    observed points, unless p = 2, where ι is the identity.
    """

    M: np.ndarray
    c: np.ndarray

    __repr__ = short_repr


@final
@dataclass(frozen=True, eq=False)
class OperatorProblem(GramProblem):
    """min_T Σ_n ℓ(⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩; z_n) + (α/2) ‖T‖²_{S_2}, the operator reading.

    By the representer theorem T* = Σ_n (c_n/α) Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}), c_n = −ℓ'(h_n; z_n).
    In orthonormal bases of the spans of the observed Φ_X(x_i) and Φ_Y(y_j) it has coordinates M:
    with K_X = R_X R_Xᵀ, K_Y = R_Y R_Yᵀ and h = (R_X M R_Yᵀ) at the pairs the problem is
    min_M Σ ℓ(h_n; z_n) + (α/2) ‖M‖², and αM = R_Xᵀ C R_Y, with the matrix C that holds c at the
    pairs, is where its gradient is zero.

    Solutions are sought and certified in M. Of c alone, h is K c/α with the Gram matrix K of the
    pairs, which magnifies the rounding of c by λ_max(K)/α: nothing would be left of it for
    features of large scale.

    The certificate is of the problem with the Gram matrices rounded to their numerical rank:
    eigenvalues below n · eps · λ_max count as zero, a change within the matrices' own rounding.
    With α below n · eps · λ_max(K_X) λ_max(K_Y) the exact matrices could show features that these
    hide; and of a feature with eigenvalue s the rows k_X(x, X), hence predictions, keep a relative
    accuracy of eps · λ_max/s.

    Parameters and errors: as of ``GramProblem``.

    Source: theory §3, reading C; Abernethy, Bach, Evgeniou & Vert (JMLR 2009).
    """

    __repr__ = short_repr

    def objective(self, M: np.ndarray) -> float:
        """Σ ℓ(h_n; z_n) + (α/2) ‖M‖²."""
        return self._objective(M, self.values(M))

    def dual_objective(self, c: np.ndarray) -> float:
        """−Σ ℓ*(−c_n; z_n) − ‖R_Xᵀ C R_Y‖²/(2α), a lower bound of the optimum for every c."""
        penalty = np.linalg.norm(self.pull(c) / np.sqrt(self.alpha)) ** 2 / 2
        return float(-self.loss.conjugate(-c, self.z).sum() - penalty)

    def _objective(self, M: np.ndarray, h: np.ndarray) -> float:
        penalty = np.linalg.norm(np.sqrt(self.alpha) * M) ** 2 / 2
        return float(self.loss.value(h, self.z).sum() + penalty)

    def energy(self, G: np.ndarray) -> float:
        """‖G‖_* = (Σ_ab G_ab² / (s_a t_b + α))^{1/2}, s and t the eigenvalues of K_X and K_Y.

        Each coordinate of a gradient counts by what moving along it would gain, whatever the scale
        of its features: ‖R_Xᵀ C R_Y‖_* is at most ‖c‖.
        """
        return float(np.linalg.norm(G / np.sqrt(self.factors.products + self.alpha)))

    def pull_scale(self, M: np.ndarray, c: np.ndarray) -> float:
        """What αM − R_Xᵀ C R_Y is to be small against: αM, or the largest pull of such a c.

        With at least as many pairs as coordinates, of −ℓ'(0; z) in place of c: then the pairs see
        every coordinate, and h alone tells M.
        """
        largest = self.factors.products.max(initial=0.0)
        seen = np.sqrt(largest / (largest + self.alpha))
        size = self.slope if len(c) >= M.size else np.linalg.norm(c)
        return max(self.energy(self.alpha * M), float(seen * size), np.finfo(float).tiny)

    @property
    def slope(self) -> float:
        """‖ℓ'(0; z)‖."""
        return float(np.linalg.norm(self.loss.gradient(np.zeros_like(self.z), self.z)))

    def certify(self, M: np.ndarray, c: np.ndarray, tolerance: float) -> KKTCertificate:
        """KKT residual and duality gap of M and c, from four products with the factors."""
        h = self.values(M)
        primal = self._objective(M, h)
        G, r = self.alpha * M - self.pull(c), c + self.loss.gradient(h, self.z)
        pulled, fitted = self.energy(G), float(np.linalg.norm(r))
        # For the squared loss the gap is a sum of squares, in which nothing cancels. On a complete
        # grid its curvature is s_a t_b + α, so that the excess is ‖G + R_Xᵀ (r) R_Y‖_*²/2.
        if not isinstance(self.loss, Squared):
            young = self.loss.value(h, self.z) + self.loss.conjugate(-c, self.z) + c * h
            gap = young.sum() + np.linalg.norm(G / np.sqrt(self.alpha)) ** 2 / 2
        elif self.pairs.is_complete:
            gap = (pulled + fitted) ** 2 / 2
        else:
            gap = (fitted**2 + np.linalg.norm(G / np.sqrt(self.alpha)) ** 2) / 2
        tiny = np.finfo(float).tiny
        return KKTCertificate(
            kkt_residual=float(
                np.maximum(fitted / max(self.slope, tiny), pulled / self.pull_scale(M, c))
            ),
            relative_gap=relative_gap(primal, primal - float(gap), float(gap)),
            tolerance=tolerance,
        )

    def towers(self, M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Q and K of h(x, y) = (k_X(x, X) Q)·(k_Y(y, Y) K), with min(r_x, r_y) columns: A = Q Kᵀ.

        M goes to the side where it costs no columns; no singular values are computed.
        """
        left, right = self.factors.dual_left, self.factors.dual_right
        return (left, right @ M.T) if len(M) <= len(M.T) else (left @ M, right)


def check_scale(z: np.ndarray) -> np.ndarray:
    """``z`` itself; a ``ValueError`` where its squares would leave the range of floats.

    Then neither the objective nor the certificate means anything (0/0, or inf/inf).
    """
    largest = np.abs(z).max()
    if largest > 0 and not 1e-140 < largest < 1e140:
        raise ValueError(
            f"z has the largest size {largest:.3g}, whose square leaves the range of float64: "
            "rescale the responses"
        )
    return z


def as_gram(gram: np.ndarray, name: str, size: int) -> np.ndarray:
    """Check a within-domain Gram matrix: square, of the domain's size, symmetric.

    Asymmetry at rounding level, n · eps · max|K| in the matrix's own precision, is averaged away;
    more is an error, because the closed form would silently solve another problem.
    """
    gram = as_matrix(gram, name)
    if gram.shape != (size, size):
        raise ValueError(
            f"{name} must have shape ({size}, {size}), a row per point, got {gram.shape}"
        )
    if np.array_equal(gram, gram.T):
        return gram
    gap = np.abs(gram - gram.T).max()
    if gap > size * np.finfo(gram.dtype).eps * np.abs(gram).max():
        raise ValueError(
            f"{name} must be symmetric, but max|K − Kᵀ| = {gap:.3g}: a within-domain Gram matrix "
            "is. For an asymmetric binary kernel κ use its within-domain kernels κ.domain_x and "
            "κ.domain_y (rkbs.diagnostics.inspect shows what a kernel has); a matrix of "
            "similarities becomes symmetric by G = (G + G.T) / 2."
        )
    return (gram + gram.T) / 2
