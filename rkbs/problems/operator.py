"""The operator reading of ridge: objective, dual, optimality residual and expansion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import short_repr
from rkbs.problems.certificates import KKTCertificate, relative_gap
from rkbs.problems.gram import NO_OFFSETS, GramProblem
from rkbs.terms.residual_losses import Squared


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

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, ConjugateGradient, OperatorProblem, Pairs, solve
    >>> x = np.linspace(0, 1, 5)[:, None]
    >>> seen = x > x.T  # some of the pairs
    >>> pairs, gram = Pairs.from_mask(x, x, seen), RBF()(x, x)
    >>> problem = OperatorProblem(gram, gram, pairs, (x - x.T)[seen], alpha=1e-6)
    >>> fit = solve(problem, ConjugateGradient()).check().predict_grid(gram, gram)
    >>> bool(abs(fit - (x - x.T))[seen].max() < 0.01)
    True
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
        curvature = self.factors.products + self.alpha
        return float(np.linalg.norm(G / np.sqrt(curvature, out=curvature)))

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
        fitted = float(np.linalg.norm(c + self.loss.gradient(h, self.z)))
        pulled = self.energy(self._gradient(M, c))
        # On a complete grid the curvature of the squared loss is s_a t_b + α, so that the excess is
        # ‖G + R_Xᵀ (r) R_Y‖_*²/2, with the gradient G and r = c + ℓ'(h; z).
        if isinstance(self.loss, Squared) and self.pairs.is_complete and not self.offsets.size:
            gap = (pulled + fitted) ** 2 / 2
        else:
            dual = self.feasible(c)
            young = self._young(dual, h)
            del h  # as large as the gradient, which comes next
            operator, effects = self._penalty_gap(M, dual, theta)
            gap = young + operator + effects
        slope = max(self.slope, np.finfo(float).tiny)
        residuals = (fitted / slope, pulled / self.pull_scale(M, c), offset / slope)
        return KKTCertificate(
            kkt_residual=float(np.max(residuals)),
            relative_gap=relative_gap(primal, primal - float(gap), float(gap)),
            tolerance=tolerance,
        )

    def _gradient(self, M: np.ndarray, c: np.ndarray) -> np.ndarray:
        """αM − R_Xᵀ C R_Y."""
        return self.alpha * M - self.pull(c)

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

    def _young(self, c: np.ndarray, h: np.ndarray) -> float:
        """Σ ℓ(h_n; z_n) + ℓ*(−c_n; z_n) + c_n h_n; of the squared loss a sum of squares."""
        if isinstance(self.loss, Squared):
            young = c + h
            young -= self.z
            young **= 2
            young /= 2
        else:
            young = self.loss.value(h, self.z) + self.loss.conjugate(-c, self.z) + c * h
        return float(young.sum())

    def _penalty_gap(self, M: np.ndarray, c: np.ndarray, theta: np.ndarray) -> tuple[float, float]:
        """What the penalties of T and of effects add to the duality gap, squares again."""
        rest = np.linalg.norm(self._gradient(M, c) / np.sqrt(self.alpha)) ** 2
        decay = self.offsets.decay(self.alpha)
        effects = (self.offsets.sums(c, self.pairs) - decay * theta)[decay > 0]
        return float(rest / 2), float((effects**2 / decay[decay > 0]).sum() / 2)

    def factored_expansion(self, M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Q and K of h(x, y) = (k_X(x, X) Q)·(k_Y(y, Y) K), with min(r_x, r_y) columns: A = Q Kᵀ.

        M goes to the side where it costs no columns; no singular values are computed.
        """
        left, right = self.factors.dual_left, self.factors.dual_right
        return (left, right @ M.T) if len(M) <= len(M.T) else (left @ M, right)
