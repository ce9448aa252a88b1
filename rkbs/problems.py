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
from rkbs.offsets import Offsets, balanced, best_constant
from rkbs.pairs import Pairs

NO_OFFSETS = np.zeros(0)
_EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class GramProblem(abc.ABC):
    """Data, loss and α of the operator reading: h_n = ⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩ + (Eθ)_n.

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
    offsets : Offsets
        E, of a constant and of effects with unknowns θ of their own; none by default.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit; for labels of one class with ``Logistic`` and a
        constant, which have no minimizer.
    """

    gram_x: np.ndarray
    gram_y: np.ndarray
    pairs: Pairs
    z: np.ndarray
    alpha: float
    loss: Loss = field(default_factory=Squared)
    offsets: Offsets = field(default_factory=Offsets, kw_only=True)

    def __post_init__(self) -> None:
        check_kinds(self, pairs=Pairs, loss=Loss, offsets=Offsets)
        checked = {
            "gram_x": as_gram(self.gram_x, "gram_x", len(self.pairs.X)),
            "gram_y": as_gram(self.gram_y, "gram_y", len(self.pairs.Y)),
            "z": self.loss.check(check_scale(self.pairs.responses(self.z))),
            "alpha": check_number(self.alpha, "alpha", above=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.offsets.constant:
            self.loss.check_constant(self.z)

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

    def fitted(self, M: np.ndarray, theta: np.ndarray = NO_OFFSETS) -> np.ndarray:
        """h = R_X M R_Yᵀ + Eθ at the pairs."""
        values, theta = self.values(M), self.offsets.check(theta)
        return values + self.offsets.values(theta, self.pairs) if len(theta) else values

    def best_theta(self, h: np.ndarray) -> np.ndarray:
        """θ of the best constant beside the values h: (1,), or () where the problem has none."""
        constants = [best_constant(self.loss, h, self.z)[0]] if self.offsets.constant else []
        return np.array(constants)

    def with_best_offsets(self, M: np.ndarray) -> np.ndarray:
        """R_X M R_Yᵀ at the pairs, and the best constant beside it."""
        h = self.values(M)
        return h + self.best_theta(h)[0] if self.offsets.constant else h

    @cached_property
    def without_operator(self) -> tuple[float, np.ndarray]:
        """b and c of the fit h ≡ b (0 where there is no constant): c_n = −ℓ'(b; z_n)."""
        zero = np.zeros_like(self.z)
        if self.offsets.constant:
            return best_constant(self.loss, zero, self.z)
        return 0.0, -self.loss.gradient(zero, self.z)

    def feasible(self, c: np.ndarray) -> np.ndarray:
        """c with Σ c = 0 where there is a constant, changed no more than that takes."""
        if not self.offsets.constant:
            return c
        return c - c.mean() if isinstance(self.loss, Squared) else balanced(c)

    def _offset_penalty(self, theta: np.ndarray) -> float:
        theta = self.offsets.check(theta)
        return float(theta @ (self.offsets.decay(self.alpha) * theta)) / 2

    def _offset_conjugate(self, c: np.ndarray) -> float:
        """½ ‖(Eᵀc)_effects‖²/α_e; infinite unless Σ c is 0, up to the rounding of the sum."""
        if not self.offsets.size:
            return 0.0
        if self.offsets.constant and abs(c.sum()) > len(c) * _EPS * np.abs(c).sum():
            return np.inf
        decay, sums = self.offsets.decay(self.alpha), self.offsets.sums(c, self.pairs)
        return float((sums[decay > 0] ** 2 / decay[decay > 0]).sum()) / 2

    def expansion(self, M: np.ndarray) -> np.ndarray:
        """A = U S^{−1/2} M T^{−1/2} Vᵀ, with T = Σ_ij A_ij Φ_X(x_i) ⊗ Φ_Y(y_j): (n_x, n_y).

        A is over the whole grid of observed points, also where only some pairs were observed.
        """
        return self.factors.dual_left @ M @ self.factors.dual_right.T


class OperatorPoint(NamedTuple):
    """Coordinates M of the operator T, (r_x, r_y), and the dual unknowns c, (n,), c_n = −ℓ'(h_n).

    ``theta`` holds the offsets, (p,): a constant and effects, as far as the problem has them.

    ι(T*) = ∇Ω(T*) = Σ_n c_n Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}) / α at the optimum: an expansion over the
    observed pairs only. That of T* itself (``GramProblem.expansion``) is over the whole grid of
    observed points, unless p = 2, where ι is the identity.
    """

    M: np.ndarray
    c: np.ndarray
    theta: np.ndarray = NO_OFFSETS

    __repr__ = short_repr


@final
@dataclass(frozen=True, eq=False)
class OperatorProblem(GramProblem):
    """min_{T,θ} Σ_n ℓ(h_n; z_n) + (α/2) ‖T‖²_{S_2} + ½ θᵀDθ, the operator reading of ridge.

    h_n = ⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩ + (Eθ)_n, where offsets θ are asked for.

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

    def objective(self, M: np.ndarray, theta: np.ndarray = NO_OFFSETS) -> float:
        """Σ ℓ(h_n; z_n) + (α/2) ‖M‖² + ½ θᵀDθ."""
        return self._objective(M, theta, self.fitted(M, theta))

    def dual_objective(self, c: np.ndarray) -> float:
        """−Σ ℓ*(−c_n; z_n) − ‖R_Xᵀ C R_Y‖²/(2α) − ½ ‖(Eᵀc)_effects‖²/α_e, a lower bound.

        Of the optimum, for every c; with a constant, −∞ unless Σ c = 0.
        """
        penalty = np.linalg.norm(self.pull(c) / np.sqrt(self.alpha)) ** 2 / 2
        penalty += self._offset_conjugate(c)
        return float(-self.loss.conjugate(-c, self.z).sum() - penalty)

    def _objective(self, M: np.ndarray, theta: np.ndarray, h: np.ndarray) -> float:
        penalty = np.linalg.norm(np.sqrt(self.alpha) * M) ** 2 / 2 + self._offset_penalty(theta)
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
        """‖ℓ'(b; z)‖ of the best constant b, or of 0 where there is none."""
        return float(np.linalg.norm(self.without_operator[1]))

    def certify(
        self,
        M: np.ndarray,
        c: np.ndarray,
        tolerance: float,
        theta: np.ndarray = NO_OFFSETS,
    ) -> KKTCertificate:
        """KKT residual and duality gap of M, c and θ, from four products with the factors."""
        theta = self.offsets.check(theta)
        h = self.fitted(M, theta)
        primal, offset = self._objective(M, theta, h), self._offset_residual(c, theta)
        G, r = self.alpha * M - self.pull(c), c + self.loss.gradient(h, self.z)
        pulled, fitted = self.energy(G), float(np.linalg.norm(r))
        # On a complete grid the curvature of the squared loss is s_a t_b + α, so that the excess is
        # ‖G + R_Xᵀ (r) R_Y‖_*²/2.
        if isinstance(self.loss, Squared) and self.pairs.is_complete and not self.offsets.size:
            gap = (pulled + fitted) ** 2 / 2
        else:
            gap = self._gap(M, self.feasible(c), theta, h)
        slope = max(self.slope, np.finfo(float).tiny)
        residuals = (fitted / slope, pulled / self.pull_scale(M, c), offset / slope)
        return KKTCertificate(
            kkt_residual=float(np.max(residuals)),
            relative_gap=relative_gap(primal, primal - float(gap), float(gap)),
            tolerance=tolerance,
        )

    def _offset_residual(self, c: np.ndarray, theta: np.ndarray) -> float:
        """‖Eᵀc − Dθ‖, each unknown by the root of its curvature, n_k + D_k: at most some ‖c‖.

        Beside it what θ has of N, EN = 0, by itself: D may be too small to show it, and predictions
        of entities without effect would.
        """
        if not self.offsets.size:
            return 0.0
        decay = self.offsets.decay(self.alpha)
        curvature = self.offsets.sums(np.ones_like(c), self.pairs) + decay
        rest = self.offsets.sums(c, self.pairs) - decay * theta
        kept = theta - self.offsets.centered(theta, self.pairs)
        return float(np.linalg.norm(rest / np.sqrt(curvature)) + np.linalg.norm(kept))

    def _gap(self, M: np.ndarray, c: np.ndarray, theta: np.ndarray, h: np.ndarray) -> float:
        """The duality gap; of the squared loss a sum of squares, in which nothing cancels."""
        if isinstance(self.loss, Squared):
            young = (c + h - self.z) ** 2 / 2
        else:
            young = self.loss.value(h, self.z) + self.loss.conjugate(-c, self.z) + c * h
        rest = np.linalg.norm((self.alpha * M - self.pull(c)) / np.sqrt(self.alpha)) ** 2
        decay = self.offsets.decay(self.alpha)
        effects = (self.offsets.sums(c, self.pairs) - decay * theta)[decay > 0]
        return float(young.sum() + rest / 2 + (effects**2 / decay[decay > 0]).sum() / 2)

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
