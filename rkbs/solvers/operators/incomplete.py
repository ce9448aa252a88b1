"""Ridge regression on pairs that do not fill their grid, without their Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import final

import numpy as np

from rkbs._arrays import check_count, short_repr
from rkbs.data.pairs import Pairs
from rkbs.problems.gram import NO_OFFSETS, OperatorPoint
from rkbs.problems.offsets import Offsets, best_constant
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solution, State
from rkbs.solvers.operators._offset_system import OffsetSystem
from rkbs.solvers.operators._pair_expansion import (
    Gram,
    expand,
    left_by,
    point_of,
    solve_expansion,
)
from rkbs.solvers.operators._pair_preconditioner import Preconditioner
from rkbs.solvers.operators._pair_products import PairProducts
from rkbs.solvers.operators._pair_routes import HIDDEN, Routes
from rkbs.solvers.operators._pair_weights import PairWeights, WeightedRidgeSolver, less_mean
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.terms.residual_losses import Squared

_EPS = np.finfo(float).eps
_PASSES = 2
"""The second solves for what rounding left of the first."""
_AFTER = 10
"""A tenth of the steps, and ten, may mend the coefficients of the expansion."""


@final
@dataclass(frozen=True)
class ConjugateGradient(WeightedRidgeSolver["_ConjugateGradientState"]):
    """R_Xᵀ S*WS(R_X M R_Yᵀ) R_Y + αM = R_Xᵀ S*Wz R_Y by conjugate gradients, S the choice of pairs.

    W = I without offsets; else r − Wr = Eθ are the best offsets of the residuals r. Pairs with the
    weights of a ``Weighted(Squared(), w)`` have diag(w) in place of I, here and below.

    In the eigenbases of K_X and K_Y the preconditioner is a diagonal, 1/(ρ_ab s_a t_b + α), with ρ
    the shares of pairs observed as the eigenvectors weigh rows and columns; of offsets it knows
    what they take from a grid. It is exact on a complete one. A step costs four products of the
    domains' sizes, of which two shrink with the share of pairs below 0.1.

    Where that is estimated to be cheaper, (K + αI) a = z is solved instead, K the Gram matrix of
    the pairs, by conjugate gradients that take two products a step; their preconditioner is exact
    on the largest features s_a t_b, 64 to 4096 of them, or there is none, where α is so large that
    a few steps do. Or, for up to 5000 pairs, by a Cholesky factor. These take 400 MB at most, and K
    is formed in no other case. With fewer pairs than coordinates and α near rounding there is no
    preconditioner. SciPy twin: ``scipy.sparse.linalg.cg``.

    Setup decomposes the Gram matrices. Along a path an α starts from the last, unless by a factor.

    Parameters
    ----------
    tol : float
        Where to stop: the certificate's KKT residual of M and c, and ‖Kc/α + c − z‖/‖z‖, so that
        predictions at other pairs are as good; where rounding leaves more than ``tol`` of the
        latter, some eps · λ_max/α, that is enough.
    max_iter : int

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, ConjugateGradient, OperatorProblem, Pairs
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> seen = x > y.T  # some of the pairs
    >>> pairs, z = Pairs.from_mask(x, y, seen), (x - y.T)[seen]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), pairs, z, alpha=0.1)
    >>> path = list(ConjugateGradient().setup(problem).path([1.0, 0.1]))
    >>> all(solution.certificate.kkt_residual < 1e-10 for solution in path)
    True
    """

    tol: float = 1e-10
    max_iter: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self.max_iter, "max_iter")

    def _setup(self, problem: OperatorProblem) -> _ConjugateGradientState:
        _ = problem.factors, problem.without_operator  # for all α, before with_alpha copies them
        return _ConjugateGradientState(problem, self, Routes(problem, PairProducts.of(problem)))

    def _from(
        self, problem: OperatorProblem, routes: Routes, start: OperatorPoint
    ) -> RidgeSolution:
        products, used = routes.products, 0
        by_expansion = partial(self._by_expansion, problem, products)
        # With fewer pairs than coordinates α alone decides what M does off the pairs. A fit may be
        # so close that rounding hides z − h, and α with it: then a = c/α is sought itself.
        underdetermined = len(problem.z) < start.M.size
        hidden = HIDDEN * PairWeights.of(problem).mean() * problem.factors.largest
        if underdetermined and problem.alpha <= hidden:
            return by_expansion(products.by_factors, np.zeros_like(problem.z), 0, self.max_iter)
        route = routes.cheapest(problem, self.tol)
        if (inverse := routes.inverse(problem, route)) is not None:
            a = np.zeros_like(problem.z) if route.way == "dense" else start.c  # exact from anywhere
            most = max(self.max_iter // 2, 1)
            for point, used in expand(problem, products, a, inverse, self.tol, most):
                solution = self._solution(problem, point, used)
                if solution.certificate.passed or used >= self.max_iter:
                    return solution
                start = point
        M, more = _descend(problem, products, start.M, self.tol, self.max_iter - used)
        used += more
        theta, c = _Profile.of(problem)(problem.z - products.at_pairs(M))
        solution = self._solution(problem, OperatorPoint(M, c, theta), used)
        if solution.certificate.passed:
            return self._expanded(problem, products, solution)
        if not underdetermined or used >= self.max_iter:
            return solution
        return by_expansion(products.by_factors, np.zeros_like(c), used, self.max_iter)

    def _by_expansion(
        self,
        problem: OperatorProblem,
        products: PairProducts,
        gram: Gram,
        start: np.ndarray,
        used: int,
        most: int,
    ) -> RidgeSolution:
        """By the coefficients of the expansion, in at most ``most`` steps less those used."""
        a, more = solve_expansion(problem, gram, start, self.tol, most - used)
        return self._solution(problem, point_of(problem, products, a), used + more)

    def _expanded(
        self, problem: OperatorProblem, products: PairProducts, solution: RidgeSolution
    ) -> RidgeSolution:
        """The solution, its c mended where the expansion a = c/α can be better than c = z − h.

        z − h has the absolute rounding of h; K a that of λ_max ‖a‖, less where h is close to z.
        """
        (M, c, theta), used = solution.value, solution.stats["iterations"]
        size = np.linalg.norm(less_mean(problem, problem.z))
        gram, enough = products.by_factors, self.tol * size
        a = c / problem.alpha
        rounding = _EPS * problem.factors.products.max(initial=0.0) * np.linalg.norm(a)
        if rounding > enough or left_by(problem, gram, a) <= enough:
            return solution
        most = min(self.max_iter - used, used // _AFTER + _AFTER)
        a, more = solve_expansion(problem, gram, a, self.tol, most)
        point = OperatorPoint(M, problem.alpha * a, theta)
        mended = self._solution(problem, point, used + more)
        if mended.certificate.passed:
            return mended
        return self._solution(problem, solution.value, used + more)

    def _solution(
        self, problem: OperatorProblem, point: OperatorPoint, iterations: int
    ) -> RidgeSolution:
        stats = {"solver": "ConjugateGradient", "iterations": iterations}
        certificate = problem.certify(point.M, point.c, self.tol, point.theta)
        return Solution(problem, point, certificate, stats)


@final
@dataclass(frozen=True, eq=False)
class _ConjugateGradientState(State[RidgeSolution]):
    """A problem that is decomposed."""

    problem: OperatorProblem
    solver: ConjugateGradient
    routes: Routes = field(repr=False)

    __repr__ = short_repr

    def _solve(
        self, problem: OperatorProblem, last: OperatorPoint | None
    ) -> tuple[RidgeSolution, OperatorPoint]:
        """The solution, and M and a = c/α from which another α may start."""
        shape = problem.factors.shape
        start = OperatorPoint(np.zeros(shape), np.zeros_like(problem.z)) if last is None else last
        solution = self.solver._from(problem, self.routes, start)
        M, c, _ = solution.value
        return solution, OperatorPoint(M, c / problem.alpha)


@final
@dataclass(frozen=True, eq=False)
class _Profile:
    """θ = (EᵀE + D)⁻¹Eᵀr, the best offsets of residuals r, and what they leave, W r = r − Eθ.

    With M alone unknown the problem is ½ rᵀWr + (α/2) ‖M‖², r = z − R_X M R_Yᵀ, and c = W r. With
    weights w of the pairs θ = (Eᵀ diag(w) E + D)⁻¹Eᵀ diag(w) r, and W r = diag(w) (r − Eθ).
    """

    offsets: Offsets
    pairs: Pairs
    decay: np.ndarray
    weights: PairWeights
    system: OffsetSystem | None

    @classmethod
    def of(cls, problem: OperatorProblem) -> _Profile:
        offsets, pairs, weights = problem.offsets, problem.pairs, PairWeights.of(problem)
        decay, system = offsets.decay(problem.alpha), None
        if offsets.size > int(offsets.constant):
            seen = weights.gram(offsets, pairs)
            system = OffsetSystem.of(offsets, pairs, seen, problem.alpha)
        return cls(offsets, pairs, decay, weights, system)

    def __call__(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """θ and W r."""
        if not self.offsets.size:
            return NO_OFFSETS, self.weights.times(r)
        theta = np.zeros(self.offsets.size)
        if self.offsets.constant:
            theta[0] = best_constant(Squared(), np.zeros_like(r), r)[0]
        for _ in range(_PASSES):
            rest = r - self.offsets.at_pairs(theta, self.pairs)
            sums = self.offsets.sums(self.weights.times(rest), self.pairs)
            if self.system is None:
                theta = theta + sums / self.weights.total(self.pairs)
            else:
                theta = theta + self.system.solve(sums - self.decay * theta)
        return theta, self.weights.times(r - self.offsets.at_pairs(theta, self.pairs))


def _descend(
    problem: OperatorProblem, products: PairProducts, M: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """M by runs of conjugate gradients from a start, and how many steps they took.

    The recursive residual drifts from the true one: each run starts from the latter, until it
    keeps the tolerance or another run would not halve it.
    """
    left, steps = np.inf, 0
    descent = _Descent(problem, products, tol)
    while True:
        _, c = descent.profile(problem.z - products.at_pairs(M))
        G = products.pull(c) - problem.alpha * M
        last, left = left, problem.energy(G) / problem.pull_scale(M, c)
        if left <= tol or not left < last / 2 or steps >= most:
            return M, steps
        M, more = descent.run(M, c, G, most - steps)
        steps += more


@final
@dataclass(frozen=True, eq=False)
class _Descent:
    """Conjugate gradients in M, with what all their steps share."""

    problem: OperatorProblem
    products: PairProducts
    tol: float

    @cached_property
    def profile(self) -> _Profile:
        """W, and θ."""
        return _Profile.of(self.problem)

    @cached_property
    def preconditioner(self) -> Preconditioner:
        """Of the problem's α."""
        return Preconditioner.of(self.problem)

    @cached_property
    def weight(self) -> np.ndarray:
        """1/√(s_a t_b + α), of a coordinate in ``problem.energy``."""
        return 1 / np.sqrt(self.problem.factors.products + self.problem.alpha)

    def run(self, M: np.ndarray, c: np.ndarray, G: np.ndarray, most: int) -> tuple[np.ndarray, int]:
        """Descend from M, where c = W(z − h) and the gradient is −G, until a recursive G is small.

        And how many steps that took.
        """
        alpha, M, G = self.problem.alpha, M.copy(), G.copy()
        step = self.preconditioner(G)
        size = np.vdot(G, step)
        some = np.empty_like(G)  # in its place: memory takes longer than arithmetic
        for iteration in range(most):
            if self._is_small(M, c, G, some):
                return M, iteration
            _, values = self.profile(self.products.at_pairs(step))
            image = self.products.pull(values)
            image += np.multiply(step, alpha, out=some)
            length = size / np.vdot(step, image)
            M += np.multiply(step, length, out=some)
            G -= np.multiply(image, length, out=some)
            c = c - length * values
            direction = self.preconditioner(G)
            last, size = size, np.vdot(G, direction)
            step *= size / last
            step += direction
        return M, most

    def _is_small(self, M: np.ndarray, c: np.ndarray, G: np.ndarray, some: np.ndarray) -> bool:
        """Whether M keeps half the tolerance, and predicts off the pairs as rounding lets it.

        ``some`` is memory of M's shape.
        """
        problem, products = self.problem, self.problem.factors.products

        def energy(of: np.ndarray) -> float:
            return float(np.linalg.norm(np.multiply(self.weight, of, out=some)))

        if energy(G) > self.tol / 2 * problem.pull_scale(M, c, energy):
            return False
        # The values of G on the whole grid: α times those of what M has, and should not, off the
        # pairs.
        other = np.linalg.norm(np.multiply(np.sqrt(products, out=some), G, out=some))
        rounding = 4 * _EPS * PairWeights.of(problem).mean() * products.max(initial=0.0)
        enough = max(self.tol * problem.alpha, rounding)
        return bool(other <= enough * np.linalg.norm(less_mean(problem, problem.z)))
