"""Ridge with a sum of products of kernels: several operators, one residual."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self, final

import numpy as np

from rkbs._arrays import check_number, short_repr
from rkbs.data.pairs import Pairs
from rkbs.problems._grams import Gram, rows_of
from rkbs.problems.base import Problem
from rkbs.problems.certificates import KKTCertificate, relative_gap
from rkbs.problems.gram import NO_OFFSETS, OperatorPoint
from rkbs.problems.offsets import Offsets
from rkbs.problems.operator import OperatorProblem
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Squared

_TINY = np.finfo(float).tiny


@final
@dataclass(frozen=True, eq=False)
class PairwiseProblem(Problem):
    """min Σ_n ℓ(h_n; z_n) + (α/2) Σ_l ‖T_l‖²_{S_2} + ½ θᵀDθ, with an operator for each product.

    h_n = Σ_l ⟨Φ_X^l(x_{i_n}), T_l Φ_Y^l(y_{j_n})⟩ + (Eθ)_n: the features of Σ_l K_X^l ⊗ K_Y^l are
    those of all products, side by side. At the optimum T_l = Σ_n (c_n/α) Φ_X^l ⊗ Φ_Y^l with the
    same c_n = −ℓ'(h_n; z_n) for every l, so that h = K c/α + Eθ, K the sum at the pairs. Solutions
    are sought and certified in the coordinates of the T_l, as of ``OperatorProblem``.

    Parameters
    ----------
    grams : sequence of (gram_x, gram_y)
        Of each product, as of ``GramProblem``; a weight of a product is a factor of one of the two.
    pairs, z, alpha, loss, offsets
        As of ``GramProblem``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.

    Source: theory §3, reading C, of the direct sum of the products' feature spaces.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Linear, Pairs, RBF, solve
    >>> from rkbs.problems import PairwiseProblem
    >>> from rkbs.solvers import PairwiseConjugateGradient
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> grams = [(RBF()(x, x), np.ones((4, 4))), (np.ones((5, 5)), Linear()(y, y))]
    >>> problem = PairwiseProblem(grams, Pairs.grid(x, y), np.sin(x) + y.T, alpha=1e-6)
    >>> solution = solve(problem, PairwiseConjugateGradient()).check()  # f(x) + g(y)
    >>> rows = [gram[0] for gram in grams], [gram[1] for gram in grams]
    >>> bool(abs(solution.predict_grid(*rows) - np.sin(x) - y.T).max() < 1e-3)
    True
    """

    grams: tuple[tuple[Gram, Gram], ...]
    pairs: Pairs
    z: np.ndarray
    alpha: float
    loss: Loss = field(default_factory=Squared)
    offsets: Offsets = field(default_factory=Offsets, kw_only=True)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        grams = tuple(tuple(pair) for pair in self.grams)
        if not grams or any(len(pair) != 2 for pair in grams):
            raise ValueError(
                "grams must hold (gram_x, gram_y) for each of at least one product, got lengths "
                f"{[len(pair) for pair in grams]}"
            )
        object.__setattr__(self, "grams", grams)
        first, *_ = self.terms
        for name in ("z", "alpha"):
            object.__setattr__(self, name, getattr(first, name))

    @cached_property
    def terms(self) -> tuple[OperatorProblem, ...]:
        """The problem of each product alone, the first with the offsets of all."""
        offsets = (self.offsets, *[Offsets()] * (len(self.grams) - 1))
        return tuple(
            OperatorProblem(*pair, self.pairs, self.z, self.alpha, self.loss, offsets=own)
            for pair, own in zip(self.grams, offsets, strict=True)
        )

    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another α: nothing is decomposed again."""
        other = copy.copy(self)
        object.__setattr__(other, "alpha", check_number(alpha, "alpha", above=0.0))
        vars(other)["terms"] = tuple(term.with_alpha(alpha) for term in self.terms)
        return other

    @cached_property
    def splits(self) -> np.ndarray:
        """Where the coordinates of the operators but the first begin in M."""
        return np.cumsum([math.prod(term.factors.shape) for term in self.terms])[:-1]

    def parts(self, M: np.ndarray) -> list[np.ndarray]:
        """The coordinates of each operator, of M in which they follow one another."""
        flat = np.split(M, self.splits)
        return [
            part.reshape(term.factors.shape) for term, part in zip(self.terms, flat, strict=True)
        ]

    def pull(self, c: np.ndarray) -> np.ndarray:
        """R_Xᵀ C R_Y of each product, flat and one after the other: (n,) → (Σ r_x r_y,)."""
        return np.concatenate([term.pull(c).ravel() for term in self.terms])

    def fitted(self, M: np.ndarray, theta: np.ndarray = NO_OFFSETS) -> np.ndarray:
        """h at the pairs."""
        first, *others = zip(self.terms, self.parts(M), strict=True)
        h = first[0].fitted(first[1], theta)
        for term, part in others:
            h = h + term.at_pairs(part)
        return h

    def objective(self, M: np.ndarray, theta: np.ndarray = NO_OFFSETS) -> float:
        """Σ ℓ(h_n; z_n) + (α/2) ‖M‖² + ½ θᵀDθ."""
        return float(self.loss.value(self.fitted(M, theta), self.z).sum()) + self._penalty(M, theta)

    def _penalty(self, M: np.ndarray, theta: np.ndarray) -> float:
        return self.terms[0]._penalty(M, theta)

    def dual_objective(self, c: np.ndarray) -> float:
        """−Σ ℓ*(−c_n; z_n) − ‖R_Xᵀ C R_Y‖²/(2α) − ½ ‖(Eᵀc)_effects‖²/α_e, a lower bound."""
        penalty = np.linalg.norm(self.pull(c)) ** 2 / (2 * self.alpha)
        penalty += self.terms[0]._offset_conjugate(c)
        return float(-self.loss.conjugate(-c, self.z).sum() - penalty)

    def certify(
        self, M: np.ndarray, c: np.ndarray, tolerance: float, theta: np.ndarray = NO_OFFSETS
    ) -> KKTCertificate:
        """The conditions of ``KKTCertificate``, with the norms of all operators together."""
        first, h, dual = self.terms[0], self.fitted(M, theta), self.terms[0].feasible(c)
        rest = float(np.linalg.norm(c + self.loss.gradient(h, self.z)))
        young = self.loss.value(h, self.z) + self.loss.conjugate(-dual, self.z) + dual * h
        energies, plain, scales = [], [], []
        for term, part in zip(self.terms, self.parts(M), strict=True):
            energies.append(term._gradient_sizes(part, c, 0.0)[0])
            plain.append(term._gradient_sizes(part, dual, 0.0)[1])
            scales.append(term.pull_scale(part, c))
        gap = float(young.sum() + np.linalg.norm(plain) ** 2 / (2 * self.alpha))
        gap += first._effects_gap(dual, theta)
        slope, scale = (max(size, _TINY) for size in (first.slope, np.linalg.norm(scales)))
        pulled, offset = np.linalg.norm(energies), first._offset_residual(c, theta)
        residuals = (rest / slope, pulled / scale, offset / slope)
        primal = float(self.loss.value(h, self.z).sum()) + self._penalty(M, theta)
        return KKTCertificate(
            float(np.max(residuals)), relative_gap(primal, primal - gap, gap), tolerance
        )

    def factored_expansion(self, M: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Q_l and K_l with h(x, y) = Σ_l (k_X^l(x, X) Q_l)·(k_Y^l(y, Y) K_l), of each product."""
        parts = zip(self.terms, self.parts(M), strict=True)
        return [term.factored_expansion(part) for term, part in parts]

    def predict_grid(self, value: OperatorPoint, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """h(x, y) of new points, from their rows of all kernels.

        Parameters
        ----------
        value : OperatorPoint
        x, y : sequences of arrays of shape (n, n_x), (m, n_y)
            k_X^l(x, X) and k_Y^l(y, Y) of each product.
        """
        if self.offsets.size > int(self.offsets.constant):
            raise ValueError(
                "rows of kernels do not say whose effects to add: PairwiseKernelRidge, with "
                "effects, evaluates them"
            )
        if len(x) != len(self.terms) or len(y) != len(self.terms):
            raise ValueError(
                f"x and y must hold rows of the kernel of each of {len(self.terms)} products, got "
                f"{len(x)} and {len(y)}"
            )
        out = np.full((len(x[0]), len(y[0])), self.offsets.split(value.theta)[0])
        for term, part, one, other in zip(self.terms, self.parts(value.M), x, y, strict=True):
            left = rows_of(one, "x", term.gram_x, len(self.pairs.X)) @ term.factors.dual_left
            right = rows_of(other, "y", term.gram_y, len(self.pairs.Y)) @ term.factors.dual_right
            out += left @ part @ right.T
        return out
