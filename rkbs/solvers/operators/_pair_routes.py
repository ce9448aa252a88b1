"""Which way ridge on some pairs is solved, by what each would cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal, final

import numpy as np
from scipy.linalg import LinAlgError

from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._pair_features import (
    Inverse,
    PairFeatures,
    dense_inverse,
    effects_weight,
    of_sum_zero,
)
from rkbs.solvers.operators._pair_preconditioner import shares_of_sides
from rkbs.solvers.operators._pair_products import PairProducts
from rkbs.solvers.operators._pair_weights import PairWeights, less_mean

Way = Literal["plain", "dense", "features", "coordinates"]

_RANKS = (64, 128, 256, 512, 1024, 2048, 4096)
HIDDEN = 1e-10
"""For α below this part of λ_max, coefficients c/α leave no digits off the pairs."""
_ENTRIES = 25_000_000
"""So many entries of a factor are formed at most, 200 MB."""
_PAIRS_OF_A_COORDINATE = 40
"""Pairs at random tell a coordinate from the others if there are so many of each."""

# What an operation costs, in multiplications of a matrix product (``benchmarks/pair_products.py``).
_CALLS = 3_000_000  # of a step
_GATHERED = 450  # an entry of the Gram matrix of the pairs
_FORMED = 200  # one of a matrix of features
_WEIGHED = 600  # a coordinate, in a step
_AROUND = 3  # what begins and ends steps in coordinates, in these
_READ = 40  # one of a factor, in a solve
_EXACT_STEPS = 2  # with an exact inverse


@final
@dataclass(frozen=True)
class Route:
    """A way, and what it would cost.

    Attributes
    ----------
    way : {"plain", "dense", "features", "coordinates"}
        (K + αW⁻¹) a = z by conjugate gradients without preconditioner but W; by a Cholesky factor;
        by conjugate gradients, with the largest features as preconditioner; or M by conjugate
        gradients.
    rank : int
        How many features.
    cost : float
        In multiplications of a matrix product.
    """

    way: Way
    rank: int
    cost: float


@final
@dataclass(frozen=True, eq=False)
class Routes:
    """The ways of a problem, with what they share for all α.

    Estimated are the steps by the bounds of conjugate gradients, k + log(2/tol)/(2 artanh κ^{−½}),
    κ = 1 + ν/α, of which the least counts: k steps take the k largest of the eigenvalues that the
    preconditioner does not know, and ν is the next. Beyond r features that is
    ((ρ_ab s_a t_b)^½ + q^½)² with the next that the pairs see, and q the mean diagonal of all the
    rest: so far do eigenvalues reach where features are like independent numbers (Marchenko &
    Pastur, 1967). Without preconditioner r = 0.

    Parameters
    ----------
    problem : OperatorProblem
        At any α.
    products : PairProducts
    """

    problem: OperatorProblem
    products: PairProducts
    _features: dict[int, PairFeatures] = field(default_factory=dict, init=False)

    @cached_property
    def weights(self) -> PairWeights:
        """W."""
        return PairWeights.of(self.problem)

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """The factors of ρ_ab s_a t_b."""
        rows, columns = shares_of_sides(self.problem)
        factors = self.problem.factors
        return rows * factors.x.eigenvalues, columns * factors.y.eigenvalues

    @property
    def seen(self) -> np.ndarray:
        """ρ_ab s_a t_b, flat."""
        return np.multiply.outer(*self.sides).ravel()

    @cached_property
    def largest(self) -> np.ndarray:
        """The coordinates that pairs see most, from the largest on.

        Of the k largest products the ranks of their factors, from 1 on, have a product of at most
        k: any other has k at least as large.
        """
        most, (rows, columns) = _RANKS[-1] + 1, self.sides
        by_row, by_column = (np.argsort(-side, kind="stable") for side in self.sides)
        counts = np.minimum(most // np.arange(1, min(most, len(rows)) + 1), len(columns))
        row = np.repeat(np.arange(len(counts)), counts)
        column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, column = by_row[row], by_column[column]
        order = np.argsort(-rows[row] * columns[column], kind="stable")[:most]
        return row[order] * len(columns) + column[order]

    @cached_property
    def top(self) -> np.ndarray:
        """What pairs see of ``largest``."""
        rows, columns = self.sides
        a, b = np.divmod(self.largest, len(columns))
        return rows[a] * columns[b]

    @cached_property
    def size(self) -> int:
        """How many coordinates there are."""
        return len(self.sides[0]) * len(self.sides[1])

    @cached_property
    def unknown(self) -> np.ndarray:
        """ν beyond 0, 1, … features; 0 beyond all, if all are among ``largest``."""
        total = self.sides[0].sum() * self.sides[1].sum()
        rest = total - np.concatenate([[0.0], np.cumsum(self.top)])
        mean = np.maximum(rest, 0.0) / len(self.problem.z)
        found = (np.sqrt(np.append(self.top, 0.0)) + np.sqrt(mean)) ** 2
        if len(self.top) < self.size:
            return found[:-1]
        found[-1] = 0.0
        return found

    @cached_property
    def of_effects(self) -> float:
        """A bound of the largest eigenvalue of E_e E_eᵀ, which has a one for each pair's effect."""
        offsets, pairs = self.problem.offsets, self.problem.pairs
        most = 0.0
        for labels, at in ((offsets.rows, pairs.i), (offsets.columns, pairs.j)):
            if labels is not None:
                most += float(self.weights.counts(labels[at]).max())
        return most

    @cached_property
    def apart(self) -> float:
        """ν of the diagonal preconditioner in coordinates: what pairs left out make of it.

        With κ = 1 + ν/α, which is no bound, steps are log(2/tol)/2 · κ^½ ``uneven``.
        """
        n, size = len(self.problem.z), self.size
        at = min(n // _PAIRS_OF_A_COORDINATE, size - 1)
        told = self.weights.effective(self.problem.pairs)
        left_out = 1 - told / (len(self.products.left) * len(self.products.right))
        if at < len(self.top):
            return left_out * float(self.top[at])
        return left_out * float(np.partition(self.seen, size - 1 - at)[size - 1 - at])

    @cached_property
    def uneven(self) -> float:
        """How many times the steps in coordinates grow where rows and columns differ in pairs.

        The fourth root of the mean squares of their pairs over the squared means: of patterns
        by power laws and blocks it is right up to a factor of two.
        """
        factor = 1.0
        for at, size in (
            (self.problem.pairs.i, len(self.products.left)),
            (self.problem.pairs.j, len(self.products.right)),
        ):
            counts = self.weights.counts(at, size)
            factor *= float((counts**2).mean() / counts.mean() ** 2)
        return factor**0.25

    def cheapest(self, problem: OperatorProblem, tol: float) -> Route:
        """The route of the least estimated cost at the problem's α."""
        return self.by_way(problem, tol)[0]

    def by_way(self, problem: OperatorProblem, tol: float) -> list[Route]:
        """The cheapest route of each way, from the cheapest on."""
        best: dict[Way, Route] = {}
        for route in sorted(self._all(problem.alpha, tol), key=lambda route: route.cost):
            best.setdefault(route.way, route)
        return list(best.values())

    def _all(self, alpha: float, tol: float) -> list[Route]:
        n, products, offsets = len(self.problem.z), self.products, self.problem.offsets
        if not self.size:
            return [Route("coordinates", 0, 0.0)]

        gram = min(products.cost_of_gram, products.cost_of_step)
        step = products.cost_of_step + self.size * _WEIGHED + _CALLS
        steps = np.log(2 / tol) / 2 * np.sqrt(1 + self.apart / alpha) * self.uneven
        routes = [Route("coordinates", 0, float(steps + _AROUND) * step)]
        if n**2 <= _ENTRIES and products.has_grams:
            cost = n**3 / 4 + n**2 * _GATHERED + _EXACT_STEPS * (gram + _CALLS)
            routes.append(Route("dense", 0, cost))
        routes.append(Route("plain", 0, self.steps(alpha, tol) * (gram + _CALLS)))
        known = _after(self.unknown, alpha, tol)
        for rank in {*(r for r in _RANKS if r < len(known)), len(known) - 1} - {0}:
            r = rank + offsets.size - int(offsets.constant)
            if r <= n and r**2 <= _ENTRIES:
                setup = n * r**2 / 2 + n * r * _FORMED + r**3 / 4
                beside = _READ * r**2 + 4 * gram * np.sqrt(rank / self.size)
                cost = setup + known[rank] * (gram + beside + _CALLS)
                routes.append(Route("features", rank, float(cost)))
        return routes

    def steps(self, alpha: float, tol: float) -> float:
        """Of conjugate gradients without preconditioner, for which effects are eigenvalues too."""
        beside = effects_weight(self.problem.with_alpha(alpha)) * self.of_effects
        return float(_after(self.unknown + beside, alpha, tol)[0])

    def inverse(self, problem: OperatorProblem, route: Route) -> Inverse | None:
        """(K + αW⁻¹)⁻¹, or that of the largest features; None by coordinates, or if α is hidden."""
        hidden = HIDDEN * self.weights.mean() * problem.factors.largest
        if route.way == "coordinates" or problem.alpha <= hidden:
            return None
        try:
            if route.way == "dense":
                return of_sum_zero(problem, dense_inverse(problem, self.products))
            if route.way == "plain" and self.weights.w is not None:
                return of_sum_zero(problem, self.weights.times)
            if route.way == "plain":
                return partial(less_mean, problem)
            features = self._of_rank(route.rank)
            return of_sum_zero(problem, features.inverse(problem.alpha, effects_weight(problem)))
        except LinAlgError:  # hidden by rounding
            return None

    def _of_rank(self, rank: int) -> PairFeatures:
        if rank not in self._features:
            self._features[rank] = PairFeatures.of(
                self.problem, [self.problem], [self.largest[:rank]]
            )
        return self._features[rank]


def _steps(apart: np.ndarray | float, tol: float) -> np.ndarray:
    """Of conjugate gradients between the eigenvalues 1 and 1 + ``apart``, to this tolerance."""
    with np.errstate(divide="ignore"):  # none at all, of the same eigenvalues
        most = np.log(2 / tol) / (2 * np.arctanh(1 / np.sqrt(1 + apart)))
    return np.maximum(most, _EXACT_STEPS)


def _after(unknown: np.ndarray, alpha: float, tol: float) -> np.ndarray:
    """Of those whose preconditioner knows 0, 1, … of the largest eigenvalues."""
    ranks = np.arange(len(unknown))
    total = ranks + _steps(unknown / alpha, tol)  # known, or taken by a step each
    return np.minimum.accumulate(total[::-1])[::-1] - ranks
