"""Ridge regression on pairs that do not fill their grid, without their Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from rkbs._arrays import check_count, short_repr
from rkbs.data.pairs import Pairs
from rkbs.problems.gram import NO_OFFSETS, OperatorPoint
from rkbs.problems.offsets import Offsets, best_constant
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solution, State
from rkbs.solvers.operators._offset_system import OffsetSystem
from rkbs.solvers.operators.base import RidgeSolution, RidgeSolver
from rkbs.terms.residual_losses import Squared

_EPS = np.finfo(float).eps
_PASSES = 2
"""The second solves for what rounding left of the first."""
_AFTER = 10
"""A tenth of the steps, and ten, may mend the coefficients of the expansion."""
_HIDDEN = 1e-10
"""For α below this part of λ_max preconditioned steps cannot see α where there are no pairs."""


@final
@dataclass(frozen=True)
class ConjugateGradient(RidgeSolver["_ConjugateGradientState"]):
    """R_Xᵀ S*WS(R_X M R_Yᵀ) R_Y + αM = R_Xᵀ S*Wz R_Y by conjugate gradients, S the choice of pairs.

    W = I without offsets; else r − Wr = Eθ are the best offsets of the residuals r.

    In the eigenbases of K_X and K_Y the preconditioner is a diagonal, 1/(ρ_ab s_a t_b + α), with ρ
    the shares of pairs observed as the eigenvectors weigh rows and columns: exact on a complete
    grid. A step costs four products of the domains' sizes, and no Gram matrix of pairs is formed.
    With fewer pairs than coordinates and α near rounding it is (K + αI) a = z that is solved,
    without preconditioner. SciPy twin: ``scipy.sparse.linalg.cg``.

    Setup decomposes the Gram matrices. Along a path each α starts from the last M.

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
        return _ConjugateGradientState(problem, self)

    def _from(self, problem: OperatorProblem, start: np.ndarray) -> RidgeSolution:
        products, iterations = problem.factors.products, 0
        # With fewer pairs than coordinates α alone decides what M does off the pairs. A fit may be
        # so close that rounding hides z − h, and α with it: then a = c/α is sought itself.
        underdetermined = len(problem.z) < products.size
        if not underdetermined or problem.alpha > _HIDDEN * products.max():
            M, iterations = _descend(problem, start, self.tol, self.max_iter)
            theta, c = _Profile.of(problem)(problem.z - problem.at_pairs(M))
            solution = self._solution(problem, OperatorPoint(M, c, theta), iterations)
            if solution.certificate.passed:
                return self._expanded(problem, solution)
            if not underdetermined or iterations >= self.max_iter:
                return solution
        a, more = _by_pairs(problem, np.zeros_like(problem.z), self.tol, self.max_iter - iterations)
        return self._solution(problem, _point_of(problem, a), iterations + more)

    def _expanded(self, problem: OperatorProblem, solution: RidgeSolution) -> RidgeSolution:
        """The solution, its c mended where the expansion a = c/α can be better than c = z − h.

        z − h has the absolute rounding of h; K a that of λ_max ‖a‖, less where h is close to z.
        """
        (M, c, theta), used = solution.value, solution.stats["iterations"]
        z = problem.feasible(problem.z)
        a, enough = c / problem.alpha, self.tol * np.linalg.norm(z)
        rounding = _EPS * problem.factors.products.max(initial=0.0) * np.linalg.norm(a)
        if rounding > enough or np.linalg.norm(z - _system(problem, a)) <= enough:
            return solution
        most = min(self.max_iter - used, used // _AFTER + _AFTER)
        a, more = _by_pairs(problem, a, self.tol, most)
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

    __repr__ = short_repr

    def _solve(
        self, problem: OperatorProblem, last: np.ndarray | None
    ) -> tuple[RidgeSolution, np.ndarray]:
        start = np.zeros_like(problem.factors.products) if last is None else last
        solution = self.solver._from(problem, start)
        return solution, solution.value.M


@final
@dataclass(frozen=True, eq=False)
class _Profile:
    """θ = (EᵀE + D)⁻¹Eᵀr, the best offsets of residuals r, and what they leave, W r = r − Eθ.

    With M alone unknown the problem is ½ rᵀWr + (α/2) ‖M‖², r = z − R_X M R_Yᵀ, and c = W r.
    """

    offsets: Offsets
    pairs: Pairs
    decay: np.ndarray
    system: OffsetSystem | None

    @classmethod
    def of(cls, problem: OperatorProblem) -> _Profile:
        offsets, pairs, decay = (
            problem.offsets,
            problem.pairs,
            problem.offsets.decay(problem.alpha),
        )
        if offsets.size <= int(offsets.constant):
            return cls(offsets, pairs, decay, None)
        system = OffsetSystem.of(offsets, pairs, offsets.gram(pairs), problem.alpha)
        return cls(offsets, pairs, decay, system)

    def __call__(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """θ and W r."""
        if not self.offsets.size:
            return NO_OFFSETS, r
        theta = np.zeros(self.offsets.size)
        if self.offsets.constant:
            theta[0] = best_constant(Squared(), np.zeros_like(r), r)[0]
        for _ in range(_PASSES):
            rest = r - self.offsets.at_pairs(theta, self.pairs)
            sums = self.offsets.sums(rest, self.pairs)
            if self.system is None:
                theta = theta + sums / len(r)
            else:
                theta = theta + self.system.solve(sums - self.decay * theta)
        return theta, r - self.offsets.at_pairs(theta, self.pairs)


def _system(problem: OperatorProblem, a: np.ndarray) -> np.ndarray:
    """(K + (α/α_e) E_e E_eᵀ + αI) a with the effects as a kernel; less its mean, if of sum 0."""
    image = problem.at_pairs(problem.pull(a)) + problem.alpha * a
    if problem.offsets.size:
        effects = _effects(problem, problem.alpha * a)
        image += problem.offsets.at_pairs(effects, problem.pairs)
    return problem.feasible(image)


def _effects(problem: OperatorProblem, c: np.ndarray) -> np.ndarray:
    """θ with the effects E_eᵀc/α_e, and the constant 0."""
    decay = problem.offsets.decay(problem.alpha)
    sums = problem.offsets.sums(c, problem.pairs)
    return np.divide(sums, decay, out=np.zeros_like(sums), where=decay > 0)


def _point_of(problem: OperatorProblem, a: np.ndarray) -> OperatorPoint:
    """M, c and θ of the coefficients a = c/α."""
    M, c = problem.pull(a), problem.alpha * a
    if not problem.offsets.size:
        return OperatorPoint(M, c)
    theta = _effects(problem, c)
    if problem.offsets.constant:
        theta[0] = (problem.z - problem.fitted(M, theta) - c).mean()
    return OperatorPoint(M, c, problem.offsets.centered(theta, problem.pairs))


def _by_pairs(
    problem: OperatorProblem, start: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """(K + αI)⁻¹ z by conjugate gradients without preconditioner, and how many steps they took."""
    steps = 0

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1

    shape, z = (len(problem.z),) * 2, problem.feasible(problem.z)
    K = LinearOperator(shape, matvec=lambda a: _system(problem, a), dtype=float)
    return cg(K, z, problem.feasible(start), rtol=tol / 10, maxiter=most, callback=count)[0], steps


def _descend(
    problem: OperatorProblem, M: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """M by runs of conjugate gradients from a start, and how many steps they took.

    The recursive residual drifts from the true one: each run starts from the latter, until it
    keeps the tolerance or another run would not halve it.
    """
    left, steps = np.inf, 0
    profile = _Profile.of(problem)
    while True:
        _, c = profile(problem.z - problem.at_pairs(M))
        G = problem.pull(c) - problem.alpha * M
        last, left = left, problem.energy(G) / problem.pull_scale(M, c)
        if left <= tol or not left < last / 2 or steps >= most:
            return M, steps
        M, more = _run(problem, profile, OperatorPoint(M, c), G, tol, most - steps)
        steps += more


def _run(
    problem: OperatorProblem,
    profile: _Profile,
    start: OperatorPoint,
    G: np.ndarray,
    tol: float,
    most: int,
) -> tuple[np.ndarray, int]:
    """Descend from M, where c = z − h and the gradient is −G, until the recursive G is small."""
    M, c, _ = start
    inverse = 1 / (_shares(problem) * problem.factors.products + problem.alpha)
    step = direction = inverse * G
    size = np.vdot(G, direction)
    for iteration in range(most):
        if _is_small(problem, M, c, G, tol):
            return M, iteration
        _, values = profile(problem.at_pairs(step))
        image = problem.pull(values) + problem.alpha * step
        length = size / np.vdot(step, image)
        M, c, G = M + length * step, c - length * values, G - length * image
        direction = inverse * G
        last, size = size, np.vdot(G, direction)
        step = direction + size / last * step
    return M, most


def _is_small(
    problem: OperatorProblem, M: np.ndarray, c: np.ndarray, G: np.ndarray, tol: float
) -> bool:
    """Whether M keeps half the tolerance, and predicts as well off the pairs as rounding lets."""
    if problem.energy(G) > tol / 2 * problem.pull_scale(M, c):
        return False
    products = problem.factors.products
    # The values of G on the whole grid: α times those of what M has, and should not, off the pairs.
    other = np.linalg.norm(np.sqrt(products) * G)
    enough = max(tol * problem.alpha, 4 * _EPS * products.max(initial=0.0))
    return bool(other <= enough * np.linalg.norm(problem.feasible(problem.z)))


def _shares(problem: OperatorProblem) -> np.ndarray:
    """ρ_ab = (Σ_i U_ia² n_i) (Σ_j V_jb² m_j) / n for n_i pairs in row i and m_j in column j."""
    factors, pairs = problem.factors, problem.pairs
    rows = np.bincount(pairs.i, minlength=len(pairs.X))
    columns = np.bincount(pairs.j, minlength=len(pairs.Y))
    return np.multiply.outer(
        rows @ factors.x.eigenvectors**2, columns @ factors.y.eigenvectors**2 / len(pairs)
    )
