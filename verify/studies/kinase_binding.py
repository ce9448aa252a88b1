"""Contestants on the kinase data: all choices by inner folds, all fits certified by hand.

A contest is told the responses of the training pairs alone; who scores has the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from rkbs.data.davis import KinaseBinding, load_davis
from rkbs.data.metrics import c_index, mse
from rkbs.kernels.alignment import alignment_weights
from rkbs.kernels.base import Kernel
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.precomputed import Precomputed
from rkbs.kernels.weighted_sum import ALIGNF, combine
from rkbs.machines.base import OperatorMachine
from rkbs.machines.ridge import BinaryKernelRidge
from rkbs.machines.spectral import BinaryKernelMachine
from rkbs.problems.offsets import Offsets
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.incomplete import ConjugateGradient
from rkbs.solvers.operators.spectral import Spectral
from verify.studies.drug_response import GAP, additive, kkt, nuclear_gap
from verify.studies.kinase_splits import (
    KNOWN,
    Cut,
    Split,
    cold,
    deepdta,
    digest,
    grid_of,
    inner,
    shared,
    similarities,
)

MEANS = "row + column means, shrunken"
IDENTITY, NUCLEAR, NUCLEAR_LEARNED = (
    f"nuclear norm, {what}" for what in ("identity", "kernel + identity", "learned weights")
)
RIDGE, RIDGE_LEARNED = (f"ridge, {what}" for what in ("kernel + identity", "learned weights"))

POWERS = 1, 2, 4, 8
"""Of the drugs' similarities, entry by entry: the larger, the fewer drugs are alike."""
TARGET_POWERS = 1, 2
"""Those that weights are learned for."""
_NUCLEAR, _RIDGE = ADMM(tol=1e-3), ConjugateGradient(tol=1e-4)
"""In the inner folds: errors that differ by percents choose. The fits after it are to ``GAP``."""
_SHARES = 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5
"""α of the nuclear norm over its zero threshold on all training pairs."""
_RIDGES = tuple(float(a) for a in np.geomspace(10, 1e-4, 8))
_SHRINKAGE = 0.1, 1.0, 10.0, 100.0


class Domain(NamedTuple):
    """Σ w_k S^{p_k} + w · identity + w' · constant, the powers entry by entry.

    ``weights`` has one for each power, one for the identity, one for the constant; or they are
    learned in each fit, from its responses.
    """

    powers: tuple[int, ...]
    weights: tuple[float, ...] | Literal["alignf"]

    def kernels(self, S: np.ndarray) -> list[Kernel]:
        """The terms, on row numbers of S."""
        return [*(Precomputed(S**p) for p in self.powers), Identity(), Constant()]

    def gram(self, S: np.ndarray, rows: np.ndarray, responses: np.ndarray) -> np.ndarray:
        """Of all rows of S from the formula, where those of ``rows`` have the responses (n, m)."""
        weights: Any = self.weights
        if weights == ALIGNF:
            points = Precomputed.points(len(S))[rows]
            weights = alignment_weights(self.kernels(S), points, responses)
        terms = [*(S**p for p in self.powers), np.eye(len(S)), np.ones_like(S)]
        return np.tensordot(weights, np.array(terms), 1)


Told = tuple[Domain, Domain]
"""What a machine is told within both domains."""


@dataclass(frozen=True)
class Contestant:
    """A machine, and what it may be told."""

    machine: type[OperatorMachine]
    told: tuple[Told, ...]

    @property
    def is_ridge(self) -> bool:
        """Whether Ω is ½‖T‖², and not the nuclear norm."""
        return self.machine is BinaryKernelRidge


def _beside(power: int, own_x: float, own_y: float) -> Told:
    """Features beside an effect of each drug and of each target."""
    return Domain((power,), (1.0, own_x, 0.5)), Domain((1,), (1.0, own_y, 0.5))


_EFFECTS = (0.1, 0.03), (0.3, 0.1), (0.3, 0.3), (1.0, 0.3)
_GIVEN = tuple(_beside(power, *own) for power, own in itertools.product(POWERS, _EFFECTS))
_LEARNED = ((Domain(POWERS, "alignf"), Domain(TARGET_POWERS, "alignf")),)
_NONE = ((Domain((), (1.0, 0.5)), Domain((), (1.0, 0.5))),)
CONTESTANTS = {
    IDENTITY: Contestant(BinaryKernelMachine, _NONE),
    RIDGE: Contestant(BinaryKernelRidge, _GIVEN),
    RIDGE_LEARNED: Contestant(BinaryKernelRidge, _LEARNED),
    NUCLEAR: Contestant(BinaryKernelMachine, _GIVEN),
    NUCLEAR_LEARNED: Contestant(BinaryKernelMachine, _LEARNED),
}


def quick_contestants(setting: str) -> dict[str, Contestant]:
    """The machine that the full profile chooses there, with two of its choices."""
    name = NUCLEAR if setting == KNOWN else RIDGE
    effects = _EFFECTS[2:] if setting == KNOWN else _EFFECTS[1:3]
    return {name: Contestant(CONTESTANTS[name].machine, tuple(_beside(4, *own) for own in effects))}


class Contest:
    """One split: the responses of its training pairs, and what contestants make of them.

    Parameters
    ----------
    data : KinaseBinding
    split : Split
    folds : int, optional
        The first so many of the inner folds, by default all.
    """

    def __init__(self, data: KinaseBinding, split: Split, folds: int | None = None) -> None:
        self.similar, self.grid = similarities(data), grid_of(data)
        self.cut, self.cuts = split.cut, inner(data, split)[:folds]
        # What is to be predicted is not there: whoever asked for it would get NaN.
        self.z = np.where(split.cut.train, data.z.ravel(), np.nan)

    # ---- choosing

    def errors(self, contestant: Contestant, told: Told, alphas: tuple[float, ...]) -> np.ndarray:
        """The mean squared error in the inner folds of each α, decreasing ones."""
        squares, tested = np.zeros(len(alphas)), 0
        for cut in self.cuts:
            problem, *rows = self._problem(contestant, told, cut, alphas[0])
            for k, solution in enumerate(_path(problem, alphas)):
                predicted = solution.predict_grid(*rows).ravel()[cut.test]
                squares[k] += ((predicted - self.z[cut.test]) ** 2).sum()
            tested += int(cut.test.sum())
        return squares / tested

    def choose(self, contestant: Contestant) -> tuple[Told, float, float]:
        """What to be told, and the α, of least error in the inner folds; and that error."""
        tried = []
        for told in contestant.told:
            alphas = self._alphas(contestant, told)
            errors = self.errors(contestant, told, alphas)
            k = int(np.argmin(errors))
            tried.append((told, alphas[k], float(errors[k])))
        return min(tried, key=lambda one: one[2])

    def _alphas(self, contestant: Contestant, told: Told) -> tuple[float, ...]:
        if contestant.is_ridge:
            return _RIDGES
        problem, *_ = self._problem(contestant, told, self.cut, 1.0)
        return tuple(problem.zero_threshold() * share for share in _SHARES)

    def _problem(
        self, contestant: Contestant, told: Told, cut: Cut, alpha: float
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """The problem of a cut's training pairs, and the rows of the kernels of all points."""
        pairs, z = self.grid[cut.train], self.z[cut.train]
        used = np.unique(pairs.i), np.unique(pairs.j)
        whole = self._grams(told, used, pairs.compact().matrix(z, np.nan))
        kind = OperatorProblem if contestant.is_ridge else SchattenProblem
        inside = (K[np.ix_(rows, rows)] for K, rows in zip(whole, used, strict=True))
        problem = kind(*inside, pairs.compact(), z, alpha, offsets=Offsets(True))
        return problem, *(K[:, rows] for K, rows in zip(whole, used, strict=True))

    def _grams(
        self, told: Told, used: tuple[np.ndarray, np.ndarray], Z: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of all drugs and of all targets, from responses of those in use."""
        (x, y), (S_x, S_y), (i, j) = told, self.similar, used
        return x.gram(S_x, i, Z), y.gram(S_y, j, Z.T)

    # ---- fitting

    def predict(self, contestant: Contestant) -> dict[str, Any]:
        """The machine at its choice: predictions of the test pairs, and what certifies the fit.

        ``by_hand`` is the worst difference of its predictions from Σ_ij A_ij k_X k_Y.
        """
        told, alpha, error = self.choose(contestant)
        kernels = (
            combine(domain.kernels(S), domain.weights)
            for domain, S in zip(told, self.similar, strict=True)
        )
        solver = {} if contestant.is_ridge else {"solver": ADMM(tol=GAP / 2)}
        machine = contestant.machine(*kernels, alpha=alpha, **solver)
        train, z = self.grid[self.cut.train], self.z[self.cut.train]
        predicted = machine.fit(train, z).predict(self.grid[self.cut.test])
        problem, *rows = self._problem(contestant, told, self.cut, alpha)
        gram_x, gram_y = rows
        by_hand = gram_x @ machine.dual_coef_ @ gram_y.T + machine.intercept_
        certified = kkt if contestant.is_ridge else nuclear_gap
        return {
            "predicted": predicted,
            "inner": error,
            "told": [domain._asdict() for domain in told],
            "alpha": alpha,
            "residual": certified(*problem.grams, problem.pairs, z, alpha, machine),
            "by_hand": float(
                np.abs(predicted - by_hand.ravel()[self.cut.test]).max()
                / np.abs(z - z.mean()).max()
            ),
        }

    def means(self) -> dict[str, Any]:
        """Mean + effects of drugs and of targets, each kind shrunken as the inner folds ask."""
        best = np.inf, _SHRINKAGE[:2]
        for shrinkage in itertools.product(_SHRINKAGE, repeat=2):
            squares = tested = 0
            for cut in self.cuts:
                surface = additive(self.grid[cut.train], self.z[cut.train], *shrinkage)
                squares += ((surface.ravel() - self.z)[cut.test] ** 2).sum()
                tested += cut.test.sum()
            best = min(best, (float(squares / tested), shrinkage))
        surface = additive(self.grid[self.cut.train], self.z[self.cut.train], *best[1])
        return {
            "predicted": surface.ravel()[self.cut.test],
            "inner": best[0],
            "shrinkage": list(best[1]),
        }


def _path(problem: Any, alphas: tuple[float, ...]) -> Iterator[Any]:
    """The certified solutions at decreasing α."""
    solver: Any = _NUCLEAR
    if isinstance(problem, OperatorProblem):
        solver = Spectral() if problem.pairs.is_complete else _RIDGE
    return (solution.check() for solution in solver.setup(problem).path(alphas))


def work(cell: dict[str, Any], device: str) -> dict[str, Any]:
    """The contestants on a split: scores at the test pairs, and how each came about.

    Parameters
    ----------
    cell : dict
        ``setting`` and ``seed`` of the split; ``quick``, whether a few contestants have but a few
        choices, judged by the first inner fold.
    device : str
        Not used.
    """
    data, setting = load_davis(), cell["setting"]
    split = deepdta(data) if setting == KNOWN else cold(data, setting, cell["seed"])
    contest = Contest(data, split, 1 if cell["quick"] else None)
    contestants = quick_contestants(setting) if cell["quick"] else CONTESTANTS
    found = {MEANS: contest.means()}
    found |= {name: contest.predict(contestant) for name, contestant in contestants.items()}
    chosen = min(found, key=lambda name: found[name]["inner"])
    z = data.z.ravel()[split.cut.test]
    for row in found.values():
        predicted = row.pop("predicted")
        row |= {"mse": mse(z, predicted), "c_index": c_index(z, predicted)}
    told = {"split": digest(data, split), "shared": shared(data, split.cut)}
    return {"found": found, "chosen": chosen} | told
