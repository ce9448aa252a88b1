"""The variables of ADMM for the operator problem, and their steps."""

from __future__ import annotations

import abc

import numpy as np

from rkbs._linalg import svd
from rkbs.problems.schatten import SchattenProblem
from rkbs.terms.losses import DualLoss
from rkbs.terms.residual_losses import Squared

_RELAX = 1.8
"""Over-relaxation; ADMM converges for every value in (0, 2) (Eckstein & Bertsekas 1992)."""
_INWARD = 1e-12
"""How far a dual point on the edge of ℓ*'s domain is pulled inside: more than its rounding."""
_UNBALANCED = 1.1
_MOST = 5.0
"""A weight changes only if its residuals differ by the first factor, and by the second at most."""


class DataTerm(abc.ABC):
    """f(M) = Σ ℓ((R_X M R_Yᵀ)_n; z_n), with the variables that its own splitting needs."""

    @abc.abstractmethod
    def step(self, target: np.ndarray, rho: float) -> np.ndarray:
        """argmin_M f(M) + (ρ/2) ‖M − target‖², or the splitting's step towards it."""

    @abc.abstractmethod
    def duals(self, M: np.ndarray, N: np.ndarray) -> list[np.ndarray]:
        """Dual points c in the domain of ℓ*, from the two copies of the unknown."""

    @abc.abstractmethod
    def balance(self) -> None:
        """Adapt the weight of the term's own splitting, if it has one."""

    @abc.abstractmethod
    def place(self, M: np.ndarray, c: np.ndarray) -> None:
        """Start its own variables at a point M with dual unknowns c."""


class GridStep:
    """argmin over M, b of ½ ‖Q − R_X M R_Yᵀ − b‖² + (w/2) ‖M − target‖², on the whole grid.

    Elementwise in the eigenbases; a constant, where the problem has one, adds a rank of one.
    """

    def __init__(self, problem: SchattenProblem) -> None:
        factors = problem.factors
        self.products, self.size = factors.products, len(problem.pairs.X) * len(problem.pairs.Y)
        self.constant = problem.offsets.constant
        self.ones = np.outer(factors.left.sum(0), factors.right.sum(0))  # R_Xᵀ 1 R_Y
        shares = self.ones**2 / self.products
        self.shares, self.unseen = shares, max(self.size - shares.sum(), 0.0)

    def __call__(
        self, pulled: np.ndarray, total: float, target: np.ndarray, weight: float
    ) -> tuple[np.ndarray, float]:
        """M and b, of R_Xᵀ Q R_Y and the sum of Q."""
        divisor = self.products + weight
        M = (pulled + weight * target) / divisor
        if not self.constant:
            return M, 0.0
        left_over = self.unseen + (self.shares * (weight / divisor)).sum()
        b = float((total - (self.ones * M).sum()) / left_over)
        return M - b * self.ones / divisor, b


class GridLeastSquares(DataTerm):
    """½ ‖R_X M R_Yᵀ + b − Z‖²: in the eigenbases its step is elementwise."""

    def __init__(self, problem: SchattenProblem) -> None:
        self.problem, self.grid = problem, GridStep(problem)
        self.linear, self.total = problem.pull(problem.z), float(problem.z.sum())

    def step(self, target: np.ndarray, rho: float) -> np.ndarray:
        return self.grid(self.linear, self.total, target, rho)[0]

    def duals(self, M: np.ndarray, N: np.ndarray) -> list[np.ndarray]:
        return [self.problem.z - self.problem.at_pairs(point) for point in (M, N)]

    def balance(self) -> None:
        """It has no splitting of its own."""

    def place(self, M: np.ndarray, c: np.ndarray) -> None:
        """Nor variables."""


class SplitLoss(DataTerm):
    """Any loss of any pairs: H = R_X M R_Yᵀ + b, the loss on H at the pairs, and H free elsewhere.

    The scaled multiplier U of H = R_X M R_Yᵀ + b is ℓ'(H)/ρ_H at the pairs and 0 elsewhere.
    """

    def __init__(self, problem: SchattenProblem) -> None:
        self.problem, self.rho, self.grid = problem, _stiffness(problem), GridStep(problem)
        shape, start = (len(problem.pairs.X), len(problem.pairs.Y)), problem.without_operator[0]
        self.H, self.U = np.full(shape, start), np.zeros_like(problem.z)
        self.primal = self.dual = 0.0

    def step(self, target: np.ndarray, rho: float) -> np.ndarray:
        factors, pairs = self.problem.factors, self.problem.pairs
        Q = self.H - pairs.matrix(self.U)
        M, b = self.grid(factors.pull(Q), float(Q.sum()), target, rho / self.rho)
        self._loss_step(factors.push(M) + b)
        return M

    def _loss_step(self, values: np.ndarray) -> None:
        problem, old = self.problem, self.H
        relaxed = _RELAX * values + (1 - _RELAX) * old
        shifted = problem.pairs.entries(relaxed) + self.U
        h = problem.loss.prox(shifted, problem.z, 1 / self.rho)
        self.U = shifted - h
        # Where there is no pair, nothing holds H back from the values.
        self.H = relaxed + problem.pairs.matrix(h - problem.pairs.entries(relaxed))
        self.primal = _relative(values - self.H, self.H)
        self.dual = _relative(self.H - old, self.U)

    def duals(self, M: np.ndarray, N: np.ndarray) -> list[np.ndarray]:
        problem, loss = self.problem, self.problem.loss
        if loss.smooth:  # a gradient lies in the domain of ℓ*, exactly
            points = problem.pairs.entries(self.H), problem.with_best_offsets(N)
            return [-loss.gradient(h, problem.z) for h in points]
        # At a kink only the multiplier knows which subgradient it is.
        inside = loss.interior(problem.z) if isinstance(loss, DualLoss) else 0.0
        return [-((1 - _INWARD) * self.rho * self.U + _INWARD * inside)]

    def balance(self) -> None:
        factor = _balance(self.primal, self.dual)
        self.rho *= factor
        self.U = self.U / factor

    def place(self, M: np.ndarray, c: np.ndarray) -> None:
        b = self.problem.best_theta(self.problem.at_pairs(M)).sum()
        self.H, self.U = self.problem.factors.push(M) + b, -c / self.rho


class Splitting:
    """M = N: f acts on M, the penalty on N, and W is the scaled multiplier. Lives along a path."""

    def __init__(self, problem: SchattenProblem, data: DataTerm, rho: float) -> None:
        self.data, self.rho = data, rho
        shape = problem.factors.products.shape
        self.M, self.N, self.W = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.sigma = np.zeros(min(shape))
        self.primal = self.dual = 0.0

    @classmethod
    def of(cls, problem: SchattenProblem) -> Splitting:
        """A start at zero, with ρ where the prox would halve the least-squares fit's largest σ."""
        squared = isinstance(problem.loss, Squared) and problem.pairs.is_complete
        data = GridLeastSquares(problem) if squared else SplitLoss(problem)
        pull = problem.pull(problem.without_operator[1])
        sigma = np.linalg.norm(pull, 2) / (_stiffness(problem) * problem.factors.products.max())
        slope = float(problem.penalty.gradient(np.array([sigma / 2]))[0])
        return cls(problem, data, 2 * problem.alpha * slope / sigma)

    @classmethod
    def near(cls, problem: SchattenProblem, M: np.ndarray, c: np.ndarray) -> Splitting:
        """A start at a point M with dual unknowns c, near the solution: ρW is R_Xᵀ C R_Y there."""
        start = cls.of(problem)
        start.M, start.N, start.W = M, M, problem.pull(c) / start.rho
        start.data.place(M, c)
        return start

    def step(self, problem: SchattenProblem) -> None:
        """One iteration; afterwards ``sigma`` are the singular values of N."""
        self.M = self.data.step(self.N - self.W, self.rho)
        shifted = _RELAX * self.M + (1 - _RELAX) * self.N + self.W
        P, sigma, Qt = svd(shifted)
        self.sigma = problem.penalty.prox(sigma, problem.alpha / self.rho)
        rank = int((self.sigma > 0).sum())
        old, self.N = self.N, (P[:, :rank] * self.sigma[:rank]) @ Qt[:rank]
        self.W = shifted - self.N
        self.primal, self.dual = _relative(self.M - self.N, self.N), _relative(self.N - old, self.W)

    def objective(self, problem: SchattenProblem) -> float:
        """The problem's objective at N and the best constant; N's singular values are at hand."""
        loss = problem.loss.value(problem.with_best_offsets(self.N), problem.z).sum()
        return float(loss + problem.alpha * problem.penalty.value(self.sigma))

    def balance(self) -> None:
        """Adapt the weights so that primal and dual residuals are of one relative size."""
        factor = _balance(self.primal, self.dual)
        self.rho *= factor
        self.W = self.W / factor
        self.data.balance()


def _stiffness(problem: SchattenProblem) -> float:
    """Σ |ℓ'(0; z_n)| / Σ |z_n|, a second derivative of ℓ by its units: 1 for the squared loss.

    The weight of the splitting and the size of M must not depend on the unit of the responses. Of
    residuals from the best constant, where there is one.
    """
    b, c = problem.without_operator
    slope = np.abs(c).sum()
    size = np.abs(problem.z - b if problem.loss.of_residual else problem.z).sum()
    return float(slope / size) if slope > 0 and size > 0 else 1.0


def _relative(residual: np.ndarray, scale: np.ndarray) -> float:
    size = np.linalg.norm(scale)
    return float(np.linalg.norm(residual) / size) if size > 0 else 0.0


def _balance(primal: float, dual: float) -> float:
    """What to multiply a weight with: √(primal/dual), within bounds."""
    if not (primal > 0 and dual > 0):
        return 1.0
    factor = float(np.sqrt(primal / dual))
    if 1 / _UNBALANCED < factor < _UNBALANCED:
        return 1.0
    return float(np.clip(factor, 1 / _MOST, _MOST))
