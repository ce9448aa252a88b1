"""Ridge on some pairs in the coefficients a = c/α of its expansion."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.pairwise import PairwiseProblem
from rkbs.solvers.operators._pair_products import PairProducts, SumProducts
from rkbs.solvers.operators._pair_weights import PairWeights, less_mean

Gram = Callable[[np.ndarray], np.ndarray]
RidgeProblem = OperatorProblem | PairwiseProblem
Products = PairProducts | SumProducts


def left_by(problem: RidgeProblem, gram: Gram, a: np.ndarray) -> float:
    """‖z − (K + αW⁻¹) a‖, where z and the product count less their means if there is a constant."""
    return float(np.linalg.norm(less_mean(problem, problem.z) - _system(problem, gram, a)))


def solve_expansion(
    problem: RidgeProblem, gram: Gram, start: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """(K + αW⁻¹)⁻¹ z by conjugate gradients, and how many steps they took."""
    return _conjugate_gradients(problem, gram, problem.z, start, None, tol / 10, most)


def expand(
    problem: RidgeProblem,
    products: Products,
    start: np.ndarray,
    inverse: Gram,
    tol: float,
    most: int,
) -> Iterator[tuple[OperatorPoint, int]]:
    """M, c and θ from coefficients a on, after each run of preconditioned conjugate gradients.

    And the steps so far. K a has the rounding of λ_max ‖a‖, which what is added to M has not: each
    run is for what M and c leave of z, until another would not halve that. Whoever iterates says
    when it is enough: the first run is not measured here, as the certificate does so.
    """
    gram, steps, last = products.cheapest_gram, 0, np.inf
    enough = tol / 2 * np.linalg.norm(less_mean(problem, problem.z))
    a = less_mean(problem, start)
    M = products.pull(a) if a.any() else np.zeros(products.shape)
    while steps < most:
        rest = _left_of(problem, products, M, a)
        left = float(np.linalg.norm(rest))
        if not left < last / 2:
            return
        if left:
            rtol, zero = float(enough) / left, np.zeros_like(a)
            more, used = _conjugate_gradients(
                problem, gram, rest, zero, inverse, rtol, most - steps
            )
            M = M + products.pull(more) if M.any() else products.pull(more)
            a, steps = a + more, steps + used
        yield _with_offsets(problem, M, problem.alpha * a), steps
        last = left


def point_of(problem: RidgeProblem, products: Products, a: np.ndarray) -> OperatorPoint:
    """M, c and θ of the coefficients a."""
    return _with_offsets(problem, products.pull(a), problem.alpha * a)


def _with_offsets(problem: RidgeProblem, M: np.ndarray, c: np.ndarray) -> OperatorPoint:
    """M and c with the θ that c has."""
    if not problem.offsets.size:
        return OperatorPoint(M, c)
    theta = _effects(problem, c)
    if problem.offsets.constant:
        left = PairWeights.of(problem).over(c)
        theta[0] = (problem.z - problem.fitted(M, theta) - left).mean()
    return OperatorPoint(M, c, problem.offsets.centered(theta, problem.pairs))


def _left_of(problem: RidgeProblem, products: Products, M: np.ndarray, a: np.ndarray) -> np.ndarray:
    """z − h − W⁻¹c with the effects that c has, less its mean if there is a constant."""
    rest = problem.z - products.at_pairs(M) if M.any() else problem.z.copy()
    if a.any():
        rest -= _beside(problem, a)
    return less_mean(problem, rest)


def _conjugate_gradients(
    problem: RidgeProblem,
    gram: Gram,
    right: np.ndarray,
    start: np.ndarray,
    inverse: Gram | None,
    rtol: float,
    most: int,
) -> tuple[np.ndarray, int]:
    """(K + αW⁻¹)⁻¹ right, and how many steps it took."""
    steps = 0

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1

    shape, right = (len(right),) * 2, less_mean(problem, right)
    K = LinearOperator(shape, matvec=lambda a: _system(problem, gram, a), dtype=float)
    P = None if inverse is None else LinearOperator(shape, matvec=inverse, dtype=float)
    start = less_mean(problem, start)
    a = cg(K, right, start, rtol=rtol, maxiter=most, M=P, callback=count)[0]
    return a, steps


def _system(problem: RidgeProblem, gram: Gram, a: np.ndarray) -> np.ndarray:
    """(K + (α/α_e) E_e E_eᵀ + αW⁻¹) a with the effects as a kernel; less its mean, if of sum 0."""
    return less_mean(problem, gram(a) + _beside(problem, a))


def _beside(problem: RidgeProblem, a: np.ndarray) -> np.ndarray:
    """((α/α_e) E_e E_eᵀ + αW⁻¹) a."""
    c = problem.alpha * a
    left = PairWeights.of(problem).over(c)
    if not problem.offsets.size:
        return left
    return left + problem.offsets.at_pairs(_effects(problem, c), problem.pairs)


def _effects(problem: RidgeProblem, c: np.ndarray) -> np.ndarray:
    """θ with the effects E_eᵀc/α_e, and the constant 0."""
    decay = problem.offsets.decay(problem.alpha)
    sums = problem.offsets.sums(c, problem.pairs)
    return np.divide(sums, decay, out=np.zeros_like(sums), where=decay > 0)
