"""A ridge problem on a complete grid in its eigenbases: any α, and exact leave-out."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from rkbs._arrays import check_number, short_repr
from rkbs._linalg import Eigen, inner, parts
from rkbs.data._cuts import Setting, check_setting
from rkbs.data._groups import Groups
from rkbs.problems.gram import NO_OFFSETS, OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solution, State, as_path
from rkbs.solvers.operators._grid_offsets import GridOffsets
from rkbs.solvers.operators._leave_out import LeaveOut
from rkbs.solvers.operators._leave_out_both import leave_out_both
from rkbs.solvers.operators._leave_out_scores import Scores
from rkbs.solvers.operators.base import RidgeSolution

_DIGITS = 1 / 16
"""Of z: a c that is smaller would lose more than four bits as a difference z − h."""


@dataclass(frozen=True, eq=False)
class SpectralState(State[RidgeSolution]):
    """A decomposed problem: every α, and exact leave-one-out, from one setup.

    Attributes
    ----------
    rotated : array of shape (n_x, n_y)
        Uᵀ(Z − b)V, in all eigenvectors, also those of eigenvalues 0, which no M sees; b the
        responses' mean where the problem has a constant, else 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> state = Spectral().setup(problem)
    >>> fitted, left_out = state.solve(0.1).value.c, state.leave_out_residuals(0.1, "pair")
    >>> bool(np.all(abs(left_out) > abs(fitted)))  # a pair that was seen is fitted better
    True
    """

    problem: OperatorProblem
    rotated: np.ndarray
    tol: float

    __repr__ = short_repr

    @property
    @abc.abstractmethod
    def _eigen(self) -> tuple[Eigen, Eigen]:
        """K_X = U diag(s) Uᵀ and K_Y = V diag(t) Vᵀ."""

    def _left_over(self, alpha: float, some: slice = slice(None)) -> np.ndarray:
        """α / (s_a t_b + α), the eigenvalues of I − H: what a fit leaves of each coordinate of Z.

        Of ``some`` a, or of all.

        Every eigenvalue of I − H is a quotient of positive numbers, and exactly 1 where s_a t_b is
        0: none comes out of a difference.
        """
        alpha = check_number(alpha, "alpha", above=0.0)
        x, y = self._eigen
        curvature = np.multiply.outer(x.eigenvalues[some], y.eigenvalues)
        curvature += alpha
        return np.divide(alpha, curvature, out=curvature)

    def _offsets(self, alpha: float, left_over: np.ndarray) -> GridOffsets:
        """The problem's offsets, in its eigenbases."""
        problem, (x, y) = self.problem, self._eigen
        return GridOffsets(
            x.eigenvectors, y.eigenvectors, left_over, problem.offsets, problem.pairs, alpha
        )

    def _solve(self, problem: OperatorProblem, last: None) -> tuple[RidgeSolution, None]:
        return self._solution(problem, self.rotated.copy()), None

    def _solution(self, problem: OperatorProblem, rotated: np.ndarray) -> RidgeSolution:
        """The minimizer, certified, of responses whose rotation is given, and is spent."""
        theta, (x, y) = self._take_offsets(problem, rotated), self._eigen
        for some in parts(len(rotated)):
            rotated[some] *= self._left_over(problem.alpha, some)
        c = None
        if np.linalg.norm(rotated) < _DIGITS * np.linalg.norm(problem.z):
            c = problem.pairs.entries(inner(x.eigenvectors, rotated, y.eigenvectors.T))
        M = self._coordinates(problem, rotated)
        if c is None:
            c, certificate = problem.certified(M, self.tol, theta)
        else:
            certificate = problem.certify(M, c, self.tol, theta)
        stats = {"solver": "Spectral", "alpha": problem.alpha}
        return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)

    def _take_offsets(self, problem: OperatorProblem, rotated: np.ndarray) -> np.ndarray:
        """θ; the rotated responses lose Eθ."""
        if not problem.offsets.size:
            return NO_OFFSETS
        theta = self._offsets(problem.alpha, self._left_over(problem.alpha)).taken(rotated)
        theta[0] += problem.best_constant[0]
        return theta

    def _coordinates(self, problem: OperatorProblem, c: np.ndarray) -> np.ndarray:
        """M = √(s_a t_b) UᵀCV/α of the rotated c, in its place."""
        x, y = (part.range().eigenvalues for part in self._eigen)
        M = c[len(c) - len(x) :, c.shape[1] - len(y) :]
        M *= (np.sqrt(x) / np.sqrt(problem.alpha))[:, None]
        M *= np.sqrt(y) / np.sqrt(problem.alpha)
        return M

    def leave_out_residuals(
        self, alpha: float, leave: Setting = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """z − ẑ for every pair, ẑ predicted by the machine that was fit without it: exact.

        For a left-out set B of pairs the residual is ((I − H)_BB)⁻¹ (z − h)_B, with h = Hz the fit
        to all pairs. A single pair needs the diagonal of I − H; a whole row has
        (I − H)_BB = V diag_b(Σ_a U_ia² α/(s_a t_b + α)) Vᵀ, diagonal in K_Y's eigenbasis, and
        likewise a column. With offsets I − H is L − LE S⁻¹ EᵀL, as of ``GridOffsets``. A row and a
        column at once couple all eigenvectors: see ``leave_out_both``, of 9n⁴ + 8n²m² operations,
        n ≤ m the two sizes.

        Parameters
        ----------
        alpha : float
        leave : {"pair", "row", "column", "both"}
            Leave out one pair; or all pairs of one target (prediction for new targets); or all
            pairs of one source; or, for each pair, all pairs of its target and of its source.
        groups : Groups, optional
            Rows and columns that are left out together, with a pair all pairs of its two groups.

        Returns
        -------
        array of shape (n,), in the order of the problem's pairs

        Raises
        ------
        ValueError
            For "both" beside effects or groups of several, of which there is no closed form.
        """
        if check_setting(leave) == "both":
            return self.problem.pairs.entries(self._both([alpha], groups)[0])
        U, V = (part.eigenvectors for part in self._eigen)
        groups = groups or Groups.single(self.problem.pairs)
        if self.problem.offsets.size:
            offsets = self._offsets(alpha, self._left_over(alpha))
            return self.problem.pairs.entries(offsets.leave_out(self.rotated, leave, groups))
        left_out = LeaveOut(U, V, self._left_over(alpha), leave, groups)
        return self.problem.pairs.entries(left_out.residuals(self.rotated))

    def leave_out_rmse(
        self, alphas: Iterable[float], leave: Setting = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """The root mean square of ``leave_out_residuals`` for each α, with fewer products.

        One of n × n matrices where rows or columns are left out, two for pairs, and some of a
        quarter or so: see ``Spectrum`` for what they are right to, 1e-13 of each weight. Where
        several rows or columns go together, or have effects, of the residuals themselves; so where
        a row and a column are left out, whose decompositions all α share.

        Parameters
        ----------
        alphas : iterable of float
        leave, groups
            As of ``leave_out_residuals``.

        Returns
        -------
        array of shape (number of α,)
        """
        alphas = list(as_path(alphas))
        if check_setting(leave) == "both":
            return np.sqrt(np.mean(np.square(self._both(alphas, groups)), axis=(1, 2)))
        if not self._has_scores(leave, groups):
            residuals = (self.leave_out_residuals(alpha, leave, groups) for alpha in alphas)
            return np.array([np.linalg.norm(r) / np.sqrt(len(r)) for r in residuals])
        scores = self._scores.mirrored if leave == "column" else self._scores
        residuals_at = scores.pairs if leave == "pair" else scores.rows
        return np.sqrt([_mean_square(residuals_at(alpha)) for alpha in alphas])

    def _has_scores(self, leave: Setting, groups: Groups | None) -> bool:
        """Whether neither effects nor groups of several, nor "both", leave it to residuals."""
        concerned = {"row": (0,), "column": (1,)}.get(leave, (0, 1))
        grouped = groups is not None and groups.of_several(concerned)
        effects = self.problem.offsets.size > int(self.problem.offsets.constant)
        return not (grouped or effects or leave == "both")

    def left_out(self, alpha: float, leave: Setting, groups: Groups | None = None) -> np.ndarray:
        """``leave_out_residuals`` as exact as ``leave_out_rmse``, in half of the memory."""
        if not self._has_scores(check_setting(leave), groups):
            return self.leave_out_residuals(alpha, leave, groups)
        scores, (x, y) = self._scores, self.problem.eigen
        if leave == "pair":
            found = scores.pairs(alpha)
        elif leave == "row":
            found = scores.rows(alpha) @ y.eigenvectors.T
        else:
            found = x.eigenvectors @ scores.mirrored.rows(alpha).T
        return self.problem.pairs.entries(found)

    def _both(self, alphas: list[float], groups: Groups | None) -> np.ndarray:
        """z − ẑ on the grid, each pair's row and column left out, of each α: (k, n_x, n_y)."""
        problem = self.problem
        if problem.offsets.size > int(problem.offsets.constant):
            raise ValueError(
                "leave='both' has no closed form beside effects of rows or columns: use folds, "
                "BinaryKernelRidgeCV(leave='both', cv=5)"
            )
        if groups is not None and groups.of_several((0, 1)):
            raise ValueError(
                "leave='both' has no closed form for groups of several rows or columns: use folds, "
                "BinaryKernelRidgeCV(leave='both', cv=5)"
            )
        b = problem.best_constant[0]
        Z = problem.pairs._as_matrix(problem.z - b if b else problem.z)
        if min(Z.shape) < 2:
            raise ValueError(
                f"leave='both' needs two rows and two columns, got a grid of shape {Z.shape}: "
                "without a row and a column no pair is left"
            )
        alphas = [check_number(alpha, "alpha", above=0.0) for alpha in alphas]
        return leave_out_both(problem.grams, problem.eigen, Z, alphas, problem.offsets.constant)

    def generalized_rmse(self, alphas: Iterable[float]) -> np.ndarray:
        """‖(I − H) z‖ √n / tr(I − H) for each α: generalized cross-validation, no products.

        Leave-one-out of pairs with the diagonal of I − H replaced by its mean: not the error of
        anything that was left out, and no score for new rows or columns, but 20 × as fast. With
        a constant H is the fit that has it; with effects it is not offered.

        Raises
        ------
        ValueError
            For a problem with effects.

        Source: Golub, Heath & Wahba (1979).
        """
        if self.problem.offsets.size > int(self.problem.offsets.constant):
            raise ValueError(
                "generalized_rmse knows no effects of rows or columns: use leave_out_rmse"
            )
        return np.sqrt([self._scores.generalized(alpha) for alpha in as_path(alphas)])

    @cached_property
    def _scores(self) -> Scores:
        x, y = self.problem.eigen
        return Scores(
            x.eigenvectors,
            y.eigenvectors,
            x.eigenvalues,
            y.eigenvalues,
            self.rotated,
            self.problem.offsets.constant,
        )


@final
class UnweightedSpectralState(SpectralState):
    """That of the squared loss without weights, in the eigenbases of the problem itself."""

    @property
    def _eigen(self) -> tuple[Eigen, Eigen]:
        return self.problem.eigen


def _mean_square(values: np.ndarray) -> float:
    return float(np.vdot(values, values)) / values.size
