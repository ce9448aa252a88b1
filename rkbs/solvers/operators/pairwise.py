"""Ridge with a sum of products of kernels, in the coefficients of its expansion."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import LinAlgError

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.problems.certificates import KKTCertificate
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.pairwise import PairwiseProblem
from rkbs.solvers.base import Solution, Solver, State
from rkbs.solvers.operators._pair_expansion import expand
from rkbs.solvers.operators._pair_features import (
    Inverse,
    PairFeatures,
    dense_inverse,
    effects_weight,
    of_sum_zero,
)
from rkbs.solvers.operators._pair_preconditioner import shares
from rkbs.solvers.operators._pair_products import PairProducts, SumProducts
from rkbs.solvers.operators._pair_weights import PairWeights, squared_up_to_weights

PairwiseSolution = Solution[PairwiseProblem, OperatorPoint, KKTCertificate]
_FEW = 5000
"""Up to so many pairs have a Cholesky factor of 200 MB, which leaves nothing to iterate."""
_MOST = 1024
"""So many features are known to the preconditioner at most."""


@final
@dataclass(frozen=True)
class PairwiseConjugateGradient(Solver[PairwiseProblem, "_PairwiseState"]):
    """(Σ_l K_l + αW⁻¹) a = z, with the offsets of the problem, by conjugate gradients.

    A product with K is one with each of the products' Gram matrices, by ``ConjugateGradient``'s
    ways. The preconditioner is a Cholesky factor for up to 5000 pairs; beyond it is exact on the
    features of all products that pairs see more of than of α, ρ_ab s_a t_b ≥ α, 1024 at most, the
    largest. W = I, or the weights of a ``Weighted(Squared(), w)``.

    Setup decomposes the Gram matrices. Along a path no α starts from another.

    Parameters
    ----------
    tol : float
        Tolerance of the KKT residual in the certificate.
    max_iter : int

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Pairs, RBF
    >>> from rkbs.problems import PairwiseProblem
    >>> from rkbs.solvers import PairwiseConjugateGradient
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> grams = [(RBF()(x, x), np.eye(4)), (np.eye(5), RBF()(y, y))]
    >>> problem = PairwiseProblem(grams, Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> path = PairwiseConjugateGradient().setup(problem).path([1.0, 0.1])
    >>> all(solution.certificate.kkt_residual < 1e-10 for solution in path)
    True
    """

    handles = PairwiseProblem
    tol: float = 1e-10
    max_iter: int = 5000

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")

    def _check(self, problem: PairwiseProblem) -> None:
        """Also ``ValueError`` for a loss whose optimality conditions are not linear."""
        super()._check(problem)
        if not squared_up_to_weights(problem.loss):
            raise ValueError(f"{self!r} needs the squared loss, got {problem.loss!r}")

    def _setup(self, problem: PairwiseProblem) -> _PairwiseState:
        for term in problem.terms:
            _ = term.factors, term.without_operator  # for all α, before with_alpha copies them
        products = SumProducts(tuple(PairProducts.of(term) for term in problem.terms))
        return _PairwiseState(problem, self, products)

    def _solution(
        self, problem: PairwiseProblem, point: OperatorPoint, iterations: int
    ) -> PairwiseSolution:
        stats = {"solver": type(self).__name__, "iterations": iterations}
        certificate = problem.certify(point.M, point.c, self.tol, point.theta)
        return Solution(problem, point, certificate, stats)


@final
@dataclass(frozen=True, eq=False)
class _PairwiseState(State[PairwiseSolution]):
    """A problem whose Gram matrices are decomposed, and features by their number."""

    problem: PairwiseProblem
    solver: PairwiseConjugateGradient
    products: SumProducts = field(repr=False)
    _features: dict[int, PairFeatures] = field(default_factory=dict, init=False, repr=False)

    __repr__ = short_repr

    def _solve(self, problem: PairwiseProblem, last: None) -> tuple[PairwiseSolution, None]:
        solver, start = self.solver, np.zeros_like(problem.z)
        how = self._inverse(problem), solver.tol, solver.max_iter
        for point, used in expand(problem, self.products, start, *how):  # once at least
            found = solver._solution(problem, point, used)
            if found.certificate.passed:
                break
        return found, None

    def _inverse(self, problem: PairwiseProblem) -> Inverse:
        """The preconditioner at the problem's α; W/α where rounding hides α."""
        try:
            if not self.products.shape[0]:  # no feature is left of any kernel
                return of_sum_zero(problem, PairWeights.of(problem).times)
            if len(problem.z) <= _FEW:
                return of_sum_zero(problem, dense_inverse(problem, self.products))
            features = self._seen(problem)
            return of_sum_zero(problem, features.inverse(problem.alpha, effects_weight(problem)))
        except LinAlgError:
            return of_sum_zero(problem, PairWeights.of(problem).times)

    def _seen(self, problem: PairwiseProblem) -> PairFeatures:
        """Those of which pairs see more than of α, the largest of all products, one at least."""
        every = np.concatenate(self._shares)
        most = min(_MOST, len(problem.z), len(every))
        count = int(np.clip((every >= problem.alpha).sum(), 1, most))
        if count not in self._features:
            chosen = np.zeros(len(every), dtype=bool)
            chosen[np.argpartition(-every, count - 1)[:count]] = True
            parts = np.split(chosen, np.cumsum([len(part) for part in self._shares])[:-1])
            coordinates = [np.flatnonzero(part) for part in parts]
            self._features[count] = PairFeatures.of(problem, problem.terms, coordinates)
        return self._features[count]

    @cached_property
    def _shares(self) -> list[np.ndarray]:
        """ρ_ab s_a t_b of each product, flat."""
        return [(shares(term) * term.factors.products).ravel() for term in self.problem.terms]
