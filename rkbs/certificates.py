"""Certificates: how far a solution is from optimal, measured on the problem, not by its solver."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import numpy as np

_TINY = np.finfo(float).tiny


def relative_gap(primal: float, dual: float) -> float:
    """(primal − dual) / max(|primal|, |dual|, tiny); infinite where either is infinite or NaN."""
    if not np.isfinite(primal - dual):
        return np.inf
    return (primal - dual) / max(abs(primal), abs(dual), _TINY)


class Certificate(abc.ABC):
    """What a solution comes with. ``tolerance`` is what its solver was asked to keep."""

    tolerance: float

    @property
    @abc.abstractmethod
    def passed(self) -> bool:
        """Whether the tolerance is kept (NaN does not)."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What was measured, for a message: "a relative duality gap of 1e-3"."""


@final
@dataclass(frozen=True)
class KKTCertificate(Certificate):
    """The residual of the optimality conditions, with the gap beside it.

    Attributes
    ----------
    kkt_residual : float
        ‖ℓ'(h; z) + α c‖ / max(‖ℓ'(0; z)‖, tiny): zero exactly at the optimum.
    relative_gap : float
        (primal − dual) / max(|primal|, |dual|, tiny): bounds the objective's excess from above.
    tolerance : float
        What the solver was asked to keep the KKT residual below.
    """

    kkt_residual: float
    relative_gap: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the KKT residual keeps the tolerance (NaN does not)."""
        return self.kkt_residual <= self.tolerance

    def describe(self) -> str:
        return f"a relative KKT residual of {self.kkt_residual:.3g}"


@final
@dataclass(frozen=True)
class GapCertificate(Certificate):
    """A primal and a dual objective: dual ≤ optimum ≤ primal.

    Attributes
    ----------
    primal, dual : float
        The two objectives.
    tolerance : float
        What the solver was asked to keep the gap below.
    relative_gap : float
        (primal − dual) / max(|primal|, |dual|, tiny): bounds the objective's excess from above;
        infinite where either is infinite or NaN.
    """

    primal: float
    dual: float
    tolerance: float

    @property
    def relative_gap(self) -> float:
        """The gap, relative to the larger objective."""
        return relative_gap(self.primal, self.dual)

    @property
    def passed(self) -> bool:
        """Whether |gap| keeps the tolerance: a dual above the primal is an error, not a success."""
        return abs(self.relative_gap) <= self.tolerance

    def describe(self) -> str:
        return f"a relative duality gap of {self.relative_gap:.3g}"


@final
@dataclass(frozen=True)
class StationarityCertificate(Certificate):
    """The residual of a stationary point of a problem that is not convex: no bound of the optimum.

    Attributes
    ----------
    residual : float
        Relative to the size of the derivatives that cancel.
    tolerance : float
        What the solver was asked to keep the residual below.
    """

    residual: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the residual keeps the tolerance (NaN does not)."""
        return self.residual <= self.tolerance

    def describe(self) -> str:
        return f"a relative stationarity residual of {self.residual:.3g}"
