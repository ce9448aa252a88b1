"""Ridge regression on few pairs, by dense algebra on their Gram matrix or their features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, lstsq
from scipy.linalg.lapack import dgejsv

from rkbs._arrays import short_repr
from rkbs.data._groups import Groups
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Leave, State, check_leave
from rkbs.solvers.operators._offset_system import tie_rows
from rkbs.solvers.operators._pair_weights import PairWeights, WeightedRidgeSolver, per_row
from rkbs.solvers.operators._refinement import ByFeatures, ByPairs, refined
from rkbs.solvers.operators.base import RidgeSolution

_EPS = np.finfo(float).eps
_MAX_DENSE = 20_000
"""So many pairs have a Gram matrix of 3.2 GB."""
_MAX_ENTRIES = 25_000_000
"""So many entries of the matrix of features are formed where only they keep the digits."""
_QUICK = 50_000_000
"""So many operations make speed no matter."""


@final
@dataclass(frozen=True)
class Cholesky(WeightedRidgeSolver["DenseState"]):
    """(K + αW⁻¹) c = αz by dense algebra on the n × n Gram matrix K of the pairs: for few pairs.

    W = I, or the weights of a ``Weighted(Squared(), w)``: with W^½ K W^½ in place of K it is I.

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
                f"{len(problem.z)}: use ConjugateGradient(), and folds to choose alpha, as in "
                "BinaryKernelRidgeCV(cv=5)"
            )


class _Diagonal(NamedTuple):
    """W^½ K W^½ = P diag(κ) Pᵀ; of features that were decomposed with right singular vectors."""

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    right: np.ndarray | None


@final
@dataclass(frozen=True, eq=False)
class DenseState(State[RidgeSolution]):
    """The pairs' Gram matrix, W^½ K W^½, diagonalized when needed: the twin of ``SpectralState``.

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
        eigenvalues, eigenvectors = eigh(_gram(self.problem), overwrite_a=True, driver="evd")
        return _Diagonal(np.maximum(eigenvalues, 0.0), eigenvectors, None)

    @cached_property
    def _of_features(self) -> _Diagonal:
        eigenvectors, sigma, right = _decomposed(self.problem)
        eigenvalues = np.zeros(len(self.problem.z))
        eigenvalues[: len(sigma)] = sigma**2
        return _Diagonal(eigenvalues, eigenvectors, right)

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
        root = PairWeights.of(problem).root_times
        by = ByPairs(problem, lambda q: root(cho_solve(factor, root(q))))
        return refined(problem, by, self.tol), None

    def _along(self, alphas: Iterable[float]) -> Iterator[RidgeSolution]:
        return (self._diagonalized(self.problem.with_alpha(alpha)) for alpha in alphas)

    def _diagonalized(self, problem: OperatorProblem) -> RidgeSolution:
        eigenvalues, P, right = self._diagonal(problem)
        divisor = eigenvalues + problem.alpha
        if right is None:
            root = PairWeights.of(problem).root_times
            by = ByPairs(problem, lambda q: root(P @ (P.T @ root(q) / per_row(divisor, q))))
            return refined(problem, by, self.tol)
        roots = np.sqrt(eigenvalues[: len(right)])
        return refined(problem, ByFeatures(problem, P, right, roots, divisor), self.tol)

    def leave_out_residuals(
        self, alpha: float, leave: Leave = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """z − ẑ with a pair, row or column left out, ((I − H)_BB)⁻¹ (z − h)_B: exact.

        Rows and columns of one of the ``groups`` are left out together.

        W^½ (I − H) W^{−½} = P diag(α/(κ + α)) Pᵀ has quotients of positive numbers for eigenvalues,
        of which none comes out of a difference. With its root D, and v = D Pᵀ W^½ z, a block solves
        the least squares problem (P_B D)ᵀ W^½ r ≈ v: its normal equations are never formed.
        """
        check_leave(leave)
        problem = self.problem.with_alpha(alpha)
        alpha, (eigenvalues, eigenvectors, _) = problem.alpha, self._diagonal(problem)
        left_over = alpha / (eigenvalues + alpha)
        pairs, groups = self.problem.pairs, groups or Groups.single(self.problem.pairs)
        label = groups.of_pairs(pairs, leave)
        names, sizes = np.unique(label, return_counts=True)
        # Large rows first: then the QR decomposition below keeps the digits of the small ones.
        order = np.argsort(-left_over)
        P, root = eigenvectors[:, order], np.sqrt(left_over[order])
        weights = PairWeights.of(problem)
        z = weights.root_times(self.problem.z - self.problem.without_operator[0])
        rows, v = self._without_offsets(P * root, root * (P.T @ z), alpha)
        if sizes.max() == 1:
            return weights.over_root(rows @ v / (rows * rows).sum(1))
        residuals = np.empty_like(z)
        for block in (np.flatnonzero(label == name) for name in names):
            residuals[block] = lstsq(rows[block].T, v, cond=_EPS, lapack_driver="gelsy")[0]
        return weights.over_root(residuals)

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
        seen = rows.T @ PairWeights.of(self.problem).root_times(offsets.matrix(pairs))
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
    rounding = 1e3 * n * _EPS * products.max() * PairWeights.of(problem).mean()
    return problem.alpha < rounding and products.size * n <= _MAX_ENTRIES


def _decomposed(problem: OperatorProblem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, (n, n), σ and Wᵀ with G = P diag(σ) Wᵀ, whose rows are w_n^½ R_X[i_n] ⊗ R_Y[j_n].

    By Jacobi rotations, which keep the digits of small σ where columns of G differ in scale, as
    √(s_a t_b) do by many orders of magnitude (Drmač & Veselić 2008).
    """
    left, right = problem.factors.left[problem.pairs.i], problem.factors.right[problem.pairs.j]
    G = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    G = PairWeights.of(problem).root_times(G)
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
    """K_nm = k_X(x_{i_n}, x_{i_m}) k_Y(y_{j_n}, y_{j_m}), (n, n), in float64; W^½ K W^½."""
    left, right = problem.grams_of(problem.pairs.i, problem.pairs.j)
    gram = left.astype(float, copy=False)
    gram *= right
    if (root := PairWeights.of(problem).root) is not None:
        gram *= root
        gram *= root[:, None]
    return gram
