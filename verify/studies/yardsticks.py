"""Where the claims on Theorem 2 fit heads, where they measure them, and against what floor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from rkbs.approximation.quadrature import Quadrature, l2_error
from rkbs.approximation.spectrum import SchmidtSpectrum, schmidt
from rkbs.approximation.surface import Surface, Target
from verify.harness.evidence import Check, greatest
from verify.studies.targets import TARGETS

FLOOR_NODES = {1: 160, 2: 12}
"""Along each coordinate, by dimension; doubled for the floor (``schmidt``)."""
FIT = Quadrature.gauss_legendre(128)
"""Where constructive heads on the line are fitted."""
MEASURE = Quadrature.gauss_legendre(351)
"""Where errors on the line are measured: finer than all of these, and no node in common (odd)."""


@cache
def training_measure(dim: int) -> Quadrature:
    """Where heads are trained; in four dimensions 800 random points of each domain."""
    if dim <= 2:
        return Quadrature.gauss_legendre({1: 64, 2: 14}[dim], dim)
    return Quadrature.monte_carlo(800, dim, np.random.default_rng(1))


@cache
def measuring_measure(dim: int) -> Quadrature:
    """Where errors are measured, with no node in common with the others."""
    if dim <= 2:
        return {1: MEASURE, 2: Quadrature.gauss_legendre(19, 2)}[dim]
    return Quadrature.monte_carlo(1200, dim, np.random.default_rng(2))


@dataclass(frozen=True)
class Yardstick:
    """A target's Schmidt floor, and errors measured against it on an independent quadrature.

    ``spectrum`` is None in four dimensions, where there is no quadrature: then the floor is that of
    the measuring sample, which is at most the true one on average (``sampled_floor``).
    """

    target: Target
    spectrum: SchmidtSpectrum | None
    measure: Quadrature
    values_there: np.ndarray

    @classmethod
    @cache
    def of(cls, name: str) -> Yardstick:
        """For a target by name."""
        target = TARGETS[name]
        measure, nodes = measuring_measure(target.dim), FLOOR_NODES.get(target.dim)
        there = np.linalg.svd(measure.tabulate(target), compute_uv=False)
        return cls(target, schmidt(target, nodes, target.dim) if nodes else None, measure, there)

    @property
    def norm(self) -> float:
        """‖F‖ in the measuring measure."""
        return float(np.linalg.norm(self.values_there))

    def row(self, head: Surface, d: int, **labels: Any) -> dict[str, Any]:
        """A head's error beside the floor, whose doubling error is its allowance.

        ``floor_there`` is the floor of the measuring quadrature, itself a probability measure: no
        head is under it, whatever the quadrature error.
        """
        there = float(np.linalg.norm(self.values_there[d:]))
        exact = self.spectrum is not None
        rounding = len(self.values_there) * np.finfo(float).eps * self.norm
        return {
            "target": self.target.name,
            "d": d,
            **labels,
            "error": l2_error(self.target, head, self.measure),
            "norm": self.norm,
            "floor": self.spectrum.floor(d) if exact else there,
            "floor_there": there,
            "allowance": self.spectrum.floor_error(d) if exact else 0.0,
            "rounding": max(self.spectrum.rounding, rounding) if exact else rounding,
        }


def floor_checks(rows: Iterable[dict[str, Any]], heads: str) -> tuple[Check, Check, Check]:
    """No logit is under the floor by more than the quadrature's error, nor under the exact one.

    And the two floors, of nodes that have none in common, agree within the former's error, so that
    a floor that is too low is noticed, too.
    """
    rows = list(rows)
    deficit = greatest(
        (r["floor"] - r["error"]) / r["allowance"] for r in rows if r["allowance"] > 0
    )
    exact = greatest((r["floor_there"] - r["error"]) / r["rounding"] for r in rows)
    apart = greatest(
        abs(r["floor"] - r["floor_there"]) / (r["allowance"] + r["rounding"]) for r in rows
    )
    # All three in units of what is claimed of the floors.
    return (
        Check(f"{heads}: (floor − error)/(quadrature error + rounding), largest", deficit, "<=", 1),
        Check(f"{heads}: (floor of the measuring quadrature − error)/rounding", exact, "<=", 1),
        Check(f"{heads}: |floor − that of the measuring quadrature|/their error", apart, "<=", 1),
    )


SEEDS = 5
"""Random hidden layers per constructive cell."""
