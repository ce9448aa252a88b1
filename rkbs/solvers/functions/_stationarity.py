"""The equations of a stationary point of a product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import root

from rkbs.problems.expansion import Side
from rkbs.problems.product import ProductProblem


@dataclass(frozen=True, eq=False)
class Stationarity:
    """The equations of the expansions.

    A function can be known by its coefficients ξ, which must reproduce themselves: for an exponent
    ≤ 2 that is smooth, since ι⁻¹ then is. If R does not tell the length of the function, the length
    is an unknown beside ξ, and ‖w‖ = λ R' its equation. Or the function's own coefficients are
    sought, which is smooth for an exponent ≥ 2.
    """

    problem: ProductProblem
    sides: tuple[Side, Side]
    by_expansion: tuple[bool, bool]

    @classmethod
    def near(
        cls,
        problem: ProductProblem,
        v: np.ndarray,
        u: np.ndarray,
        by_expansion: tuple[bool, bool],
    ) -> Stationarity:
        sides = problem.given("g", u).sides[0], problem.given("f", v).sides[0]
        return cls(problem, sides, by_expansion)

    def coefficients(self, v: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
        """ξ and ζ that the slopes of the loss at (v, u) make."""
        problem = self.problem
        c = -problem.loss.gradient(problem.at_pairs(v, u), problem.z)
        return [
            given.sides[0].gather(c) for given in (problem.given("g", u), problem.given("f", v))
        ]

    def unknowns(self, v: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Where the search starts."""
        parts = zip(self.by_expansion, self.sides, self.coefficients(v, u), (v, u), strict=True)
        return np.concatenate(
            [
                np.append(xi, [side.sections.norm(own)][: _free_length(side)]) if expanded else own
                for expanded, side, xi, own in parts
            ]
        )

    def _split(self, unknowns: np.ndarray) -> list[np.ndarray]:
        side = self.sides[0]
        expanded = side.sections.size + _free_length(side)
        return np.split(
            unknowns, [expanded if self.by_expansion[0] else side.sections.phi.shape[1]]
        )

    def functions(self, unknowns: np.ndarray) -> list[np.ndarray]:
        """v and u."""
        functions = []
        for expanded, side, part in zip(
            self.by_expansion, self.sides, self._split(unknowns), strict=True
        ):
            xi = part[: side.sections.size]
            length = part[-1] if _free_length(side) or not expanded else side.length(xi)
            functions.append(side.sections.function(xi, length) if expanded else part)
        return functions

    def solved(self, v: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
        """v and u where the equations led from there.

        In units in which all unknowns and equations are of the order of one: MINPACK's differences
        at 0 are absolute, and it adds up the squares of all equations.
        """
        start = self.unknowns(v, u)
        units, sizes = self._units(start, v, u)
        options = {"xtol": 1e-14}
        found = root(lambda x: self(x * units) / sizes, start / units, options=options)
        return self.functions(found.x * units)

    def _units(
        self, unknowns: np.ndarray, v: np.ndarray, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The sizes of the unknowns, and of the terms of the equations."""
        units, sizes = [], []
        for expanded, side, part, left in zip(
            self.by_expansion,
            self.sides,
            self._split(unknowns),
            self.problem.left_sides(v, u),
            strict=True,
        ):
            own = part[: side.sections.size] if expanded else part
            size = np.full(len(own), np.abs(own).max())
            free = len(part) - len(own)  # a length, with the equation ‖w‖ = λ R'
            units += [size, part[len(own) :]]
            sizes += [size if expanded else np.full(len(own), np.abs(left).max())]
            sizes += [np.full(free, side.alpha)]
        units, sizes = np.concatenate(units), np.concatenate(sizes)
        return np.where(units > 0, units, 1.0), np.where(sizes > 0, sizes, 1.0)

    def __call__(self, unknowns: np.ndarray) -> np.ndarray:
        v, u = self.functions(unknowns)
        residuals = []
        for expanded, side, part, xi, left in zip(
            self.by_expansion,
            self.sides,
            self._split(unknowns),
            self.coefficients(v, u),
            self.problem.left_sides(v, u),
            strict=True,
        ):
            own = part[: side.sections.size]
            residuals.append(own - xi if expanded else left - xi @ side.sections.phi)
            if expanded and _free_length(side):
                residuals.append([side.sections.dual_norm(own) - side.alpha])
        return np.concatenate(residuals)


def _free_length(side: Side) -> int:
    """1 where ξ does not tell the length of the function, as for R(t) = t, else 0."""
    return int(not side.regularizer.strictly_convex)
