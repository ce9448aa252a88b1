"""The operator reading with a penalty on singular values: objective, dual, gap and expansion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self, final

import numpy as np

from rkbs._arrays import check_kinds, short_repr
from rkbs.problems._least_pull import least_pull, slope_bounds
from rkbs.problems.certificates import GapCertificate
from rkbs.problems.gram import NO_OFFSETS, GramProblem
from rkbs.problems.offsets import balanced
from rkbs.terms.spectral_penalties import Schatten, SpectralPenalty

_ROUNDING = 4 * np.finfo(float).eps


class FactoredExpansion(NamedTuple):
    """A = Q Kᵀ, the coefficients of T in two factors: h(x, y) = (k_X(x, X) Q)·(k_Y(y, Y) K).

    Attributes
    ----------
    query : array of shape (n_x, rank)
        Q = U S^{−1/2} P σ^{1/2}, for M = P diag(σ) Wᵀ.
    key : array of shape (n_y, rank)
        K = V T^{−1/2} W σ^{1/2}.
    sigma : array
        All singular values of M, decreasing; the factors have columns for those above rounding.
    """

    query: np.ndarray
    key: np.ndarray
    sigma: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)


@final
@dataclass(frozen=True, eq=False)
class SchattenProblem(GramProblem):
    """min_T Σ_n ℓ(⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩; z_n) + α Ω(T), Ω a penalty on singular values.

    Where ``offsets`` ask for a constant b, h_n = ⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩ + b, minimized over
    both; then Σ_n c_n = 0 in the dual. T* lives on the spans of the observed Φ_X(x_i) and Φ_Y(y_j)
    (Abernethy et al. 2009), where it has coordinates M in orthonormal bases: with K_X = R_X R_Xᵀ,
    K_Y = R_Y R_Yᵀ it is min_M Σ_n ℓ((R_X M R_Yᵀ)_{i_n j_n}; z_n) + α Ω(M), with the Fenchel dual
    max_c −Σ_n ℓ*(−c_n; z_n) − α Ω*(R_Xᵀ C R_Y / α), C the matrix that holds c at the pairs.

    The certificate is of the problem with the Gram matrices rounded to their numerical rank:
    eigenvalues below n · eps · λ_max count as zero, a change within the matrices' own rounding. The
    directions left out pull with √(n · eps · λ_max(K_X) λ_max(K_Y)) ‖c‖ at most; where α is no
    larger (α ≲ 1e-7 ``zero_threshold``) the gap of the exact matrices can exceed the certificate's.

    Parameters
    ----------
    gram_x, gram_y, pairs, z, alpha, loss
        As of ``GramProblem``, with its errors. With Ω = ½‖·‖² (``Schatten(2)``) α is that of
        ``OperatorProblem``.
    penalty : SpectralPenalty

    Source: theory §3, reading C; Abernethy, Bach, Evgeniou & Vert (JMLR 2009).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import ADMM, RBF, Pairs, SchattenProblem, solve
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = SchattenProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=1.0)
    >>> for share in (1.01, 0.95, 0.5):  # α decides upon the rank
    ...     weaker = problem.with_alpha(share * problem.zero_threshold())
    ...     print(np.linalg.matrix_rank(solve(weaker, ADMM()).value.M, tol=1e-9))
    0
    1
    2
    """

    penalty: SpectralPenalty = field(default_factory=Schatten)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kinds(self, penalty=SpectralPenalty)
        if self.offsets.size > int(self.offsets.constant):
            raise ValueError(
                "offsets of a SchattenProblem hold a constant at most, got effects too: use "
                "OperatorProblem, or kernels with Identity() and Constant()"
            )

    def with_penalty(self, penalty: SpectralPenalty) -> Self:
        """The same problem with another Ω, and the same factors."""
        other = self._with(penalty=penalty)
        check_kinds(other, penalty=SpectralPenalty)
        return other

    @cached_property
    def without_operator(self) -> tuple[float, np.ndarray]:
        """As of ``GramProblem``; of several c at the kinks of ℓ one of about the least pull."""
        b, c = super().without_operator
        if self.loss.smooth or not self.offsets.constant:
            return b, c
        low, high = slope_bounds(self.loss, b, self.z)
        norm = float(np.sqrt(self.factors.products.max(initial=0.0)))
        return b, balanced(least_pull(c, low, high, (self.pull, self.at_pairs), norm))

    def objective(self, M: np.ndarray, theta: np.ndarray = NO_OFFSETS) -> float:
        """Σ ℓ(h_n; z_n) + α Ω(M)."""
        penalty = self.penalty.value(singular_values(M))
        return float(self.loss.value(self.fitted(M, theta), self.z).sum() + self.alpha * penalty)

    def dual_objective(self, c: np.ndarray) -> float:
        """−Σ ℓ*(−c_n; z_n) − α Ω*(R_Xᵀ C R_Y / α), a lower bound of the optimum for every c.

        With a constant it is −∞ unless Σ c = 0.
        """
        return self._dual(c, singular_values(self.pull(c)) / self.alpha)

    def _dual(self, c: np.ndarray, s: np.ndarray) -> float:
        conjugate = self.alpha * self.penalty.conjugate(s) + self._offset_conjugate(c)
        return float(-self.loss.conjugate(-c, self.z).sum() - conjugate)

    def bound(self, c: np.ndarray) -> tuple[float, np.ndarray]:
        """The dual objective of θc, and θc, with θ ≤ 1 that brings c into the domain of Ω*.

        The domain of ℓ* keeps θc for θ in (0, 1], because it holds 0; with a constant, c is made
        one of sum 0 first.
        """
        c = self.feasible(c)
        pull = self.pull(c)
        if self.penalty == Schatten(1.0):  # whose Ω* asks for the largest alone
            s = np.zeros(min(pull.shape))
            s[:1] = operator_norm(pull)
        else:
            s = singular_values(pull)
        s /= self.alpha
        # R_Xᵀ C R_Y may cancel: its rounding is that of the factors' product, not of the result.
        size = np.sqrt(self.factors.products.max(initial=0.0)) * np.linalg.norm(c)
        theta = self.penalty.into_domain(s + _ROUNDING * size / self.alpha)
        return self._dual(theta * c, theta * s), theta * c

    def certify(
        self,
        M: np.ndarray,
        c: np.ndarray,
        tolerance: float,
        theta: np.ndarray = NO_OFFSETS,
    ) -> GapCertificate:
        """The duality gap of M, c and θ, from two singular value decompositions."""
        return GapCertificate(self.objective(M, theta), self.dual_objective(c), tolerance)

    def factored_expansion(self, M: np.ndarray) -> FactoredExpansion:
        """The factors of ``expansion(M)``, which keep the digits that it loses.

        A divides by √(s_a t_b), its factors by √s_a and √t_b. With smooth kernels A reaches 1e9 and
        K_X A K_Y cancels, where the products of the two factors are accurate to 1e-13.
        """
        P, sigma, Wt = np.linalg.svd(M, full_matrices=False)
        least = sigma.max(initial=0.0) * max(M.shape) * np.finfo(float).eps
        rank = int((sigma > least).sum())
        root = np.sqrt(sigma[:rank])
        query = self.factors.dual_left @ (P[:, :rank] * root)
        return FactoredExpansion(query, self.factors.dual_right @ (Wt[:rank].T * root), sigma)

    def zero_threshold(self) -> float:
        """‖R_Xᵀ ℓ'(0) R_Y‖_op / φ'(0): from this α on, M = 0 is optimal.

        With a constant, ℓ' is that of the best one: of several subgradients of sum 0 at kinks (the
        hinge loss has them) one of about the least norm, most often within 2%: by as much M = 0 may
        be optimal below, too.
        Infinite for penalties with φ'(0) = 0, as for p > 1, unless ℓ' is seen by no M.
        """
        pull = self.pull(self.without_operator[1])
        norm, slope = singular_values(pull).max(initial=0.0), self.penalty.slope_at_zero
        if norm == 0:
            return 0.0
        return float(norm / slope) if slope > 0 else math.inf


def operator_norm(M: np.ndarray) -> float:
    """σ_1 to some n · eps, n the smaller size: by the eigenvalues of M Mᵀ or MᵀM."""
    largest = np.abs(M).max(initial=0.0)
    if largest == 0:
        return 0.0
    scaled = M / largest  # squares may leave the range of floats
    gram = scaled @ scaled.T if len(M) <= M.shape[1] else scaled.T @ scaled
    return float(largest * np.sqrt(np.linalg.eigvalsh(gram)[-1]))


def singular_values(M: np.ndarray) -> np.ndarray:
    """σ_1 ≥ σ_2 ≥ …, min(r_x, r_y) of them."""
    return np.linalg.svd(M, compute_uv=False)
