"""Solvers for pairs that do not fill their grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, lstsq
from scipy.linalg.lapack import dgejsv

from rkbs._arrays import check_count, check_number, short_repr
from rkbs._groups import Groups
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
_POLISH = 1000
_MARGIN = 1e-3
"""So many steps at most: of iterative refinement, and then of conjugate gradients, which run where
rounding left a residual above so small a part of the tolerance."""


@final
@dataclass(frozen=True)
class Cholesky(Solver):
    """(K + αI) c = αz by dense algebra on the n × n Gram matrix K of the pairs: for few pairs.

    One α takes a Cholesky factor and iterative refinement, O(n³/3). ``setup`` diagonalizes K, for
    any number of α and exact leave-out. Where there are far fewer features than pairs, or α is lost
    in the rounding of K, both take a singular value decomposition of the features instead, which
    does not square their condition; a residual that rounding leaves then goes to conjugate
    gradients. 8n² bytes. SciPy twin: ``scipy.linalg.cho_solve``.

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
        return _refined(problem, lambda q: cho_solve(factor, q), self.tol)

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
        problem, P = self.problem.with_alpha(alpha), self.vectors
        alpha = problem.alpha
        divisor = self.values + alpha
        if self.right is None:
            return _refined(problem, lambda q: P @ ((P.T @ q) / divisor), self.tol)
        rotated = P.T @ problem.z
        seen = slice(len(self.right))
        M = (np.sqrt(self.values) / divisor * rotated)[seen] @ self.right
        M, c = M.reshape(problem.factors.products.shape), P @ (alpha / divisor * rotated)
        return _solution(problem, M, c, self.tol)

    def leave_out_residuals(
        self, alpha: float, leave: Leave = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """z − ẑ with a pair, row or column left out, ((I − H)_BB)⁻¹ (z − h)_B: exact.

        Rows and columns of one of the ``groups`` are left out together.

        I − H = P diag(α/(κ + α)) Pᵀ has quotients of positive numbers for eigenvalues, of which
        none comes out of a difference. With its root D, and v = D Pᵀ z, a block solves the least
        squares problem (P_B D)ᵀ r ≈ v: its normal equations are never formed.
        """
        check_leave(leave)
        alpha = check_number(alpha, "alpha", above=0.0)
        left_over = alpha / (self.values + alpha)
        pairs, groups = self.problem.pairs, groups or Groups.single(self.problem.pairs)
        label = groups.of_pairs(pairs, leave)
        names, sizes = np.unique(label, return_counts=True)
        if sizes.max() == 1:
            P = self.vectors
            return P @ (left_over * (P.T @ self.problem.z)) / ((P * P) @ left_over)
        # Large rows first: then the QR decomposition below keeps the digits of the small ones.
        order = np.argsort(-left_over)
        P, root = self.vectors[:, order], np.sqrt(left_over[order])
        v = root * (P.T @ self.problem.z)
        residuals = np.empty_like(v)
        for block in (np.flatnonzero(label == name) for name in names):
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


def _refined(
    problem: OperatorProblem, inverse: Callable[[np.ndarray], np.ndarray], tol: float
) -> Solution[OperatorPoint]:
    """M = R_Xᵀ C R_Y of the expansion's coefficients C = (K + αI)⁻¹ z, iteratively refined."""
    c, left = np.zeros_like(problem.z), problem.z
    for _ in range(_REFINEMENTS):
        c = c + inverse(left)
        last, left = left, problem.z - problem.values(problem.pull(c)) - problem.alpha * c
        if not np.linalg.norm(left) < np.linalg.norm(last) / 2:
            break
    return _solution(problem, problem.pull(c), problem.alpha * c, tol)


def _solution(
    problem: OperatorProblem, M: np.ndarray, c: np.ndarray, tol: float
) -> Solution[OperatorPoint]:
    stats = {"solver": "Cholesky", "alpha": problem.alpha}
    certificate = problem.certify(M, tol)
    if tol * _MARGIN < certificate.kkt_residual < np.inf:
        M, stats["iterations"] = _descend(problem, M, tol * _MARGIN, _POLISH)
        c, certificate = problem.z - problem.values(M), problem.certify(M, tol)
    return Solution(OperatorPoint(M, c), certificate, stats)


@final
@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """R_Xᵀ S*S(R_X M R_Yᵀ) R_Y + αM = R_Xᵀ S*z R_Y by conjugate gradients, S the choice of pairs.

    In the eigenbases of K_X and K_Y the preconditioner is a diagonal, 1/(ρ_ab s_a t_b + α), with ρ
    the shares of pairs observed as the eigenvectors weigh rows and columns: exact on a complete
    grid. A step costs four products of the domains' sizes, and no Gram matrix of pairs is formed.
    SciPy twin: ``scipy.sparse.linalg.cg``.

    Parameters
    ----------
    tol : float
        Where to stop: the certificate's KKT residual of M, and ‖Kc/α + c − z‖/‖z‖ of the dual
        unknowns c = z − h; of the latter rounding leaves some eps · λ_max/α, which is then enough.
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
        M, iterations = _descend(
            problem, np.zeros_like(problem.pull_at_zero), self.tol, self.max_iter
        )
        stats = {"solver": "ConjugateGradient", "iterations": iterations}
        c = problem.z - problem.values(M)
        return Solution(OperatorPoint(M, c), problem.certify(M, self.tol), stats)


def _descend(
    problem: OperatorProblem, M: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """Runs of conjugate gradients from M to the tolerance, and how many steps they took.

    The recursive residual drifts from the true one: each run starts from the latter, until it
    keeps the tolerance or another run would not halve it.
    """
    left, steps = np.inf, 0
    while True:
        G = problem.gradient(M, problem.values(M))
        last, left = left, problem.energy(G) / problem.energy_scale
        if left <= tol or not left < last / 2 or steps >= most:
            return M, steps
        M, more = _run(problem, M, G, tol, most - steps)
        steps += more


def _run(
    problem: OperatorProblem, M: np.ndarray, G: np.ndarray, tol: float, most: int
) -> tuple[np.ndarray, int]:
    """Descend from M with the gradient G until the recursive residual is small."""
    inverse = 1 / (_shares(problem) * problem.factors.products + problem.alpha)
    scale, residual = problem.energy_scale, -G
    step = direction = inverse * residual
    size = np.vdot(residual, direction)
    for iteration in range(most):
        if _is_small(problem, residual, scale, tol):
            return M, iteration
        image = problem.pull(problem.values(step)) + problem.alpha * step
        length = size / np.vdot(step, image)
        M, residual = M + length * step, residual - length * image
        direction = inverse * residual
        last, size = size, np.vdot(residual, direction)
        step = direction + size / last * step
    return M, most


def _is_small(problem: OperatorProblem, residual: np.ndarray, scale: float, tol: float) -> bool:
    """Whether M keeps half the tolerance, and c as well, or as near as its rounding lets it."""
    if problem.energy(residual) > tol / 2 * scale:
        return False
    products = problem.factors.products
    # ‖h(residual)‖, from above: no more than on the complete grid.
    dual = np.linalg.norm(np.sqrt(products) * residual)
    enough = max(tol * problem.alpha, 4 * _EPS * products.max(initial=0.0))
    return bool(dual <= enough * np.linalg.norm(problem.z))


def _shares(problem: OperatorProblem) -> np.ndarray:
    """ρ_ab = (Σ_i U_ia² n_i) (Σ_j V_jb² m_j) / n for n_i pairs in row i and m_j in column j."""
    factors, pairs = problem.factors, problem.pairs
    rows, columns = np.bincount(pairs.i), np.bincount(pairs.j)
    return np.multiply.outer(
        rows @ factors.x.vectors**2, columns @ factors.y.vectors**2 / len(pairs)
    )
