"""What a machine misses by at pairs that it has not seen: exact where that is cheap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from sklearn.base import clone

from rkbs.data._cuts import Setting
from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.data.splits import PairKFold
from rkbs.machines._ways import way, way_of_some
from rkbs.machines._weights import learns_weights
from rkbs.machines.pair_machine import PairMachine
from rkbs.machines.ridge import BinaryKernelRidge, RidgeMachine
from rkbs.machines.ridge_cv import BinaryKernelRidgeCV
from rkbs.machines.spectral import BinaryKernelMachine
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Leave
from rkbs.solvers.operators._missing import DigitsLostError, MissingPairs
from rkbs.solvers.operators.dense import Cholesky
from rkbs.solvers.operators.spectral import Spectral

_FOLDS, _FOLDS_OF_BOTH = 5, 3
_OTHER = 0.01
"""Responses that differ so much, relative to their spread, are others, whatever the tolerance."""


@final
@dataclass(frozen=True, eq=False)
class ExactErrors:
    """Exact leave-one-out of a ridge machine at its α."""

    problem: OperatorProblem
    groups: Groups

    @classmethod
    def of(cls, machine: PairMachine, X: Pairs, z: np.ndarray, groups: Groups) -> Any:
        """None of other machines, and where weights would have seen what is left out."""
        if not isinstance(machine, RidgeMachine) or learns_weights(machine):
            return None
        twin = _of_class(BinaryKernelRidgeCV, machine, cv=None, leave="pair")
        return cls(twin._problem(twin._samples(X, z), alpha_of(machine))[0], groups)

    def errors(self, leave: Setting) -> np.ndarray | None:
        """z − ẑ of each pair; None where that is not cheap."""
        problem, one = self.problem, cast(Leave, leave)
        by = way(problem, leave, None, self.groups, 1)
        if by == "missing":
            try:
                return MissingPairs(problem).leave_out_residuals(problem.alpha, one, self.groups)
            except DigitsLostError:
                by = way_of_some(problem, None)
        if by == "folds":
            return None
        if by == "grid":
            return Spectral().setup(problem).left_out(problem.alpha, leave, self.groups)
        return Cholesky().setup(problem).leave_out_residuals(problem.alpha, one, self.groups)


def units_of(groups: Groups, pairs: Pairs, leave: Setting) -> np.ndarray:
    if leave != "both":
        return groups.of_pairs(pairs, leave)
    rows, columns = (groups.of_pairs(pairs, part) for part in ("row", "column"))
    return rows if len(np.unique(rows)) <= len(np.unique(columns)) else columns


def count_of_folds(cv: int | None, leave: Setting, groups: Groups, pairs: Pairs) -> int:
    """The number of folds."""
    most = _FOLDS_OF_BOTH if leave == "both" else _FOLDS
    return min(most, len(np.unique(units_of(groups, pairs, leave)))) if cv is None else cv


def errors_in_folds(machine: PairMachine, X: Pairs, z: np.ndarray, folds: PairKFold) -> np.ndarray:
    """z − ẑ of each pair, ẑ of a fit at the same α to other folds."""
    fixed = _of_class(_class_of_fixed(machine), machine, alpha=alpha_of(machine))
    errors = np.empty(len(z))
    for train, test in folds.split(X):
        errors[test] = z[test] - clone(fixed).fit(X[train], z[train]).predict(X[test])
    return errors


def _class_of_fixed(machine: PairMachine) -> type[PairMachine]:
    """The class of a machine at a given α: its own, where it has such a parameter."""
    if "alpha" in machine.get_params(deep=False):
        return type(machine)
    return BinaryKernelRidge if isinstance(machine, RidgeMachine) else BinaryKernelMachine


def _of_class(cls: Any, machine: PairMachine, **others: Any) -> Any:
    """A machine of a class, with the parameters that it has in common with another."""
    own, names = machine.get_params(deep=False), cls._get_param_names()
    return cls(**{name: value for name, value in own.items() if name in names} | others)


def alpha_of(machine: Any) -> float:
    return float(getattr(machine, "alpha_", None) or machine.alpha)


def data_of_fit(machine: PairMachine, X: Any, y: Any) -> tuple[Pairs, np.ndarray]:
    """The pairs over the rows in use, and the responses, which must be those of the fit.

    Of ridge the responses are known from the fit: z = h + α A at the pairs.
    """
    if not isinstance(X, Pairs):
        raise TypeError(
            f"X must be Pairs, got {type(X).__name__}: Pairs.from_table(table, n_features_x)"
        )
    if getattr(machine, "sample_weight_", None) is not None:
        raise ValueError(
            "machine was fitted with sample_weight, by which neither errors nor variances are "
            "known here: fit it without, or read leave_out_predictions_ of BinaryKernelRidgeCV"
        )
    pairs = X.compact()
    for name, points in (("X", pairs.X), ("Y", pairs.Y)):
        fitted = machine._known(name).points
        if not np.array_equal(points, fitted):
            raise ValueError(
                f"X must be the Pairs that machine was fitted to: their rows of {name} in use have "
                f"shape {points.shape}, those of the fit {fitted.shape}"
                + ", and other values"
                * (points.shape == fitted.shape)
            )
    z = X.responses(y)
    if isinstance(machine, RidgeMachine):
        gap = z - machine.predict(X) - alpha_of(machine) * coefficients_at(machine, pairs)
        if np.linalg.norm(gap) > _OTHER * np.linalg.norm(z - z.mean()):
            raise ValueError(
                "y must be the responses that machine was fitted to, in the order of the pairs: "
                f"they differ by up to {np.abs(gap).max():.3g}"
            )
    return pairs, z


def coefficients_at(machine: RidgeMachine, pairs: Pairs) -> np.ndarray:
    """The entries of A at the pairs, (n,), also of a sparse one."""
    return np.asarray(machine.dual_coef_[pairs.i, pairs.j]).ravel()
