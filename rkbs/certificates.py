"""Certificates: how far a solution is from optimal, measured on the problem, not by its solver."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import numpy as np

_TINY = np.finfo(float).tiny


def relative_gap(primal: float, dual: float, gap: float | None = None) -> float:
    """(primal − dual) / max(|primal|, |dual|, tiny); infinite where either is infinite or NaN.

    ``gap`` is primal − dual, where it is known to more digits than the difference of the two has.
    """
    if not np.isfinite(primal - dual):
        return np.inf
    return (primal - dual if gap is None else gap) / max(abs(primal), abs(dual), _TINY)


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
    """The gradient of a ridge objective in coordinates M of the operator, with the gap beside it.

    Attributes
    ----------
    kkt_residual : float
        ‖G‖_* / ‖G_0‖_*, G = αM − R_Xᵀ C R_Y with c_n = −ℓ'(h_n; z_n), G_0 the same at M = 0 and
        ‖G‖_*² = Σ_ab G_ab² / (s_a t_b + α): zero exactly at the optimum, 1 at M = 0. On a complete
        grid, with the squared loss, it is the relative error of M in the energy norm,
        ((P(M) − P*) / (P(0) − P*))^{1/2}: predictions at the pairs are as near as that, whatever
        the scale of the features and of α. Elsewhere ‖·‖_* measures either size from below, and
        the quotient is of the order of this error unless pairs all but miss some feature. Rounding
        leaves some 1e-15. Where ‖G_0‖_* is itself rounding (responses that no M can see) √eps of
        its largest possible size takes its place.
    relative_gap : float
        The duality gap ‖G‖²/(2α), or where it is known (complete grid, squared loss) the excess
        P(M) − P* = ‖G‖_*²/2 itself, over max(|primal|, |dual|, tiny): bounds the objective's
        excess from above. Off a complete grid it grows with λ_max/α, rounding included: at
        α ≲ 1e-24 λ_max it says nothing of a solution as good as floats allow.
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
