"""Contestants on the drug-response matrix, all tuned inside the training part, and certified.

Whatever sees features or entities does so through one family of kernels within both domains,
a K + b · identity + c · constant, with K the plain mean of the published kernels. Every one has a
constant of its own, not penalized and minimized with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from rkbs.data.gdsc import DrugResponse
from rkbs.data.pairs import Pairs
from rkbs.kernels.base import Kernel
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.precomputed import Precomputed
from rkbs.machines.base import OperatorMachine
from rkbs.machines.ridge import BinaryKernelRidge
from rkbs.machines.spectral import BinaryKernelMachine
from rkbs.problems.offsets import Offsets
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.incomplete import ConjugateGradient
from rkbs.solvers.operators.spectral import Spectral

MEAN, MEANS = "mean", "row + column means, shrunken"
IDENTITY, KERNEL, BOTH = (
    f"nuclear norm, {what}" for what in ("identity", "kernel", "kernel + identity")
)
RIDGE = "kernel ridge (Kronecker), kernel + identity"
PERMUTED = "nuclear norm, permuted kernel + identity"
"""The control: as many weights to choose from beside the identity, of features of others."""
NUCLEAR = (IDENTITY, KERNEL, BOTH, PERMUTED)

GAP = 1e-6
"""Of the final fits, by hand. Their RMSE then is right to 1e-3 · RMSE at worst: the excess of the
objective is at most 1e-6 of it, and held-out errors are of the size of the fitted ones."""
KKT = 1e-8
"""Of the ridge fits, which are closed forms or conjugate gradients to 1e-10."""
BY_HAND = 1e-6
"""Predictions against Σ A k_X k_Y: A loses the digits of λ_max/α, here at most 1e4 · 1e4 · eps."""
_CHOICE = ADMM(tol=1e-3)
"""A setting is chosen by errors that differ by percents; the fit at it keeps ``GAP``."""
_SHRINKAGE = np.geomspace(0.1, 100, 7)
_STEP = 10**0.5
"""Between the α of the first path; the second, about its best, has a fourth root of it."""
_SHARES = tuple(float(s) for s in _STEP ** -np.arange(2.0, 8))
"""α of the nuclear norm over its zero threshold, 0.1 … 3e-4: a path that decreases."""
_RIDGES = tuple(float(a) for a in 10 / _STEP ** np.arange(7.0))
"""α of ridge, 10 … 0.01."""


class Weights(NamedTuple):
    """a K + b · identity + c · constant, within both domains."""

    features: float
    entity: float
    constant: float

    def kernel(self, similarities: np.ndarray) -> Kernel:
        """The kernel of a machine, on row numbers of ``similarities``."""
        terms = (Precomputed(similarities), Identity(), Constant())
        return reduce(add, (w * term for w, term in zip(self, terms, strict=True) if w))

    def gram(self, similarities: np.ndarray) -> np.ndarray:
        """Its Gram matrix on all rows, from the formula."""
        a, b, c = self
        return a * similarities + b * np.eye(len(similarities)) + c


class Setting(NamedTuple):
    """What a fit is made with."""

    weights: Weights
    alpha: float


@dataclass(frozen=True)
class Contestant:
    """A machine, and the weights it may choose from."""

    machine: type[OperatorMachine]
    weights: tuple[Weights, ...]
    permuted: bool = False

    @property
    def is_ridge(self) -> bool:
        """Whether Ω is ½‖T‖², and not the nuclear norm."""
        return self.machine is BinaryKernelRidge

    @property
    def sees_features(self) -> bool:
        """Whether it is told the features of the drugs and cell lines themselves."""
        return not self.permuted and any(weights.features for weights in self.weights)


_NONE = (Weights(0.0, 1.0, 0.0), Weights(0.0, 1.0, 0.5))
_FEATURES = (Weights(1.0, 0.0, 0.0), Weights(1.0, 0.0, 0.5))
_ALL = (*_FEATURES, Weights(1.0, 0.2, 0.5), Weights(1.0, 1.0, 0.5))
CONTESTANTS = {
    IDENTITY: Contestant(BinaryKernelMachine, _NONE),
    KERNEL: Contestant(BinaryKernelMachine, _FEATURES),
    BOTH: Contestant(BinaryKernelMachine, _ALL),
    PERMUTED: Contestant(BinaryKernelMachine, _ALL[2:], permuted=True),
    RIDGE: Contestant(BinaryKernelRidge, _ALL),
}


class Split(NamedTuple):
    """Masks over all pairs: what is fitted, predicted, and, within ``train``, held out to tune."""

    train: np.ndarray
    test: np.ndarray
    inner: np.ndarray


class Arena:
    """The data of some drugs and cell lines, and what the contestants do on one split."""

    def __init__(
        self, data: DrugResponse, rows: np.ndarray, columns: np.ndarray, rng: np.random.Generator
    ) -> None:
        x, y = np.ix_(rows, rows), np.ix_(columns, columns)
        self.similar_x = np.mean(list(data.drug_kernels.values()), axis=0)[x]
        self.similar_y = np.mean(list(data.cell_kernels.values()), axis=0)[y]
        self.z = data.z[np.ix_(rows, columns)].reshape(-1)
        self.fold = data.fold[np.ix_(rows, columns)].reshape(-1)
        sizes = len(rows), len(columns)
        self.orders = tuple(map(rng.permutation, sizes))
        self.grid = Pairs.grid(Precomputed.points(sizes[0]), Precomputed.points(sizes[1]))

    def similarities(self, contestant: Contestant) -> tuple[np.ndarray, np.ndarray]:
        """What a contestant is told of the drugs and of the cell lines."""
        whole = self.similar_x, self.similar_y
        if not contestant.permuted:
            return whole
        x, y = (K[np.ix_(order, order)] for K, order in zip(whole, self.orders, strict=True))
        return x, y

    def predict_all(self, split: Split) -> dict[str, dict[str, Any]]:
        """For each contestant the predictions at ``split.test``, and how they came about."""
        z = self.z[split.train]
        found = {
            MEAN: {"predicted": np.full(int(split.test.sum()), z.mean())},
            MEANS: self.means(split),
        }
        paths: dict[Contestant, tuple[Setting, float]] = {}
        for name, contestant in CONTESTANTS.items():
            found[name] = self.fit(contestant, self.choose(contestant, split, paths), split)
        return found

    # ---- additive effects

    def means(self, split: Split) -> dict[str, Any]:
        """Mean + effects of rows and columns, each kind shrunken as the inner part asks."""
        grid, rest = [(a, b) for a in _SHRINKAGE for b in _SHRINKAGE], split.train & ~split.inner
        surfaces = (additive(self.grid[rest], self.z[rest], *shrinkage) for shrinkage in grid)
        errors = [self._error(surface, split.inner) for surface in surfaces]
        chosen = grid[int(np.argmin(errors))]
        surface = additive(self.grid[split.train], self.z[split.train], *chosen)
        return {"predicted": surface.ravel()[split.test], "shrinkage": list(chosen)}

    def _error(self, surface: np.ndarray, mask: np.ndarray) -> float:
        return float(np.mean((surface.ravel()[mask] - self.z[mask]) ** 2))

    # ---- machines

    def choose(
        self,
        contestant: Contestant,
        split: Split,
        paths: dict[Contestant, tuple[Setting, float]],
    ) -> Setting:
        """The weights and α of least error on the inner part: a path for each, then a finer one.

        ``paths`` keeps, for each contestant of a single choice of weights, what others share.
        """
        singles = [replace(contestant, weights=(weights,)) for weights in contestant.weights]
        for one in singles:
            if one not in paths:
                paths[one] = self._best(one, split, self._path(one, split))
        best = min(singles, key=lambda one: paths[one][1])
        about = paths[best][0].alpha * _STEP ** np.array([0.5, 0.25, 0.0, -0.25, -0.5])
        return self._best(best, split, about)[0]

    def _best(self, one: Contestant, split: Split, alphas: np.ndarray) -> tuple[Setting, float]:
        """The α of least error on the inner part, and that error."""
        surfaces = self.surfaces(one, split.train & ~split.inner, alphas)
        errors = [self._error(surface, split.inner) for surface in surfaces]
        k = int(np.argmin(errors))
        return Setting(one.weights[0], float(alphas[k])), float(errors[k])

    def _path(self, one: Contestant, split: Split) -> np.ndarray:
        if one.is_ridge:
            return np.array(_RIDGES)
        problem, *_ = self._problem(one, split.train, 1.0)
        return problem.zero_threshold() * np.array(_SHARES)

    def _problem(
        self, one: Contestant, mask: np.ndarray, alpha: float
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """The problem of the pairs where ``mask``, and the rows of the kernels of all points."""
        pairs, z = self.grid[mask], self.z[mask]
        rows, columns = np.unique(pairs.i), np.unique(pairs.j)
        gram_x, gram_y = map(one.weights[0].gram, self.similarities(one))
        kind = OperatorProblem if one.is_ridge else SchattenProblem
        inside = gram_x[np.ix_(rows, rows)], gram_y[np.ix_(columns, columns)]
        problem = kind(*inside, pairs.compact(), z, alpha, offsets=Offsets(True))
        return problem, gram_x[:, rows], gram_y[:, columns]

    def surfaces(
        self, one: Contestant, mask: np.ndarray, alphas: Sequence[float]
    ) -> Iterator[np.ndarray]:
        """The predictions for all pairs of the fits to those where ``mask``, one for each α.

        ``one`` has a single choice of weights; α decreases.
        """
        problem, *kernels = self._problem(one, mask, float(alphas[0]))
        for solution in _solutions(problem, alphas):
            yield solution.predict_grid(*kernels)

    def fit(self, contestant: Contestant, setting: Setting, split: Split) -> dict[str, Any]:
        """The machine itself, its predictions, and what it is certified by, outside of its solver.

        ``by_hand`` is the worst difference of its predictions from Σ_ij A_ij k_X k_Y.
        """
        weights, alpha = setting
        similar = self.similarities(contestant)
        kernels = map(weights.kernel, similar)
        solver = {} if contestant.is_ridge else {"solver": ADMM(tol=GAP / 2)}
        machine = contestant.machine(*kernels, alpha=alpha, **solver)
        train, z = self.grid[split.train], self.z[split.train]
        predicted = machine.fit(train, z).predict(self.grid[split.test])
        rows, columns = np.unique(train.i), np.unique(train.j)
        gram_x, gram_y = map(weights.gram, similar)
        by_hand = gram_x[:, rows] @ machine.dual_coef_ @ gram_y[columns] + machine.intercept_
        inside = gram_x[np.ix_(rows, rows)], gram_y[np.ix_(columns, columns)]
        certified = kkt if contestant.is_ridge else nuclear_gap
        scale = np.abs(self.z - z.mean()).max()
        return {
            "predicted": predicted,
            "weights": list(weights),
            "alpha": alpha,
            "rank": machine.query_coef_.shape[1],
            "residual": certified(*inside, train.compact(), z, alpha, machine),
            "by_hand": float(np.abs(predicted - by_hand.ravel()[split.test]).max() / scale),
        }


def _solutions(problem: Any, alphas: Sequence[float]) -> Iterator[Any]:
    """The certified solutions at decreasing α."""
    if isinstance(problem, SchattenProblem):
        found = _CHOICE.setup(problem).path(alphas)
    else:
        complete = problem.pairs.is_complete
        state = (Spectral() if complete else ConjugateGradient(tol=1e-6)).setup(problem)
        found = map(state.solve, alphas)  # each from zero: their errors stay apart
    return (solution.check() for solution in found)


def additive(pairs: Pairs, z: np.ndarray, shrink_x: float, shrink_y: float) -> np.ndarray:
    """m + a_i + b_j for all pairs, minimizing the penalized squares.

    Σ_n (z_n − m − a_{i_n} − b_{j_n})² + shrink_x ‖a‖² + shrink_y ‖b‖², from its normal equations.
    Rows and columns without pairs have the effect 0.
    """
    seen = pairs.matrix(np.ones(len(z)))
    responses = pairs.matrix(z - z.mean())  # less a constant that m gives back
    n_x, n_y = seen.shape
    counts = np.concatenate([seen.sum(1), seen.sum(0)])
    system = np.zeros((n_x + n_y + 1,) * 2)
    system[0, 0], system[0, 1:], system[1:, 0] = len(z), counts, counts
    system[1 : n_x + 1, n_x + 1 :], system[n_x + 1 :, 1 : n_x + 1] = seen, seen.T
    system[1:, 1:] += np.diag(counts + np.repeat([shrink_x, shrink_y], [n_x, n_y]))
    sums = np.concatenate([[responses.sum()], responses.sum(1), responses.sum(0)])
    m, *effects = np.linalg.solve(system, sums)
    return z.mean() + m + np.add.outer(effects[:n_x], effects[n_x:])


def nuclear_gap(
    gram_x: np.ndarray,
    gram_y: np.ndarray,
    pairs: Pairs,
    z: np.ndarray,
    alpha: float,
    machine: BinaryKernelMachine,
) -> float:
    """The relative duality gap of a fit, from Gram matrices and coefficients.

    ‖T‖_* = Σ √eig(K_X A K_Y Aᵀ), and c is feasible where √λ_max(K_X C K_Y Cᵀ) ≤ α and Σ c = 0.
    """
    query, key = machine.query_coef_, machine.key_coef_
    c = alpha * pairs.entries(machine.iota_coef_)
    C = pairs.matrix(c - c.mean())
    product = (query.T @ gram_x @ query) @ (key.T @ gram_y @ key)
    norm = np.sqrt(np.maximum(np.linalg.eigvals(product).real, 0)).sum()
    fitted = pairs.entries((gram_x @ query) @ (gram_y @ key).T) + machine.intercept_
    primal = ((fitted - z) ** 2).sum() / 2 + alpha * norm
    steepest = np.linalg.eigvals(gram_x @ C @ gram_y @ C.T).real.max()
    c = pairs.entries(C) * min(1.0, alpha / np.sqrt(steepest))
    return float(abs(primal - (c @ z - c @ c / 2)) / primal)


def kkt(
    gram_x: np.ndarray,
    gram_y: np.ndarray,
    pairs: Pairs,
    z: np.ndarray,
    alpha: float,
    machine: BinaryKernelRidge,
) -> float:
    """‖K_X A K_Y + αA + b − z‖ at the pairs, and √n α ΣA/n, over ‖z − mean‖.

    The ridge equations, from the coefficients.
    """
    A = machine.dual_coef_
    residual = pairs.entries(gram_x @ A @ gram_y + alpha * A) + machine.intercept_ - z
    drift = alpha * A.sum() / np.sqrt(len(z))
    return float(np.hypot(np.linalg.norm(residual), drift) / np.linalg.norm(z - z.mean()))
