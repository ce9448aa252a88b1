"""The operator reading of ridge: objective, dual, optimality residual and expansion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import short_repr
from rkbs._linalg import parts
from rkbs.problems.certificates import KKTCertificate, relative_gap
from rkbs.problems.gram import NO_OFFSETS, GramProblem, OperatorPoint
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
        return float(self.loss.value(h, self.z).sum()) + self._penalty(M, theta)

    def _penalty(self, M: np.ndarray, theta: np.ndarray) -> float:
        """(α/2) ‖M‖² + ½ θᵀDθ."""
        size = np.sqrt(self.alpha) * np.linalg.norm(M)
        return float(size**2 / 2 + self._offset_penalty(theta))

    def energy(self, G: np.ndarray) -> float:
        """‖G‖_* = (Σ_ab G_ab² / (s_a t_b + α))^{1/2}, s and t the eigenvalues of K_X and K_Y.

        Each coordinate of a gradient counts by what moving along it would gain, whatever the scale
        of its features: ‖R_Xᵀ C R_Y‖_* is at most ‖c‖.
        """
        norms = [np.linalg.norm(self._scaled(some, G[:, some])) for some in parts(G.shape[1])]
        return float(np.linalg.norm(norms))

    def _scaled(self, some: slice, columns: np.ndarray) -> np.ndarray:
        """Some columns of G, G_ab/(s_a t_b + α)^{1/2}."""
        scale = np.multiply.outer(self.factors.x.eigenvalues, self.factors.y.eigenvalues[some])
        scale += self.alpha
        np.sqrt(scale, out=scale)
        return np.divide(columns, scale, out=scale)

    def _gradient_sizes(self, M: np.ndarray, c: np.ndarray, mean: float) -> tuple[float, float]:
        """‖αM − R_Xᵀ C R_Y‖_*, and ‖αM − R_Xᵀ C R_Y‖ of c less its ``mean``, by two products."""
        x, y = self.factors.x, self.factors.y
        ones = [np.sqrt(part.eigenvalues) * part.eigenvectors.sum(0) for part in (x, y)]
        energies, norms = [0.0], [0.0]
        for some, part in self.factors.pulled(self.pairs._as_matrix(c)):
            part -= self.alpha * M[:, some]
            energies.append(np.linalg.norm(self._scaled(some, part)))
            if mean:
                part -= mean * np.multiply.outer(ones[0], ones[1][some])
            norms.append(np.linalg.norm(part))
        return float(np.linalg.norm(energies)), float(np.linalg.norm(norms))

    def pull_scale(self, M: np.ndarray, c: np.ndarray) -> float:
        """What αM − R_Xᵀ C R_Y is to be small against: αM, or the largest pull of such a c.

        With at least as many pairs as coordinates, of −ℓ'(0; z) in place of c: then the pairs see
        every coordinate, and h alone tells M.
        """
        largest = self.factors.largest
        seen = np.sqrt(largest / (largest + self.alpha))
        size = self.slope if len(c) >= M.size else np.linalg.norm(c)
        return max(self.alpha * self.energy(M), float(seen * size), np.finfo(float).tiny)

    @property
    def slope(self) -> float:
        """‖ℓ'(b; z)‖ of the best constant b, or of 0 where there is none."""
        return self.best_constant[1]

    def certify(
        self,
        M: np.ndarray,
        c: np.ndarray,
        tolerance: float,
        theta: np.ndarray = NO_OFFSETS,
    ) -> KKTCertificate:
        """KKT residual and duality gap of M, c and θ, from four products with the factors."""
        primal, rest, h = self._values(M, theta)
        rest += c
        return self._certificate(OperatorPoint(M, c, theta), tolerance, primal, rest, h)

    def certified(
        self, M: np.ndarray, tolerance: float, theta: np.ndarray = NO_OFFSETS
    ) -> tuple[np.ndarray, KKTCertificate]:
        """c = −ℓ'(h; z) of the values h that M and θ have, and the certificate of the three.

        That of ``certify``, by the same four products, two of which give c: what remains is the
        gradient of the objective in M and θ. For a smooth loss. Where c is far smaller than z its
        digits are those of a difference.
        """
        primal, slope, h = self._values(M, theta)
        c = np.negative(slope, out=slope)
        return c, self._certificate(OperatorPoint(M, c, theta), tolerance, primal, None, h)

    def _values(self, M: np.ndarray, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The objective, ℓ'(h; z), and h itself, which of the squared loss nothing needs."""
        h = self.fitted(M, self.offsets.check(theta))
        if not isinstance(self.loss, Squared):
            return self._objective(M, theta, h), self.loss.gradient(h, self.z), h
        h -= self.z
        return float(h @ h) / 2 + self._penalty(M, theta), h, h

    def _certificate(
        self,
        point: OperatorPoint,
        tolerance: float,
        primal: float,
        rest: np.ndarray | None,
        h: np.ndarray,
    ) -> KKTCertificate:
        """Of r = c + ℓ'(h; z), which is spent, None for 0."""
        M, c, theta = point
        squared = isinstance(self.loss, Squared)
        mean = float(c.mean()) if squared and self.offsets.constant else 0.0
        fitted = 0.0 if rest is None else float(np.linalg.norm(rest))
        pulled, plain = self._gradient_sizes(M, c, mean)
        # On a complete grid the curvature of the squared loss is s_a t_b + α, so that the excess is
        # ‖G + R_Xᵀ (r) R_Y‖_*²/2, with the gradient G and r.
        if squared and self.pairs.is_complete and not self.offsets.size:
            gap = (pulled + fitted) ** 2 / 2
        elif squared:
            gap = _half_square(rest, mean, len(c)) + plain**2 / (2 * self.alpha)
            gap += self._effects_gap(c - mean if len(theta) > 1 else c, theta)
        else:
            dual = self.feasible(c)
            young = self.loss.value(h, self.z) + self.loss.conjugate(-dual, self.z) + dual * h
            plain = plain if dual is c else self._gradient_sizes(M, dual, 0.0)[1]
            gap = float(young.sum()) + plain**2 / (2 * self.alpha) + self._effects_gap(dual, theta)
        offset, slope = self._offset_residual(c, theta), max(self.slope, np.finfo(float).tiny)
        residuals = (fitted / slope, pulled / self.pull_scale(M, c), offset / slope)
        return KKTCertificate(
            kkt_residual=float(np.max(residuals)),
            relative_gap=relative_gap(primal, primal - gap, gap),
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

    def _effects_gap(self, c: np.ndarray, theta: np.ndarray) -> float:
        """What the penalty of effects adds to the duality gap, squares again."""
        decay = self.offsets.decay(self.alpha)
        if not decay.any():
            return 0.0
        effects = (self.offsets.sums(c, self.pairs) - decay * theta)[decay > 0]
        return float((effects**2 / decay[decay > 0]).sum() / 2)

    def factored_expansion(
        self, M: np.ndarray, *, spend: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Q and K of h(x, y) = (k_X(x, X) Q)·(k_Y(y, Y) K), with min(r_x, r_y) columns: A = Q Kᵀ.

        M goes to the side where it costs no columns; no singular values are computed.

        Parameters
        ----------
        M : array of shape (r_x, r_y)
        spend : bool
            Whether they may take the place of the eigenvectors, so that the problem is spent.
        """
        x, y = self.factors.x, self.factors.y
        flat = len(M) <= len(M.T)
        one, other, M = (x, y, M.T) if flat else (y, x, M)
        plain = one.eigenvectors if spend else one.eigenvectors.copy()
        plain /= np.sqrt(one.eigenvalues)
        joined = np.empty((len(other.eigenvectors), M.shape[1]))
        for some in parts(len(joined)):
            scaled = other.eigenvectors[some] / np.sqrt(other.eigenvalues)
            np.matmul(scaled, M, out=joined[some])
        return (plain, joined) if flat else (joined, plain)


def _half_square(rest: np.ndarray | None, mean: float, size: int) -> float:
    """‖r − mean‖²/2, in place of r; None is 0."""
    if rest is None:
        return size * mean**2 / 2
    rest -= mean
    return float(rest @ rest) / 2
