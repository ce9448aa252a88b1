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
    """What a solution comes with. ``tolerance`` is what its solver was asked to keep.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral, solve
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> certificate = solve(problem, Spectral(tol=1e-9)).certificate
    >>> certificate.passed, certificate.tolerance
    (True, 1e-09)
    """

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
    """The optimality conditions of coordinates M and dual unknowns c, with the gap beside them.

    Attributes
    ----------
    kkt_residual : float
        The larger of ‖c + ℓ'(h; z)‖ / ‖ℓ'(0; z)‖ and ‖αM − R_Xᵀ C R_Y‖_* over the larger of ‖αM‖_*
        and (λ/(λ + α))^{1/2} ‖c‖, with ‖G‖_*² = Σ_ab G_ab² / (s_a t_b + α) and λ the largest of
        s_a t_b: zero exactly at the optimum. (With at least as many pairs as coordinates ‖ℓ'(0; z)‖
        stands for ‖c‖.) Both are relative to what rounding leaves of them, so that it is some 1e-15
        at best whatever the scales of features and of α, and both see each coordinate at its own
        scale: on a complete grid, with the squared loss, ‖αM − R_Xᵀ C R_Y‖_* at c = z − h is the
        error of M in the energy norm, (2 (P(M) − P*))^{1/2}, which bounds that of predictions at
        the pairs. Elsewhere it is of that order, unless the pairs all but miss some feature.
        With a constant b ‖ℓ'(b; z)‖ stands for ‖ℓ'(0; z)‖, and with offsets their own condition
        joins: ‖(Eᵀc − Dθ)/(n + D)^½‖, n the pairs of each, and what θ has that no pair shows and
        the penalty D forbids, both over ‖ℓ'(b; z)‖.
    relative_gap : float
        The duality gap (‖c + h − z‖² + ‖αM − R_Xᵀ C R_Y‖²/α)/2 of the squared loss, or the smaller
        (‖c + h − z‖ + ‖αM − R_Xᵀ C R_Y‖_*)²/2 on a complete grid, over max(|primal|, |dual|, tiny):
        bounds the objective's excess from above. Rounding adds 1e-32 λ/α off a complete grid: with
        α near 1e-24 λ it says little of a solution as good as floats allow.
    tolerance : float
        What the solver was asked to keep the KKT residual below.

    Examples
    --------
    >>> from rkbs.problems import KKTCertificate
    >>> [KKTCertificate(residual, 1e-12, 1e-8).passed for residual in (1e-9, 1e-7, float("nan"))]
    [True, False, False]
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

    Examples
    --------
    >>> from rkbs.problems import GapCertificate
    >>> certificate = GapCertificate(primal=2.0, dual=1.98, tolerance=1e-6)
    >>> certificate.passed, certificate.describe()
    (False, 'a relative duality gap of 0.01')
    >>> GapCertificate(primal=2.0, dual=2.02, tolerance=1e-6).passed
    False
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

    Examples
    --------
    >>> from rkbs.problems import StationarityCertificate
    >>> certificate = StationarityCertificate(residual=1e-3, tolerance=1e-8)
    >>> certificate.passed, certificate.describe()
    (False, 'a relative stationarity residual of 0.001')
    """

    residual: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the residual keeps the tolerance (NaN does not)."""
        return self.residual <= self.tolerance

    def describe(self) -> str:
        return f"a relative stationarity residual of {self.residual:.3g}"
