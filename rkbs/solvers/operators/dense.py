"""Ridge regression on few pairs, by dense algebra on their Gram matrix or their features."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, lstsq
from scipy.linalg.lapack import dgejsv

from rkbs._arrays import short_repr
from rkbs.data._groups import Groups
from rkbs.problems.gram import NO_OFFSETS, OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Leave, RidgeSolution, RidgeSolver, Solution, State, check_leave
from rkbs.solvers.operators._offset_system import OffsetSystem, tie_rows

_EPS = np.finfo(float).eps
_MAX_DENSE = 20_000
"""So many pairs have a Gram matrix of 3.2 GB."""
_MAX_ENTRIES = 25_000_000
"""So many entries of the matrix of features are formed where only they keep the digits."""
_QUICK = 50_000_000
"""So many operations make speed no matter."""


@final
@dataclass(frozen=True)
class Cholesky(RidgeSolver["DenseState"]):
    """(K + αI) c = αz by dense algebra on the n × n Gram matrix K of the pairs: for few pairs.

    ``state.solve`` takes a Cholesky factor, O(n³/3). A path, and exact leave-out, diagonalize K
    once for any number of α, which costs as much as some nine factors. Where there are far fewer
    features than pairs, or α is lost in the rounding of K, all take a singular value decomposition
    of the features instead, once, which does not square their condition. All are refined
    iteratively. 8n² bytes. SciPy twin: ``scipy.linalg.cho_solve``.

    Setup decomposes the Gram matrices of the domains. Along a path no α starts from another.

    Parameters
    ----------
    tol : float
        Tolerance of the KKT residual in the certificate.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Cholesky, OperatorProblem, Pairs
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> seen = x > y.T  # some of the pairs
    >>> pairs, z = Pairs.from_mask(x, y, seen), (x - y.T)[seen]
    >>> state = Cholesky().setup(OperatorProblem(RBF()(x, x), RBF()(y, y), pairs, z, alpha=0.1))
    >>> state.solve(0.1).certificate.passed, state.leave_out_residuals(0.1).shape
    (True, (9,))
    """

    tol: float = 1e-8

    def _setup(self, problem: OperatorProblem) -> DenseState:
        _ = problem.factors, problem.without_operator  # for all α, before with_alpha copies them
        return DenseState(problem, self.tol)

    def _check(self, problem: OperatorProblem) -> None:
        super()._check(problem)
        if len(problem.z) > _MAX_DENSE:
            raise ValueError(
                f"Cholesky forms an n × n matrix and takes at most {_MAX_DENSE} pairs, got "
                f"{len(problem.z)}: use ConjugateGradient(), with GridSearchCV to choose alpha"
            )


class _Diagonal(NamedTuple):
    """K = P diag(κ) Pᵀ; where features were decomposed, with their right singular vectors."""

    values: np.ndarray
    vectors: np.ndarray
    right: np.ndarray | None


@final
@dataclass(frozen=True, eq=False)
class DenseState(State[RidgeSolution]):
    """The Gram matrix K of the pairs, diagonalized when needed: the twin of ``SpectralState``.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Cholesky, OperatorProblem, Pairs
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> seen = x > y.T  # some of the pairs
    >>> pairs, z = Pairs.from_mask(x, y, seen), (x - y.T)[seen]
    >>> state = Cholesky().setup(OperatorProblem(RBF()(x, x), RBF()(y, y), pairs, z, alpha=0.1))
    >>> errors = [np.linalg.norm(state.leave_out_residuals(alpha)) for alpha in (0.01, 1.0)]
    >>> bool(errors[0] < errors[1])
    True
    """

    problem: OperatorProblem
    tol: float

    __repr__ = short_repr

    @cached_property
    def _of_gram(self) -> _Diagonal:
        values, vectors = eigh(_gram(self.problem), overwrite_a=True, driver="evd")
        return _Diagonal(np.maximum(values, 0.0), vectors, None)

    @cached_property
    def _of_features(self) -> _Diagonal:
        vectors, sigma, right = _decomposed(self.problem)
        values = np.zeros(len(self.problem.z))
        values[: len(sigma)] = sigma**2
        return _Diagonal(values, vectors, right)

    def _diagonal(self, problem: OperatorProblem) -> _Diagonal:
        """What serves the problem's α, and the one of ``setup``: of a path mostly the same."""
        features = _needs_features(problem) or _needs_features(self.problem)
        return self._of_features if features else self._of_gram

    def _solve(self, problem: OperatorProblem, last: None) -> tuple[RidgeSolution, None]:
        if _needs_features(problem):
            return self._diagonalized(problem), None
        system = _gram(problem)
        system[np.diag_indices(len(system))] += problem.alpha
        try:
            factor = cho_factor(system, overwrite_a=True)
        except LinAlgError:  # more features than fit into memory, and α below the rounding of K
            return self._diagonalized(problem), None
        by = _ByPairs(problem, lambda q: cho_solve(factor, q))
        return _refined(problem, by, self.tol), None

    def _along(self, alphas: Iterable[float]) -> Iterator[RidgeSolution]:
        return (self._diagonalized(self.problem.with_alpha(alpha)) for alpha in alphas)

    def _diagonalized(self, problem: OperatorProblem) -> RidgeSolution:
        values, P, right = self._diagonal(problem)
        divisor = values + problem.alpha
        if right is None:
            by = _ByPairs(problem, lambda q: P @ (P.T @ q / _columns(divisor, q)))
            return _refined(problem, by, self.tol)
        roots = np.sqrt(values[: len(right)])
        return _refined(problem, _ByFeatures(problem, P, right, roots, divisor), self.tol)

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
        problem = self.problem.with_alpha(alpha)
        alpha, (values, vectors, _) = problem.alpha, self._diagonal(problem)
        left_over = alpha / (values + alpha)
        pairs, groups = self.problem.pairs, groups or Groups.single(self.problem.pairs)
        label = groups.of_pairs(pairs, leave)
        names, sizes = np.unique(label, return_counts=True)
        # Large rows first: then the QR decomposition below keeps the digits of the small ones.
        order = np.argsort(-left_over)
        P, root = vectors[:, order], np.sqrt(left_over[order])
        z = self.problem.z - self.problem.without_operator[0]
        rows, v = self._without_offsets(P * root, root * (P.T @ z), alpha)
        if sizes.max() == 1:
            return rows @ v / (rows * rows).sum(1)
        residuals = np.empty_like(z)
        for block in (np.flatnonzero(label == name) for name in names):
            residuals[block] = lstsq(rows[block].T, v, cond=_EPS, lapack_driver="gelsy")[0]
        return residuals

    def _without_offsets(
        self, rows: np.ndarray, v: np.ndarray, alpha: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """A and v with I − H = A Aᵀ and (I − H) z = A v, of those of the fit without offsets.

        Both are projected off the columns of the offsets, extended by the roots of their weights.
        """
        offsets = self.problem.offsets
        if not offsets.size:
            return rows, v
        pairs, decay = self.problem.pairs, offsets.decay(alpha)
        seen = rows.T @ offsets.matrix(pairs)
        ties = tie_rows(offsets, pairs, (seen * seen).sum(0).max())
        basis = np.linalg.qr(np.vstack([seen, np.diag(np.sqrt(decay)), ties]))[0]
        seen, more = np.split(basis, [len(v)])  # the second part: where rows and v are 0
        along, own = rows @ seen, seen.T @ v
        return (
            np.hstack([rows - along @ seen.T, -along @ more.T]),
            np.concatenate([v - seen @ own, -more @ own]),
        )


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


class _Residual(abc.ABC):
    """L = I − H = α (K + αI)⁻¹, H the fit to all pairs without offsets."""

    problem: OperatorProblem

    @abc.abstractmethod
    def __call__(self, q: np.ndarray) -> np.ndarray:
        """c = Lq, of one q or of several: (n,) or (n, k)."""

    @abc.abstractmethod
    def operator(self, q: np.ndarray, c: np.ndarray) -> np.ndarray:
        """M with αM = R_Xᵀ C R_Y, of c = Lq: (r_x, r_y)."""


@final
@dataclass(frozen=True, eq=False)
class _ByPairs(_Residual):
    """By (K + αI)⁻¹."""

    problem: OperatorProblem
    inverse: Callable[[np.ndarray], np.ndarray]

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return self.problem.alpha * self.inverse(q)

    def operator(self, q: np.ndarray, c: np.ndarray) -> np.ndarray:
        return self.problem.pull(c / self.problem.alpha)


@final
@dataclass(frozen=True, eq=False)
class _ByFeatures(_Residual):
    """By the singular value decomposition of the features, P diag(roots) right."""

    problem: OperatorProblem
    P: np.ndarray
    right: np.ndarray
    roots: np.ndarray
    divisor: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return self.P @ (_columns(self.problem.alpha / self.divisor, q) * (self.P.T @ q))

    def operator(self, q: np.ndarray, c: np.ndarray) -> np.ndarray:
        seen = slice(len(self.right))
        weights = self.roots / self.divisor[seen]
        M = (weights * (self.P[:, seen].T @ q)) @ self.right
        return M.reshape(self.problem.factors.products.shape)


def _columns(weights: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Weights of rows, as they multiply one q or several."""
    return weights.reshape(-1, *[1] * (q.ndim - 1))


@final
class _Offsets:
    """θ = S⁻¹(EᵀLq − s), which makes c = L(q − Eθ) meet Eᵀc − Dθ = s; S = EᵀLE + D."""

    def __init__(self, problem: OperatorProblem, residual: _Residual) -> None:
        self.pairs, self.offsets, self.residual = problem.pairs, problem.offsets, residual
        self.decay, self.system = problem.offsets.decay(problem.alpha), None
        if problem.offsets.size:
            E = problem.offsets.matrix(problem.pairs)
            seen = E.T @ residual(E)
            self.system = OffsetSystem.of(problem.offsets, problem.pairs, seen, problem.alpha)

    def __call__(self, q: np.ndarray, s: np.ndarray) -> np.ndarray:
        if self.system is None:
            return NO_OFFSETS
        return self.system.solve(self.offsets.sums(self.residual(q), self.pairs) - s)


def _refined(problem: OperatorProblem, residual: _Residual, tol: float) -> RidgeSolution:
    """The sum of corrections, each to what the sum before leaves of z, until they gain nothing."""
    offsets = _Offsets(problem, residual)
    M, c = np.zeros_like(problem.factors.products), np.zeros_like(problem.z)
    theta, s = np.zeros(problem.offsets.size), np.zeros(problem.offsets.size)
    if problem.offsets.constant:
        theta[0] = problem.without_operator[0]
    left = problem.z - problem.fitted(M, theta)
    size = np.linalg.norm(left)
    while True:
        more = offsets(left, s)
        q = left - problem.offsets.values(more, problem.pairs) if len(more) else left
        more_c = residual(q)
        new = OperatorPoint(M + residual.operator(q, more_c), c + more_c, theta + more)
        rest = problem.z - problem.fitted(new.M, new.theta) - new.c
        s = offsets.decay * new.theta - problem.offsets.sums(new.c, problem.pairs)
        last, size = size, np.linalg.norm(rest)
        if not size <= last:
            break
        (M, c, theta), left = new, rest
        if not 0 < size <= last / 2:
            break
    stats = {"solver": "Cholesky", "alpha": problem.alpha}
    certificate = problem.certify(M, c, tol, theta)
    return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)
