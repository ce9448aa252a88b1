"""A complete grid whose weights are products, w_ij = u_i v_j, in the eigenbases that these have.

W^½ = D_u ⊗ D_v with the roots of u and v, so that W^½ (K_X ⊗ K_Y) W^½ is a product again, of
D_u K_X D_u and D_v K_Y D_v: ridge of W^½ z without weights, with offsets whose columns are products
of the roots. D_u R_X = U diag(s)^½ Qᵀ takes the coordinates of the operator back, M = Q_X M' Q_Yᵀ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from rkbs._linalg import Eigen, inner
from rkbs.data._cuts import Setting, check_setting
from rkbs.data._groups import Groups
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solution, as_path
from rkbs.solvers.operators._grid_offsets import GridOffsets
from rkbs.solvers.operators._leave_out import LeaveOut
from rkbs.solvers.operators._pair_weights import PairWeights
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.spectral_state import SpectralState


@final
@dataclass(frozen=True, eq=False)
class WeightedSpectralState(SpectralState):
    """``SpectralState`` of weights u_i v_j: leave-out is exact for pairs, rows and columns.

    Attributes
    ----------
    rotated : array of shape (n_x, n_y)
        Uᵀ D_u (Z − b) D_v V.
    roots : pair of arrays of shape (n_x,), (n_y,)
        The diagonals of D_u and D_v.
    scaled : pair of Eigen
        D_u K_X D_u and D_v K_Y D_v, each with Q as its ``turn``.
    """

    roots: tuple[np.ndarray, np.ndarray]
    scaled: tuple[Eigen, Eigen]

    @classmethod
    def of(
        cls, problem: OperatorProblem, u: np.ndarray, v: np.ndarray, tol: float
    ) -> WeightedSpectralState:
        """Of a problem whose weights are the products of u and v."""
        roots, factors = (np.sqrt(u), np.sqrt(v)), problem.factors
        x, y = _scaled(roots[0], factors.left), _scaled(roots[1], factors.right)
        responses = problem.pairs.matrix(problem.z - problem.best_constant[0])
        responses *= np.multiply.outer(*roots)
        rotated = inner(x.eigenvectors.T, responses, y.eigenvectors)
        return cls(problem, rotated, tol, roots, (x, y))

    @property
    def _eigen(self) -> tuple[Eigen, Eigen]:
        return self.scaled

    def _offsets(self, alpha: float, left_over: np.ndarray) -> GridOffsets:
        return replace(super()._offsets(alpha, left_over), scales=self.roots)

    def _solution(self, problem: OperatorProblem, rotated: np.ndarray) -> RidgeSolution:
        theta, (x, y) = self._take_offsets(problem, rotated), self.scaled
        rotated *= self._left_over(problem.alpha)
        c = inner(x.eigenvectors, rotated, y.eigenvectors.T) * np.multiply.outer(*self.roots)
        M = inner(x.turn, self._coordinates(problem, rotated), y.turn.T)
        point = OperatorPoint(M, problem.pairs.entries(c), theta)
        certificate = problem.certify(point.M, point.c, self.tol, theta)
        stats = {"solver": "Spectral", "alpha": problem.alpha}
        return Solution(problem, point, certificate, stats)

    def leave_out_residuals(
        self, alpha: float, leave: Setting = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """As of ``SpectralState``; there is no closed form of a row and a column at once."""
        if check_setting(leave) == "both":
            raise ValueError(
                "leave='both' has no closed form for weighted pairs: use folds, "
                "BinaryKernelRidgeCV(leave='both', cv=5)"
            )
        left_over, groups = self._left_over(alpha), groups or Groups.single(self.problem.pairs)
        if self.problem.offsets.size:
            found = self._offsets(alpha, left_over).leave_out(self.rotated, leave, groups)
        else:
            U, V = (part.eigenvectors for part in self.scaled)
            found = LeaveOut(U, V, left_over, leave, groups).residuals(self.rotated)
        return self.problem.pairs.entries(found / np.multiply.outer(*self.roots))

    def leave_out_rmse(
        self, alphas: Iterable[float], leave: Setting = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """The root of the weighted mean square of ``leave_out_residuals``, for each α."""
        weights = PairWeights.of(self.problem)
        found = (self.leave_out_residuals(alpha, leave, groups) for alpha in as_path(alphas))
        return np.array([weights.root_mean_square(residuals) for residuals in found])

    def left_out(self, alpha: float, leave: Setting, groups: Groups | None = None) -> np.ndarray:
        """``leave_out_residuals``."""
        return self.leave_out_residuals(alpha, leave, groups)

    def generalized_rmse(self, alphas: Iterable[float]) -> np.ndarray:
        """Not offered: ``ValueError``."""
        raise ValueError("generalized_rmse knows no weights of pairs: use leave_out_rmse")


def _scaled(root: np.ndarray, factor: np.ndarray) -> Eigen:
    """D R = U diag(s)^½ Qᵀ, with all of U, eigenvalues increasing, and Q."""
    U, sigma, turn = np.linalg.svd(root[:, None] * factor)
    eigenvalues = np.zeros(len(U))
    eigenvalues[: len(sigma)] = sigma**2
    return Eigen(eigenvalues[::-1], U[:, ::-1], turn[::-1].T)
