"""Ridge on some pairs in the coefficients a = c/α of its expansion, without preconditioner."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._pair_products import PairProducts

Gram = Callable[[np.ndarray], np.ndarray]


def by_factors(products: PairProducts) -> Gram:
    """a ↦ Ka, K the Gram matrix of the pairs, by way of M: its rounding is that of h."""
    return lambda a: products.at_pairs(products.pull(a))


def left_by(problem: OperatorProblem, gram: Gram, a: np.ndarray) -> float:
    """‖z − (K + αI) a‖, where z and the product count less their means if there is a constant."""
    return float(np.linalg.norm(problem.feasible(problem.z) - _system(problem, gram, a)))


def solve_expansion(
    problem: OperatorProblem, gram: Gram, start: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """(K + αI)⁻¹ z by conjugate gradients, and how many steps they took."""
    steps = 0

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1

    shape, z = (len(problem.z),) * 2, problem.feasible(problem.z)
    K = LinearOperator(shape, matvec=lambda a: _system(problem, gram, a), dtype=float)
    return cg(K, z, problem.feasible(start), rtol=tol / 10, maxiter=most, callback=count)[0], steps


def point_of(problem: OperatorProblem, products: PairProducts, a: np.ndarray) -> OperatorPoint:
    """M, c and θ of the coefficients a."""
    M, c = products.pull(a), problem.alpha * a
    if not problem.offsets.size:
        return OperatorPoint(M, c)
    theta = _effects(problem, c)
    if problem.offsets.constant:
        theta[0] = (problem.z - problem.fitted(M, theta) - c).mean()
    return OperatorPoint(M, c, problem.offsets.centered(theta, problem.pairs))


def _system(problem: OperatorProblem, gram: Gram, a: np.ndarray) -> np.ndarray:
    """(K + (α/α_e) E_e E_eᵀ + αI) a with the effects as a kernel; less its mean, if of sum 0."""
    image = gram(a) + problem.alpha * a
    if problem.offsets.size:
        effects = _effects(problem, problem.alpha * a)
        image += problem.offsets.at_pairs(effects, problem.pairs)
    return problem.feasible(image)


def _effects(problem: OperatorProblem, c: np.ndarray) -> np.ndarray:
    """θ with the effects E_eᵀc/α_e, and the constant 0."""
    decay = problem.offsets.decay(problem.alpha)
    sums = problem.offsets.sums(c, problem.pairs)
    return np.divide(sums, decay, out=np.zeros_like(sums), where=decay > 0)
