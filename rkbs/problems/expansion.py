"""Problems whose solution is a finite expansion: objective, Fenchel dual, recovery, certificate."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, final

import numpy as np

from rkbs._arrays import as_real, check_kinds, check_number, short_repr
from rkbs.problems.base import Function, Problem
from rkbs.problems.certificates import GapCertificate
from rkbs.problems.gram import check_scale
from rkbs.spaces.lp import duality_map
from rkbs.spaces.sections import Sections
from rkbs.terms.losses import DualLoss
from rkbs.terms.norm_penalties import HalfSquare, Regularizer
from rkbs.terms.residual_losses import Squared


@final
@dataclass(frozen=True, eq=False)
class Side:
    """One function of a problem: where it is evaluated, and what its norm costs.

    It adds b_n f(x_{i_n}) to the value h_n of a pair, and λ R(‖f‖) to the objective.

    Parameters
    ----------
    sections : Sections
    index : array of shape (n,)
        i_n.
    alpha : float
        λ > 0.
    regularizer : Regularizer
    factor : array of shape (n,), or 1.0
        b_n.
    """

    sections: Sections
    index: np.ndarray
    alpha: float
    regularizer: Regularizer
    factor: np.ndarray | float = 1.0

    __repr__ = short_repr

    def at_pairs(self, function: Any) -> np.ndarray:
        """b_n f(x_{i_n}), shape (n,)."""
        return self.factor * self.sections.at_points(function)[self.index]

    def gather(self, c: np.ndarray) -> np.ndarray:
        """ξ_i = Σ_{n: i_n = i} b_n c_n: the coefficients of the kernel sections."""
        return np.bincount(self.index, self.factor * c, self.sections.size)

    def penalty(self, function: Any) -> float:
        """λ R(‖f‖)."""
        return self.alpha * self.regularizer.value(self.sections.norm(function))

    def penalty_gradient(self, function: np.ndarray) -> np.ndarray:
        """λ R'(‖f‖) ι(f), the derivative of the penalty; for ``FeatureSections``."""
        slope = self.regularizer.derivative(self.sections.norm(function))
        return self.alpha * slope * duality_map(function, self.sections.p)

    def dual_penalty(self, xi: np.ndarray) -> float:
        """λ R*(‖w‖_q / λ), w = Σ ξ_i Φ(x_i), from above."""
        scaled = self.sections.dual_norm_above(xi) / self.alpha
        return self.alpha * self.regularizer.conjugate(scaled)

    def length(self, xi: np.ndarray) -> float:
        """‖f‖ = (R*)'(‖w‖_q / λ); R(t) = t has none at ‖w‖_q = λ."""
        return self.regularizer.length(self.sections.dual_norm(xi) / self.alpha)


class ExpansionPoint(NamedTuple):
    """The functions of a solution, in the order of the sides, with the dual unknowns c.

    ι of each function is proportional to Σ_i ξ_i Φ(x_i), ξ_i = Σ_{n: i_n = i} b_n c_n.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, DualNewton, Pairs, RKBSPair, SeparableProblem, solve
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[0.0], [0.5]])
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
    >>> problem = SeparableProblem(spaces, Pairs.grid(x, y), x + y.T, 0.1, 0.1)
    >>> point = solve(problem, DualNewton()).value
    >>> point.v.shape, point.c.shape, bool(np.allclose(point.v, problem.primal(point.c)[0]))
    ((7,), (4,), True)
    """

    functions: tuple[Any, ...]
    c: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def v(self) -> Any:
        """The first function: v of f_v, where features are explicit."""
        return self.functions[0]

    @property
    def u(self) -> Any:
        """The second function: u of g_u, where features are explicit."""
        return self.functions[1]


class ExpansionProblem(Problem):
    """min Σ_n ℓ(h_n; z_n) + Σ_sides λ R(‖f‖), h_n = Σ_sides b_n f(x_{i_n}).

    The Fenchel dual has an unknown c_n for each pair, whatever the dimension of the spaces:

        max_c −Σ ℓ*(−c_n; z_n) − Σ_sides λ R*(‖w‖_q / λ),   w = Σ_i ξ_i Φ(x_i).

    At the optimum c_n = −ℓ'(h_n; z_n) and λ R'(‖f‖) ι(f) = w.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import FeatureSections, OneSidedProblem
    >>> problem = OneSidedProblem(FeatureSections(np.eye(2), p=1.5), np.array([1.0, 2.0]), 0.5)
    >>> c = np.array([0.5, 0.5])  # any c bounds the optimum from below, its function from above
    >>> problem.dual_objective(c) < problem.objective(*problem.primal(c))
    True
    """

    loss: DualLoss

    @property
    @abc.abstractmethod
    def sides(self) -> tuple[Side, ...]:
        """The functions sought."""

    def at_pairs(self, *functions: Any) -> np.ndarray:
        """h_n, shape (n,)."""
        if len(functions) != len(self.sides):
            raise TypeError(f"needs a function per side, {len(self.sides)}, got {len(functions)}")
        parts = zip(self.sides, functions, strict=True)
        return sum(side.at_pairs(function) for side, function in parts)

    def objective(self, *functions: Any) -> float:
        """Σ ℓ(h_n; z_n) + Σ λ R(‖f‖)."""
        loss = self.loss.value(self.at_pairs(*functions), self.z).sum()
        penalties = (side.penalty(f) for side, f in zip(self.sides, functions, strict=True))
        return float(loss + sum(penalties))

    def expansion(self, c: np.ndarray) -> tuple[np.ndarray, ...]:
        """The coefficients ξ of the kernel sections, for each side."""
        return tuple(side.gather(c) for side in self.sides)

    def dual_objective(self, c: np.ndarray) -> float:
        """The dual's value, a lower bound of the optimum for every c (−∞ outside its domain)."""
        parts = zip(self.sides, self.expansion(c), strict=True)
        penalty = sum(side.dual_penalty(xi) for side, xi in parts)
        return float(-self.loss.conjugate(-c, self.z).sum() - penalty)

    def primal(self, c: np.ndarray, lengths: tuple[float, ...] | None = None) -> tuple[Any, ...]:
        """The functions ‖f‖ ι(w), the primal candidate of the dual unknowns c.

        Parameters
        ----------
        c : array of shape (n,)
        lengths : floats, optional
            ‖f‖ of each side; by default (R*)' of the scaled dual norm, which R(t) = t lacks.
        """
        xis = self.expansion(c)
        if lengths is None:
            lengths = tuple(side.length(xi) for side, xi in zip(self.sides, xis, strict=True))
        parts = zip(self.sides, xis, lengths, strict=True)
        return tuple(side.sections.function(xi, length) for side, xi, length in parts)

    def zero_threshold(self) -> tuple[float, ...]:
        """The λ of each side from which on R(t) = t has the solution 0.

        ‖Σ_n ℓ'(0; z_n) b_n Φ(x_{i_n})‖_q: with c = −ℓ'(0; z) the loss is at its Fenchel equality,
        and R*(‖w‖/λ) is finite, hence 0, iff ‖w‖ ≤ λ. All must be reached; sharp where ℓ(·; z) has
        a derivative at 0.
        """
        slopes = self.loss.gradient(np.zeros_like(self.z), self.z)
        parts = zip(self.sides, self.expansion(slopes), strict=True)
        return tuple(side.sections.dual_norm(xi) for side, xi in parts)

    def certify(
        self, functions: tuple[Any, ...], c: np.ndarray, tolerance: float
    ) -> GapCertificate:
        """Both objectives of the candidate and of c, computed from scratch."""
        return GapCertificate(self.objective(*functions), self.dual_objective(c), tolerance)


@final
@dataclass(frozen=True, eq=False)
class OneSidedProblem(ExpansionProblem):
    """min_f Σ_n ℓ(b_n f(x_n); z_n) + λ R(‖f‖): learning in one Banach space.

    Parameters
    ----------
    sections : Sections
        Of the points x_1, …, x_n.
    z : array of shape (n,)
        A response for each point.
    alpha : float
        λ > 0.
    loss : DualLoss
    regularizer : Regularizer

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import DualNewton, FeatureSections, OneSidedProblem, solve
    >>> sections = FeatureSections(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), p=1.2)
    >>> solution = solve(OneSidedProblem(sections, np.array([0.0, 1.0, 2.0]), 1e-6), DualNewton())
    >>> solution.f(np.array([[1.0, 3.0]])).round(3), solution.certificate.passed
    (array([3.]), True)
    """

    sections: Sections
    z: np.ndarray
    alpha: float
    loss: DualLoss = field(default_factory=Squared)
    regularizer: Regularizer = field(default_factory=HalfSquare)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_kinds(self, sections=Sections, loss=DualLoss, regularizer=Regularizer)
        z = as_real(self.z, "z")
        if z.shape != (self.sections.size,):
            raise ValueError(
                f"z must have shape ({self.sections.size},), a response per point, got {z.shape}"
            )
        object.__setattr__(self, "z", self.loss.check(check_scale(z), "z"))
        object.__setattr__(self, "alpha", check_number(self.alpha, "alpha", above=0.0))

    @property
    def sides(self) -> tuple[Side, ...]:
        """The one function, evaluated at every point."""
        index = np.arange(self.sections.size)
        return (Side(self.sections, index, self.alpha, self.regularizer),)

    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another λ, with the same sections."""
        return replace(self, alpha=alpha)

    def functions(self, value: ExpansionPoint) -> tuple[Function]:
        """f: of points for ``TensorSections``, of their features for ``FeatureSections``."""
        return (self.sections.at_new_points(value.v),)
