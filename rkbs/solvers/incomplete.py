"""Solvers for pairs that do not fill their grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, lstsq
from scipy.linalg.lapack import dgejsv
from scipy.sparse.linalg import LinearOperator, cg

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.problems import OperatorPoint, OperatorProblem
from rkbs.solvers.base import Leave, Solution, Solver, check_leave, check_squared

_EPS = np.finfo(float).eps
_MAX_DENSE = 20_000
"""So many pairs have a Gram matrix of 3.2 GB."""
_MAX_ENTRIES = 25_000_000
"""So many entries of the matrix of features are formed where only they keep the digits."""
_QUICK = 50_000_000
"""So many operations make speed no matter."""
_REFINEMENTS = 10
_HIDDEN = 1e-10


@final
@dataclass(frozen=True)
class Cholesky(Solver):
    """(K + αI) c = αz by dense algebra on the n × n Gram matrix K of the pairs: for few pairs.

    One α takes a Cholesky factor, O(n³/3). ``setup`` diagonalizes K, for any number of α and exact
    leave-out. Where there are far fewer features than pairs, or α is lost in the rounding of K,
    both take a singular value decomposition of the features instead, which does not square their
    condition. All are refined iteratively. 8n² bytes. SciPy twin: ``scipy.linalg.cho_solve``.

    Parameters
    ----------
    tol : float
        Tolerance of the KKT residual in the certificate.
    """

    tol: float = 1e-8
    handles: ClassVar[type] = OperatorProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)

    def _solve(self, problem: OperatorProblem) -> Solution[OperatorPoint]:
        self._check_pairs(problem)
        if _needs_features(problem):
            return self.setup(problem).solve(problem.alpha)
        system = _gram(problem)
        system[np.diag_indices(len(system))] += problem.alpha
        try:
            factor = cho_factor(system, overwrite_a=True)
        except LinAlgError:  # more features than fit into memory, and α below the rounding of K
            return self.setup(problem).solve(problem.alpha)
        return _refined(problem, _by(problem, lambda q: cho_solve(factor, q)), self.tol)

    def setup(self, problem: OperatorProblem) -> DenseState:
        """Diagonalize once for all α; the problem's own α should be the least of them."""
        self._check_pairs(problem)
        n = len(problem.z)
        if not _needs_features(problem):
            values, vectors = eigh(_gram(problem), overwrite_a=True, driver="evd")
            return DenseState(problem, np.maximum(values, 0.0), vectors, None, self.tol)
        vectors, sigma, right = _decomposed(problem)
        values = np.zeros(n)
        values[: len(sigma)] = sigma**2
        return DenseState(problem, values, vectors, right, self.tol)

    def _check_pairs(self, problem: OperatorProblem) -> None:
        check_squared(problem, self)
        if len(problem.z) > _MAX_DENSE:
            raise ValueError(
                f"Cholesky forms an n × n matrix and takes at most {_MAX_DENSE} pairs, got "
                f"{len(problem.z)}: use ConjugateGradient(), with GridSearchCV to choose alpha"
            )


@final
@dataclass(frozen=True, eq=False)
class DenseState:
    """K = P diag(κ) Pᵀ, the Gram matrix of the pairs: the dense twin of ``SpectralState``.

    Attributes
    ----------
    values, vectors : arrays of shape (n,), (n, n)
        κ and P.
    right : array of shape (r, r_x r_y), or None
        Where the features were decomposed, their right singular vectors.
    """

    problem: OperatorProblem
    values: np.ndarray
    vectors: np.ndarray
    right: np.ndarray | None
    tol: float

    __repr__ = short_repr

    def solve(self, alpha: float) -> Solution[OperatorPoint]:
        """The certified solution for one α."""
        problem, P, right = self.problem.with_alpha(alpha), self.vectors, self.right
        divisor = self.values + alpha
        if right is None:
            return _refined(problem, _by(problem, lambda q: P @ ((P.T @ q) / divisor)), self.tol)
        shape, seen = problem.factors.products.shape, slice(len(right))
        to_M = (np.sqrt(self.values) / divisor)[seen]

        def correct(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rotated = P.T @ q
            return ((to_M * rotated[seen]) @ right).reshape(shape), P @ (alpha / divisor * rotated)

        return _refined(problem, correct, self.tol)

    def leave_out_residuals(self, alpha: float, leave: Leave = "pair") -> np.ndarray:
        """z − ẑ with a pair, row or column left out, ((I − H)_BB)⁻¹ (z − h)_B: exact.

        I − H = P diag(α/(κ + α)) Pᵀ has quotients of positive numbers for eigenvalues, of which
        none comes out of a difference. With its root D, and v = D Pᵀ z, a block solves the least
        squares problem (P_B D)ᵀ r ≈ v: its normal equations are never formed.
        """
        check_leave(leave)
        alpha = check_number(alpha, "alpha", above=0.0)
        left_over = alpha / (self.values + alpha)
        if leave == "pair":
            P = self.vectors
            return P @ (left_over * (P.T @ self.problem.z)) / ((P * P) @ left_over)
        # Large rows first: then the QR decomposition below keeps the digits of the small ones.
        order = np.argsort(-left_over)
        P, root = self.vectors[:, order], np.sqrt(left_over[order])
        v = root * (P.T @ self.problem.z)
        label = self.problem.pairs.i if leave == "row" else self.problem.pairs.j
        residuals = np.empty_like(v)
        for block in (np.flatnonzero(label == k) for k in np.unique(label)):
            part = (P[block] * root).T
            residuals[block] = lstsq(part, v, cond=_EPS, lapack_driver="gelsy")[0]
        return residuals


def _needs_features(problem: OperatorProblem) -> bool:
    """Whether features are decomposed: there are few, or the Gram matrix would not show α."""
    n, products = len(problem.z), problem.factors.products
    if products.size * n * min(products.size, n) <= _QUICK or 8 * products.size <= n:
        return products.size > 0
    rounding = 1e3 * n * _EPS * products.max()
    return problem.alpha < rounding and products.size * n <= _MAX_ENTRIES


def _decomposed(problem: OperatorProblem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, (n, n), σ and Wᵀ with G = P diag(σ) Wᵀ, whose rows are R_X[i_n] ⊗ R_Y[j_n]: h = G vec(M).

    By Jacobi rotations, which keep the digits of small σ where columns of G differ in scale, as
    √(s_a t_b) do by many orders of magnitude (Drmač & Veselić 2008).
    """
    left, right = problem.factors.left[problem.pairs.i], problem.factors.right[problem.pairs.j]
    G = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    tall = len(G) >= len(G.T)  # then all n left vectors: the others are what no M can fit
    sizes, U, V, scale, *_ = dgejsv(G if tall else G.T, joba=2, jobu=int(tall), jobv=0, jobr=0)
    sigma = sizes * (scale[0] / scale[1])
    P, W = (U, V) if tall else (V, U)
    rounding = (
        max(G.shape)
        * _EPS
        * np.linalg.norm(np.sqrt(problem.factors.products).reshape(-1, 1) * W, axis=0)
    )
    return P, np.where(sigma > rounding, sigma, 0.0), W.T


def _gram(problem: OperatorProblem) -> np.ndarray:
    """K_nm = k_X(x_{i_n}, x_{i_m}) k_Y(y_{j_n}, y_{j_m}), (n, n), in float64."""
    i, j = problem.pairs.i, problem.pairs.j
    gram = problem.gram_x[np.ix_(i, i)].astype(float, copy=False)
    gram *= problem.gram_y[np.ix_(j, j)]
    return gram


_Correction = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""q ↦ M and c with αM = R_Xᵀ C R_Y, and h(M) + c near q."""


def _by(problem: OperatorProblem, inverse: Callable[[np.ndarray], np.ndarray]) -> _Correction:
    """M = R_Xᵀ A R_Y and c = αa, of a = (K + αI)⁻¹ q."""

    def correct(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = inverse(q)
        return problem.pull(a), problem.alpha * a

    return correct


def _refined(problem: OperatorProblem, correct: _Correction, tol: float) -> Solution[OperatorPoint]:
    """The sum of corrections, each to what the sum before leaves of z, until they gain nothing."""
    M, c = np.zeros_like(problem.pull_at_zero), np.zeros_like(problem.z)
    left = problem.z
    for _ in range(_REFINEMENTS):
        more_M, more_c = correct(left)
        M, c, last = M + more_M, c + more_c, left
        left = problem.z - problem.values(M) - c
        if not np.linalg.norm(left) < np.linalg.norm(last) / 2:
            break
    stats = {"solver": "Cholesky", "alpha": problem.alpha}
    return Solution(OperatorPoint(M, c), problem.certify(M, c, tol), stats)


@final
@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """R_Xᵀ S*S(R_X M R_Yᵀ) R_Y + αM = R_Xᵀ S*z R_Y by conjugate gradients, S the choice of pairs.

    In the eigenbases of K_X and K_Y the preconditioner is a diagonal, 1/(ρ_ab s_a t_b + α), with ρ
    the shares of pairs observed as the eigenvectors weigh rows and columns: exact on a complete
    grid. A step costs four products of the domains' sizes, and no Gram matrix of pairs is formed.
    With fewer pairs than coordinates and α near rounding it is (K + αI) a = z that is solved,
    without preconditioner. SciPy twin: ``scipy.sparse.linalg.cg``.

    Parameters
    ----------
    tol : float
        Where to stop: the certificate's KKT residual of M and c = z − h, and ‖Kc/α + c − z‖/‖z‖, so
        that predictions at other pairs are as good; rounding leaves some eps · λ_max/α of the
        latter, which is then enough.
    max_iter : int
    """

    tol: float = 1e-10
    max_iter: int = 5000
    handles: ClassVar[type] = OperatorProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")

    def _solve(self, problem: OperatorProblem) -> Solution[OperatorPoint]:
        check_squared(problem, self)
        products, iterations = problem.factors.products, 0
        # With fewer pairs than coordinates α alone decides what M does off the pairs. A fit may be
        # so close that rounding hides z − h, and α with it: then a = c/α is sought itself.
        underdetermined = len(problem.z) < products.size
        if not underdetermined or problem.alpha > _HIDDEN * products.max():
            M, iterations = _descend(problem, self.tol, self.max_iter)
            c = problem.z - problem.values(M)
            solution = self._solution(problem, M, c, iterations)
            if solution.certificate.passed or not underdetermined or iterations >= self.max_iter:
                return solution
        a, more = _by_pairs(problem, self.tol, self.max_iter - iterations)
        return self._solution(problem, problem.pull(a), problem.alpha * a, iterations + more)

    def _solution(
        self, problem: OperatorProblem, M: np.ndarray, c: np.ndarray, iterations: int
    ) -> Solution[OperatorPoint]:
        stats = {"solver": "ConjugateGradient", "iterations": iterations}
        return Solution(OperatorPoint(M, c), problem.certify(M, c, self.tol), stats)


def _by_pairs(problem: OperatorProblem, tol: float, most: int) -> tuple[np.ndarray, int]:
    """(K + αI)⁻¹ z by conjugate gradients without preconditioner, and how many steps they took."""
    steps = 0

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1

    def system(a: np.ndarray) -> np.ndarray:
        return problem.values(problem.pull(a)) + problem.alpha * a

    K = LinearOperator((len(problem.z),) * 2, matvec=system, dtype=float)
    return cg(K, problem.z, rtol=tol / 10, maxiter=most, callback=count)[0], steps


def _descend(problem: OperatorProblem, tol: float, most: int) -> tuple[np.ndarray, int]:
    """M by runs of conjugate gradients, and how many steps they took.

    The recursive residual drifts from the true one: each run starts from the latter, until it
    keeps the tolerance or another run would not halve it.
    """
    M, left, steps = np.zeros_like(problem.pull_at_zero), np.inf, 0
    while True:
        c = problem.z - problem.values(M)
        G = problem.pull(c) - problem.alpha * M
        last, left = left, problem.energy(G) / problem.pull_scale(M, c)
        if left <= tol or not left < last / 2 or steps >= most:
            return M, steps
        M, more = _run(problem, M, c, G, tol, most - steps)
        steps += more


def _run(
    problem: OperatorProblem, M: np.ndarray, c: np.ndarray, G: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """Descend from M, where c = z − h and the gradient is −G, until the recursive G is small."""
    inverse = 1 / (_shares(problem) * problem.factors.products + problem.alpha)
    step = direction = inverse * G
    size = np.vdot(G, direction)
    for iteration in range(most):
        if _is_small(problem, M, c, G, tol):
            return M, iteration
        values = problem.values(step)
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
    return bool(other <= enough * np.linalg.norm(problem.z))


def _shares(problem: OperatorProblem) -> np.ndarray:
    """ρ_ab = (Σ_i U_ia² n_i) (Σ_j V_jb² m_j) / n for n_i pairs in row i and m_j in column j."""
    factors, pairs = problem.factors, problem.pairs
    rows, columns = np.bincount(pairs.i), np.bincount(pairs.j)
    return np.multiply.outer(
        rows @ factors.x.vectors**2, columns @ factors.y.vectors**2 / len(pairs)
    )
