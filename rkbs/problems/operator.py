"""The operator reading of ridge: objective, dual, optimality residual and expansion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

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
        norms = [np.linalg.norm(self._scaled(some, G[some])) for some in parts(len(G))]
        return float(np.linalg.norm(norms))

    def _scaled(self, some: slice, rows: np.ndarray) -> np.ndarray:
        """Some rows of G, G_ab/(s_a t_b + α)^{1/2}."""
        scale = np.multiply.outer(self.factors.x.eigenvalues[some], self.factors.y.eigenvalues)
        scale += self.alpha
        np.sqrt(scale, out=scale)
        return np.divide(rows, scale, out=scale)

    def _gradient_sizes(self, M: np.ndarray, c: np.ndarray, mean: float) -> tuple[float, float]:
        """‖αM − R_Xᵀ C R_Y‖_*, and ‖αM − R_Xᵀ C R_Y‖ of c less its ``mean``, by two products."""
        x, y = self.factors.x, self.factors.y
        ones = [np.sqrt(part.eigenvalues) * part.eigenvectors.sum(0) for part in (x, y)]
        energies, norms = [0.0], [0.0]
        for some, rows in self._pulled(c):
            rows -= self.alpha * M[some]
            energies.append(np.linalg.norm(self._scaled(some, rows)))
            if mean:
                rows -= np.multiply.outer(mean * ones[0][some], ones[1])
            norms.append(np.linalg.norm(rows))
        return float(np.linalg.norm(energies)), float(np.linalg.norm(norms))

    def pull_scale(
        self, M: np.ndarray, c: np.ndarray, energy: Callable[[np.ndarray], float] | None = None
    ) -> float:
        """What αM − R_Xᵀ C R_Y is to be small against: αM, or the largest pull of such a c.

        With at least as many pairs as coordinates, of −ℓ'(0; z) in place of c: then the pairs see
        every coordinate, and h alone tells M. ``energy`` is that of the problem, where somebody
        has its weights in memory.
        """
        energy = self.energy if energy is None else energy
        largest = self.factors.largest
        seen = np.sqrt(largest / (largest + self.alpha))
        size = self.slope if len(c) >= M.size else np.linalg.norm(c)
        return max(self.alpha * energy(M), float(seen * size), np.finfo(float).tiny)

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
        if not isinstance(self.loss, Squared):
            return self._certificate(
                OperatorPoint(M, c, theta), tolerance, self._sizes(M, c, theta)
            )
        mean = float(c.mean()) if self.offsets.constant else 0.0
        square, young, norms = 0.0, 0.0, [0.0]
        for some, h in self._fitted_parts(M, theta):
            h -= self.z[some]
            square += float(h @ h)
            h += c[some]
            norms.append(np.linalg.norm(h))
            h -= mean
            young += float(h @ h)
        del h  # a part of a matrix
        sizes = _Sizes(
            square / 2 + self._penalty(M, theta), float(np.linalg.norm(norms)), young / 2
        )
        return self._certificate(OperatorPoint(M, c, theta), tolerance, sizes)

    def certified(
        self, M: np.ndarray, tolerance: float, theta: np.ndarray = NO_OFFSETS
    ) -> tuple[np.ndarray, KKTCertificate]:
        """c = z − h of the values h that M and θ have, and the certificate of the three.

        That of ``certify``, by the same four products, two of which give c: what remains is the
        gradient of the objective in M and θ. For the squared loss. Where c is far smaller than z
        its digits are those of a difference.
        """
        c, square = np.empty_like(self.z), 0.0
        for some, h in self._fitted_parts(M, theta):
            rest = np.subtract(self.z[some], h, out=h)
            square += float(rest @ rest)
            c[some] = rest
        del h, rest  # a part of a matrix
        mean = float(c.mean()) if self.offsets.constant else 0.0
        sizes = _Sizes(square / 2 + self._penalty(M, theta), 0.0, len(c) * mean**2 / 2)
        return c, self._certificate(OperatorPoint(M, c, theta), tolerance, sizes)

    def _fitted_parts(self, M: np.ndarray, theta: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """``fitted``, some pairs after others where the grid allows it."""
        if not self.pairs._is_row_major_grid:
            yield slice(None), self.fitted(M, theta)
            return
        b, a, other = self.offsets.split(self.offsets.check(theta))
        a = np.broadcast_to(a, len(self.pairs.X))
        for some, h in self.factors.pushed(M):
            if len(theta):
                h += (b + a[some])[:, None] + other
            yield slice(some.start * h.shape[1], some.stop * h.shape[1]), h.reshape(-1)

    def _sizes(self, M: np.ndarray, c: np.ndarray, theta: np.ndarray) -> _Sizes:
        """Of any loss, from all values at once."""
        h, dual = self.fitted(M, self.offsets.check(theta)), self.feasible(c)
        fitted = float(np.linalg.norm(c + self.loss.gradient(h, self.z)))
        young = self.loss.value(h, self.z) + self.loss.conjugate(-dual, self.z) + dual * h
        return _Sizes(self._objective(M, theta, h), fitted, float(young.sum()))

    def _certificate(self, point: OperatorPoint, tolerance: float, sizes: _Sizes) -> KKTCertificate:
        M, c, theta = point
        squared, constant = isinstance(self.loss, Squared), self.offsets.constant
        mean = float(c.mean()) if squared and constant else 0.0
        pulled, plain = self._gradient_sizes(M, c, mean)
        # On a complete grid the curvature of the squared loss is s_a t_b + α, so that the excess is
        # ‖G + R_Xᵀ (r) R_Y‖_*²/2, with the gradient G and r = c + ℓ'(h; z).
        if squared and self.pairs.is_complete and not self.offsets.size:
            gap = (pulled + sizes.rest) ** 2 / 2
        else:
            dual = self.feasible(c) if len(theta) > 1 or not squared else c
            if constant and not squared:
                plain = self._gradient_sizes(M, dual, 0.0)[1]
            gap = sizes.young + plain**2 / (2 * self.alpha) + self._effects_gap(dual, theta)
        offset, slope = self._offset_residual(c, theta), max(self.slope, np.finfo(float).tiny)
        residuals = (sizes.rest / slope, pulled / self.pull_scale(M, c), offset / slope)
        return KKTCertificate(
            kkt_residual=float(np.max(residuals)),
            relative_gap=relative_gap(sizes.primal, sizes.primal - gap, gap),
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
        curvature = self.offsets.sums(np.broadcast_to(1.0, c.shape), self.pairs) + decay
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
        (one, other), M = ((x, y), M.T) if flat else ((y, x), M)
        plain, dual = one.dual(spend=spend), other.dual(spend=spend)
        joined = dual[:, : M.shape[1]]  # has no more columns than before
        for some in parts(len(joined)):
            joined[some] = dual[some] @ M
        plain, joined = _released(plain), _released(joined)
        return (plain, joined) if flat else (joined, plain)


class _Sizes(NamedTuple):
    """The objective, ‖r‖ of r = c + ℓ'(h; z), and Σ ℓ(h; z) + ℓ*(−c; z) + c h of a feasible c."""

    primal: float
    rest: float
    young: float


def _released(columns: np.ndarray) -> np.ndarray:
    """Some columns; a copy where they are less than half of the memory that they keep."""
    base = columns if columns.base is None else columns.base
    return columns.copy() if 2 * columns.size < base.size else columns
