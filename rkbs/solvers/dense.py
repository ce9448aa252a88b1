"""Ridge regression on few pairs, by dense algebra on their Gram matrix or their features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, lstsq
from scipy.linalg.lapack import dgejsv

from rkbs._arrays import check_number, short_repr
from rkbs._groups import Groups
from rkbs.problems import OperatorPoint, OperatorProblem
from rkbs.solvers.base import Leave, RidgeSolver, Solution, check_leave

_EPS = np.finfo(float).eps
_MAX_DENSE = 20_000
"""So many pairs have a Gram matrix of 3.2 GB."""
_MAX_ENTRIES = 25_000_000
"""So many entries of the matrix of features are formed where only they keep the digits."""
_QUICK = 50_000_000
"""So many operations make speed no matter."""
_REFINEMENTS = 10


@final
@dataclass(frozen=True)
class Cholesky(RidgeSolver):
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
        self._check(problem)
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
        divisor = self.values + problem.alpha
        if right is None:
            return _refined(problem, _by(problem, lambda q: P @ ((P.T @ q) / divisor)), self.tol)
        shape, seen = problem.factors.products.shape, slice(len(right))
        to_M = (np.sqrt(self.values) / divisor)[seen]

        def correct(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rotated = P.T @ q
            return ((to_M * rotated[seen]) @ right).reshape(shape), P @ (
                problem.alpha / divisor * rotated
            )

        return _refined(problem, correct, self.tol)

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
    M, c = np.zeros_like(problem.factors.products), np.zeros_like(problem.z)
    left, size = problem.z, np.linalg.norm(problem.z)
    for _ in range(_REFINEMENTS):
        more_M, more_c = correct(left)
        rest = problem.z - problem.values(M + more_M) - (c + more_c)
        last, size = size, np.linalg.norm(rest)
        if not size <= last:
            break
        M, c, left = M + more_M, c + more_c, rest
        if size > last / 2:
            break
    stats = {"solver": "Cholesky", "alpha": problem.alpha}
    return Solution(OperatorPoint(M, c), problem.certify(M, c, tol), stats)
