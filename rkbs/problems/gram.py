"""What problems of the operator reading share: Gram matrices, offsets, dual unknowns."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from rkbs._arrays import check_kinds, check_number, short_repr
from rkbs._linalg import Eigen, Factors
from rkbs.data.pairs import Pairs
from rkbs.problems import _some_pairs
from rkbs.problems._grams import Gram, as_gram, block, eigen_of, rows_of
from rkbs.problems.base import Problem
from rkbs.problems.low_rank import LowRankGram
from rkbs.problems.offsets import Offsets, balanced, best_constant
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Squared

NO_OFFSETS = np.zeros(0)
_MOST_EFFECTS = 4000
"""Beside features: what effects see besides them takes n times as many numbers, twice."""
_EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class GramProblem(Problem):
    """Data, loss and α of the operator reading: h_n = ⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩ + (Eθ)_n.

    Parameters
    ----------
    gram_x, gram_y : arrays of shape (n_x, n_x), (n_y, n_y), or Eigen, or LowRankGram
        Within-domain Gram matrices: symmetric, positive semi-definite (the latter is checked
        where the eigenvalues are computed). Or their eigendecompositions, where nobody needs the
        matrices themselves: ``grams`` forms them again. Large ones of low rank are stated by their
        features.
    pairs : Pairs
        Only its indices are used.
    z : array of shape (n,), or (n_x, n_y) for a complete grid
        Responses; −1 and 1 for a loss of ``labels``.
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

    gram_x: Gram
    gram_y: Gram
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
        if self.is_low_rank:
            self._check_effects()

    def _check_effects(self) -> None:
        """``ValueError`` where dense matrices of the effects would outgrow memory."""
        effects = self.offsets.size - int(self.offsets.constant)
        if effects > _MOST_EFFECTS:
            raise ValueError(
                f"beside a LowRankGram there may be {_MOST_EFFECTS} effects, whose system is a "
                f"dense matrix, got {effects}: leave effects out, effects=() or Offsets(True), and "
                "take each entity's mean response off z beforehand"
            )

    @cached_property
    def eigen(self) -> tuple[Eigen, Eigen]:
        """Both eigendecompositions: computed once, and shared by ``with_alpha``.

        Of a ``LowRankGram`` the range, and what offsets see of the null space.
        """
        seen = self.offsets.seen_x, self.offsets.seen_y
        return (
            eigen_of(self.gram_x, "gram_x", seen[0]),
            eigen_of(self.gram_y, "gram_y", seen[1]),
        )

    @property
    def is_low_rank(self) -> bool:
        """Whether a Gram matrix is stated by features."""
        return isinstance(self.gram_x, LowRankGram) or isinstance(self.gram_y, LowRankGram)

    @property
    def grams(self) -> tuple[np.ndarray, np.ndarray]:
        """Both Gram matrices, formed where decompositions or features were given."""
        return block(self.gram_x, None), block(self.gram_y, None)

    def grams_of(self, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """k_X of rows i and k_Y of rows j with each other: all that is formed of features."""
        return block(self.gram_x, i), block(self.gram_y, j)

    @cached_property
    def factors(self) -> Factors:
        """R_X and R_Y, of the ranges of the Gram matrices: they too are computed once."""
        x, y = self.eigen
        return Factors(x.range(), y.range())

    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another α, with the same factors: nothing is decomposed again."""
        return self._with(alpha=check_number(alpha, "alpha", above=0.0))

    def _with(self, **changes: Any) -> Self:
        """The problem with other fields, of those that neither factors nor data depend on."""
        _ = self.factors  # computed before they are copied
        other = copy.copy(self)
        for name, value in changes.items():
            object.__setattr__(other, name, value)
        return other

    def _decomposed(self, eigen: tuple[Eigen, Eigen], **changes: Any) -> Self:
        """The problem with other data, of whose Gram matrices the eigendecompositions are known."""
        other, same = replace(self, **changes), eigen == self.eigen
        vars(other).update({"eigen": eigen} | ({"factors": self.factors} if same else {}))
        return other

    def at_pairs(self, M: np.ndarray) -> np.ndarray:
        """h = R_X M R_Yᵀ at the pairs: (r_x, r_y) → (n,)."""
        if self._dots_by_pairs:
            return _some_pairs.dots(self.factors.left @ M, self.factors.right, self.pairs)
        return self.pairs.entries(self.factors.push(M))

    def pull(self, c: np.ndarray) -> np.ndarray:
        """R_Xᵀ C R_Y, the adjoint of ``at_pairs``: (n,) → (r_x, r_y)."""
        if self._by_pairs:
            return self.factors.left.T @ _some_pairs.spread(c, self.factors.right, self.pairs)
        return self.factors.pull(self.pairs._as_matrix(c))

    def _pulled(self, c: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """``pull``, some rows after others where the grid is formed."""
        if self._by_pairs:
            yield slice(None), self.pull(c)
        else:
            yield from self.factors.pulled(self.pairs._as_matrix(c))

    @cached_property
    def _by_pairs(self) -> bool:
        """Whether the matrix of values at the pairs is sparse."""
        return _some_pairs.are_few(self.pairs)

    @cached_property
    def _dots_by_pairs(self) -> bool:
        """Whether no value is formed but those at the pairs: where ranks or pairs are few."""
        return self._by_pairs and (self.is_low_rank or _some_pairs.are_very_few(self.pairs))

    def fitted(self, M: np.ndarray, theta: np.ndarray = NO_OFFSETS) -> np.ndarray:
        """h = R_X M R_Yᵀ + Eθ at the pairs."""
        h, theta = self.at_pairs(M), self.offsets.check(theta)
        if len(theta):
            h += self.offsets.at_pairs(theta, self.pairs)
        return h

    def best_theta(self, h: np.ndarray) -> np.ndarray:
        """θ of the best constant beside the values h: (1,), or () where the problem has none."""
        constants = [best_constant(self.loss, h, self.z)[0]] if self.offsets.constant else []
        return np.array(constants)

    def with_best_offsets(self, M: np.ndarray) -> np.ndarray:
        """R_X M R_Yᵀ at the pairs, and the best constant beside it."""
        h = self.at_pairs(M)
        return h + self.best_theta(h)[0] if self.offsets.constant else h

    @cached_property
    def without_operator(self) -> tuple[float, np.ndarray]:
        """b and c of the fit h ≡ b (0 where there is no constant): c_n = −ℓ'(b; z_n)."""
        zero = np.zeros_like(self.z)
        if self.offsets.constant:
            return best_constant(self.loss, zero, self.z)
        return 0.0, -self.loss.gradient(zero, self.z)

    @cached_property
    def best_constant(self) -> tuple[float, float]:
        """b of ``without_operator``, and ‖c‖ of its c, which takes no memory then."""
        if not isinstance(self.loss, Squared):
            b, c = self.without_operator
            return b, float(np.linalg.norm(c))
        if not self.offsets.constant:
            return 0.0, float(np.linalg.norm(self.z))
        b, c = best_constant(self.loss, 0.0, self.z)
        return b, float(np.linalg.norm(c))

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

        A is over the whole grid of observed points, also where only some pairs were observed. In a
        domain whose Gram matrix is stated by k features it is over these: k rows, or columns.
        """
        return self.factors.dual_left @ M @ self.factors.dual_right.T

    def predict_grid(self, value: OperatorPoint, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """h(x, y) of new points, from their rows k_X(x, X) and k_Y(y, Y) of the kernels: (n, m).

        Where a Gram matrix is stated by features, from the features of the new points.

        The rows become coordinates of the new points, which M joins: k_X(x, X) A k_Y(Y, y) would
        lose the digits of A, whose entries grow like 1/√(s_a t_b).

        Raises
        ------
        ValueError
            For rows of another length, and where the problem has effects: they belong to entities,
            of which rows say nothing.
        """
        if self.offsets.size > int(self.offsets.constant):
            raise ValueError(
                "rows of kernels do not say whose effects to add: BinaryKernelRidge, with effects, "
                "evaluates them, and problem.offsets.split(solution.value.theta) holds them"
            )
        left = rows_of(x, "x", self.gram_x, len(self.pairs.X)) @ self.factors.dual_left
        right = rows_of(y, "y", self.gram_y, len(self.pairs.Y)) @ self.factors.dual_right
        return left @ value.M @ right.T + self.offsets.split(value.theta)[0]


class OperatorPoint(NamedTuple):
    """Coordinates M of the operator T, (r_x, r_y), and the dual unknowns c, (n,), c_n = −ℓ'(h_n).

    ``theta`` holds the offsets, (p,): a constant and effects, as far as the problem has them.

    ι(T*) = ∇Ω(T*) = Σ_n c_n Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}) / α at the optimum: an expansion over the
    observed pairs only. That of T* itself (``GramProblem.expansion``) is over the whole grid of
    observed points, unless p = 2, where ι is the identity.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral, solve
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> M, c, theta = solve(problem, Spectral()).value
    >>> bool(np.allclose(0.1 * M, problem.pull(c))), theta.size
    (True, 0)
    """

    M: np.ndarray
    c: np.ndarray
    theta: np.ndarray = NO_OFFSETS

    def __repr__(self) -> str:
        return short_repr(self)


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
