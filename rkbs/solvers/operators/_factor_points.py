"""The data term of the operator problem in two factors, M = P Qᵀ: value, slope and curvature."""

from __future__ import annotations

import abc
from functools import cached_property
from typing import final

import numpy as np
from scipy.sparse import csr_array

from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.operators._thin_products import ThinProducts, thin
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Squared


class FactorPoint(abc.ABC):
    """f(P Qᵀ) = min_b Σ_n ℓ((R_X P Qᵀ R_Yᵀ)_n + b; z_n) near one pair of factors.

    The factors stand above one another, X = (P; Q), (r_x + r_y, k). G = R_Xᵀ C R_Y with
    c = −ℓ'(h) is minus the derivative of f in M, and is never formed.

    Attributes
    ----------
    X : array of shape (r_x + r_y, k)
    value : float
        f; with ``rounding``, what it is known to.
    """

    X: np.ndarray
    value: float
    rounding: float

    @property
    @abc.abstractmethod
    def rows(self) -> int:
        """r_x."""

    @property
    def left(self) -> np.ndarray:
        """P, (r_x, k)."""
        return self.X[: self.rows]

    @property
    def right(self) -> np.ndarray:
        """Q, (r_y, k)."""
        return self.X[self.rows :]

    @abc.abstractmethod
    def times(self, V: np.ndarray) -> np.ndarray:
        """G V: (r_y,) or (r_y, m) → (r_x,) or (r_x, m)."""

    @abc.abstractmethod
    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        """Gᵀ U."""

    @cached_property
    def slope(self) -> np.ndarray:
        """(G Q; Gᵀ P), minus the derivative of f in the factors."""
        return np.vstack([self.times(self.right), self.transposed_times(self.left)])

    @abc.abstractmethod
    def bend(self, D: np.ndarray) -> np.ndarray:
        """The second derivative of f in the factors along D, (r_x + r_y, k), both its parts."""

    @abc.abstractmethod
    def curvatures(self, U: np.ndarray, V: np.ndarray) -> np.ndarray:
        """The second derivative of f in M along u_l v_lᵀ, of each column l."""

    @abc.abstractmethod
    def diagonal(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """(ρ, Γ) of P and of Q: the second derivative is about ρ_a Γ_kl within a row a of them."""


class FactorTerm(abc.ABC):
    """f in the factors.

    Attributes
    ----------
    rows : int
        r_x, where P ends and Q begins.
    """

    rows: int

    @abc.abstractmethod
    def at(self, X: np.ndarray) -> FactorPoint:
        """At P and Q, which stand above one another."""

    @staticmethod
    def of(problem: SchattenProblem) -> FactorTerm:
        """In the eigenbases where the grid is complete and the loss squared; else by pairs."""
        if problem.pairs.is_complete and isinstance(problem.loss, Squared):
            return GridTerm(problem)
        return PairTerm(problem)


@final
class GridTerm(FactorTerm):
    """½ ‖R_X P Qᵀ R_Yᵀ + b − Z‖²: products with R_Xᵀ Z R_Y, and all else has the factors' size.

    With s and t the eigenvalues, ½‖Z‖² − ⟨R_Xᵀ Z R_Y, P Qᵀ⟩ + ½ ⟨Pᵀ S P, Qᵀ T Q⟩; a constant takes
    half the square of the sum of residuals, over their number.
    """

    def __init__(self, problem: SchattenProblem) -> None:
        factors, z = problem.factors, problem.z
        self.s, self.t = factors.x.eigenvalues, factors.y.eigenvalues
        self.rows = len(self.s)
        residual = problem.without_operator[1]
        self.linear, self.half = problem.pull(residual), float(residual @ residual) / 2
        self.constant = problem.offsets.constant
        # Sums over the grid, over the root of its size, so that their products are a projection.
        self.sum_x = factors.left.sum(0) / np.sqrt(len(factors.left))
        self.sum_y = factors.right.sum(0) / np.sqrt(len(factors.right))
        if not self.constant:
            self.sum_x, self.sum_y = 0 * self.sum_x, 0 * self.sum_y
        self.size = float(z @ z)

    def at(self, X: np.ndarray) -> GridPoint:
        return GridPoint(self, X)


@final
class GridPoint(FactorPoint):
    """A point of ``GridTerm``: M ↦ S M T − x (xᵀ M y) yᵀ is the second derivative in M."""

    def __init__(self, term: GridTerm, X: np.ndarray) -> None:
        self.term, self.X = term, X
        P, Q = self.left, self.right
        self.images = self._images(P, Q)
        self.linear = term.linear @ Q, term.linear.T @ P
        cross, quadratic = (self.linear[0] * P).sum(), self._product(P, Q)
        self.value = float(term.half - cross + quadratic / 2)
        self.rounding = term.half + abs(cross) + quadratic / 2

    @property
    def rows(self) -> int:
        return len(self.term.s)

    def _images(self, P: np.ndarray, Q: np.ndarray) -> tuple[np.ndarray, ...]:
        """S P, T Q, xᵀ P and yᵀ Q."""
        term = self.term
        return term.s[:, None] * P, term.t[:, None] * Q, term.sum_x @ P, term.sum_y @ Q

    def _product(self, P: np.ndarray, Q: np.ndarray) -> float:
        SP, TQ, x, y = self.images
        return float(((P.T @ SP) * (Q.T @ TQ)).sum() - (x @ y) ** 2)

    @cached_property
    def slope(self) -> np.ndarray:
        SP, TQ, x, y = self.images
        first = self.linear[0] - SP @ (TQ.T @ self.right) + np.outer(self.term.sum_x, y) * (x @ y)
        other = self.linear[1] - TQ @ (SP.T @ self.left) + np.outer(self.term.sum_y, x) * (x @ y)
        return np.vstack([first, other])

    def times(self, V: np.ndarray) -> np.ndarray:
        SP, TQ, x, y = self.images
        image = self.term.linear @ V - SP @ (TQ.T @ V)
        along = (x @ y) * (self.term.sum_y @ V)
        return image + np.multiply.outer(self.term.sum_x, along)

    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        SP, TQ, x, y = self.images
        image = self.term.linear.T @ U - TQ @ (SP.T @ U)
        along = (x @ y) * (self.term.sum_x @ U)
        return image + np.multiply.outer(self.term.sum_y, along)

    def bend(self, D: np.ndarray) -> np.ndarray:
        U, V = D[: self.rows], D[self.rows :]
        SP, TQ, x, y = self.images
        SU, TV, x_u, y_v = self._images(U, V)
        along = x_u @ y + x @ y_v
        first = (
            SU @ (TQ.T @ self.right)
            + SP @ (TV.T @ self.right)
            - np.outer(self.term.sum_x, y) * along
        )
        other = (
            TQ @ (SU.T @ self.left) + TV @ (SP.T @ self.left) - np.outer(self.term.sum_y, x) * along
        )
        return np.vstack([first - self.times(V), other - self.transposed_times(U)])

    def curvatures(self, U: np.ndarray, V: np.ndarray) -> np.ndarray:
        SU, TV, x, y = self._images(U, V)
        return (SU * U).sum(0) * (TV * V).sum(0) - (x * y) ** 2

    def diagonal(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        SP, TQ, _, _ = self.images
        return (self.term.s, self.right.T @ TQ), (self.term.t, self.left.T @ SP)


@final
class PairTerm(FactorTerm):
    """Any smooth loss of any pairs."""

    def __init__(self, problem: SchattenProblem) -> None:
        self.problem, self.cells = problem, ThinProducts(problem.pairs)
        self.left, self.right = thin(problem.factors.left), thin(problem.factors.right)
        self.loss: Loss = problem.loss
        self.rows = self.left.shape[1]

    def at(self, X: np.ndarray) -> PairPoint:
        return PairPoint(self, X)


@final
class PairPoint(FactorPoint):
    """A point of ``PairTerm``: A = R_X P, B = R_Y Q, h = (A Bᵀ)[i, j] + b."""

    def __init__(self, term: PairTerm, X: np.ndarray) -> None:
        self.term, self.X, problem = term, X, term.problem
        self.A, self.B = term.left @ self.left, term.right @ self.right
        h = term.cells.dots(self.A, self.B)
        if problem.offsets.constant:
            h = h + problem.best_theta(h)[0]
        self.h = h
        self.value = float(term.loss.value(h, problem.z).sum())
        self.rounding = abs(self.value)

    @property
    def rows(self) -> int:
        return self.term.left.shape[1]

    @cached_property
    def pulls(self) -> np.ndarray | csr_array:
        """C."""
        return self.term.cells.matrix(-self.term.loss.gradient(self.h, self.term.problem.z))

    @cached_property
    def weights(self) -> np.ndarray:
        """ℓ''(h)."""
        return self.term.loss.curvature(self.h, self.term.problem.z)

    @cached_property
    def bends(self) -> np.ndarray | csr_array:
        """The matrix that holds ℓ''(h) at the pairs."""
        return self.term.cells.matrix(self.weights)

    def times(self, V: np.ndarray) -> np.ndarray:
        return self.term.left.T @ (self.pulls @ (self.term.right @ V))

    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        return self.term.right.T @ (self.pulls.T @ (self.term.left @ U))

    def bend(self, D: np.ndarray) -> np.ndarray:
        term, cells = self.term, self.term.cells
        A, B = term.left @ D[: self.rows], term.right @ D[self.rows :]
        dh = cells.dots(np.hstack([A, self.A]), np.hstack([self.B, B]))
        image = cells.matrix(self.weights * self._centered(dh))
        first = term.left.T @ (image @ self.B - self.pulls @ B)
        return np.vstack([first, term.right.T @ (image.T @ self.A - self.pulls.T @ A)])

    def _centered(self, dh: np.ndarray) -> np.ndarray:
        """Less what the best constant takes of it."""
        total = self.weights.sum()
        if not self.term.problem.offsets.constant or total == 0:
            return dh
        return dh - (self.weights @ dh) / total

    def curvatures(self, U: np.ndarray, V: np.ndarray) -> np.ndarray:
        A, B = self.term.left @ U, self.term.right @ V
        squares = (A**2 * (self.bends @ B**2)).sum(0)
        total = self.weights.sum()
        if self.term.problem.offsets.constant and total > 0:
            squares -= (A * (self.bends @ B)).sum(0) ** 2 / total
        return squares

    def diagonal(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        left, right = self.term.left, self.term.right
        rows, columns = self.bends @ np.ones(right.shape[0]), self.bends.T @ np.ones(left.shape[0])
        total = rows.sum() or 1.0
        Q = self.B.T @ (columns[:, None] * self.B) / total
        P = self.A.T @ (rows[:, None] * self.A) / total
        return (rows @ left**2, Q), (columns @ right**2, P)
