"""Heads through exp and through softmax: how they are trained, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from rkbs.approximation.heads import Head
from rkbs.approximation.quadrature import Quadrature, l2_error, sup_error
from rkbs.approximation.surface import Surface, Target
from verify.studies.targets import TARGETS
from verify.studies.yardsticks import MEASURE

if TYPE_CHECKING:  # torch is imported by the claims that train, when they do
    from torch import Tensor

    from rkbs.attention.heads.ensemble import TwoTowerEnsemble
    from rkbs.attention.heads.surfaces import Surfaces

TRAIN = Quadrature.gauss_legendre(24)
"""Where Adam trains."""


def on_line(name: str, formula: str, function: Surface) -> Target:
    """A smooth target from a broadcasting formula in numbers t and s."""
    return Target(name, formula, lambda t, s: function(t, s.T), smooth=True)


POSITIVE = {
    target.name: target
    for target in (
        TARGETS["edp"],
        TARGETS["ridge"],
        on_line("sine", r"$e^{\sin(2t+s+ts)}$", lambda t, s: np.exp(np.sin(2 * t + s + t * s))),
        on_line("square", r"$(3/2+ts)^2$", lambda t, s: (1.5 + t * s) ** 2),
        on_line("affine", r"$1+ts/2$", lambda t, s: 1 + t * s / 2),
        on_line(
            "row_factor",
            r"$\exp(\cos 4t+ts+\cos(2t)\,(3s^2-1)/2)$",
            lambda t, s: np.exp(np.cos(4 * t) + t * s + np.cos(2 * t) * (3 * s**2 - 1) / 2),
        ),
    )
}
"""Positive kernels. The logarithms of edp and row_factor have rank 1 and 3; ``row_factor`` less
the mean over s of its logarithm, cos 4t, rank 2."""


def logarithm(target: Surface) -> Surface:
    """log κ*."""
    return lambda t, s: np.log(target(t, s))


def through_exp(head: Surface) -> Surface:
    """e^h; logits are cut at 100, where any error is beyond e^100 anyway."""
    return lambda t, s: np.exp(np.minimum(head(t, s), 100.0))


def exp_link(ensemble: TwoTowerEnsemble, surfaces: Surfaces) -> Tensor:
    """‖κ* − e^h‖² of each model, (M,)."""
    found = ensemble(surfaces.t, surfaces.s).exp() * surfaces.roots  # (M, n, n')
    return (found - surfaces.weighted).square().sum((-2, -1))


def softmax_link(ensemble: TwoTowerEnsemble, surfaces: Surfaces) -> Tensor:
    """∫ KL(p*(·|t) ‖ p(·|t)) dμ of each model, (M,), p ∝ v_s e^h(t,s), p* ∝ v_s κ*(t,s)."""
    log_v = surfaces.root_s.square().log().mT  # (1, n')
    log_target = (surfaces.weighted / surfaces.roots).log()
    wanted = (log_target + log_v).log_softmax(-1)  # (M, n, n')
    found = (ensemble(surfaces.t, surfaces.s) + log_v).log_softmax(-1)
    rows = (wanted.exp() * (wanted - found)).sum(-1)  # (M, n)
    return rows @ surfaces.root_t.square()[:, 0]


Cell = tuple[Surface, int, int]
"""Target, head dimension, seed."""


def by_adam(
    link: Callable[[TwoTowerEnsemble, Surfaces], Tensor],
    cells: Sequence[Cell],
    *,
    width: int,
    steps: int,
    lr: float,
    device: str,
) -> list[Head]:
    """Heads by Adam from random starts, all in one batch."""
    from rkbs.attention.heads.ensemble import TwoTowerEnsemble
    from rkbs.attention.heads.surfaces import Surfaces
    from rkbs.attention.heads.training import Adam, one_thread

    targets, dims, seeds = zip(*cells, strict=True)
    ensemble = TwoTowerEnsemble.random(dims, [width] * len(cells), seeds, device=device)
    surfaces = Surfaces.tabulate(targets, TRAIN, ensemble)
    with one_thread():
        Adam(steps=steps, lr=lr).minimize(ensemble.parameters(), lambda: link(ensemble, surfaces))
    return ensemble.heads()


def to_the_limit(
    surfaces: Sequence[Surface],
    start: Sequence[tuple[int, int]] | Sequence[Head],
    *,
    width: int = 24,
    steps: int = 60,
    device: str,
) -> list[Head]:
    """Heads h of least ‖F − h‖ by variable projection, from (d, seed) or from given heads."""
    from rkbs.attention.heads.ensemble import TwoTowerEnsemble
    from rkbs.attention.heads.training import train_heads
    from rkbs.attention.heads.variable_projection import VariableProjection

    if isinstance(start[0], Head):
        ensemble = TwoTowerEnsemble.from_heads(start, device=device)
    else:
        dims, seeds = zip(*start, strict=True)
        ensemble = TwoTowerEnsemble.random(dims, [width] * len(dims), seeds, device=device)
    quadrature = Quadrature.gauss_legendre(48)
    method = VariableProjection(steps=steps)
    return list(train_heads(surfaces, ensemble, quadrature=quadrature, method=method).heads)


@dataclass(frozen=True, eq=False)
class LogResidual:
    """r(t, s) = h(t, s) − log κ*(t, s) at the nodes of a quadrature: what softmax sees of it.

    Parameters
    ----------
    r, log_target : arrays of shape (n, m)
    quadrature : Quadrature
    """

    r: np.ndarray
    log_target: np.ndarray
    quadrature: Quadrature

    @classmethod
    def of(cls, target: Surface, head: Surface, quadrature: Quadrature = MEASURE) -> LogResidual:
        """Of a head's logits h against the kernel κ*."""
        points = quadrature.x.nodes, quadrature.y.nodes
        log_target = np.log(target(*points))
        return cls(head(*points) - log_target, log_target, quadrature)

    @cached_property
    def factor(self) -> np.ndarray:
        """c(t) = ∫ r(t, s) dν(s), shape (n,)."""
        return self.r @ self.quadrature.y.weights

    @cached_property
    def rest(self) -> np.ndarray:
        """r(t, s) − c(t), shape (n, m)."""
        return self.r - self.factor[:, None]

    @property
    def spread(self) -> float:
        """‖r − c‖ in L²(μ × ν)."""
        return self.norm(self.rest)

    @property
    def widest(self) -> float:
        """R = max_t (max_s r − min_s r)."""
        return float(np.ptp(self.r, axis=1).max())

    @property
    def variation(self) -> float:
        """The standard deviation of c over t."""
        w = self.quadrature.x.weights
        return float(np.sqrt(w @ (self.factor - w @ self.factor) ** 2))

    def norm(self, values: np.ndarray) -> float:
        """‖values‖ in L²(μ × ν)."""
        return float(np.linalg.norm(self.quadrature.x.root * values * self.quadrature.y.root.T))

    @cached_property
    def wanted(self) -> np.ndarray:
        """p*(s|t) v_s, rows that sum to 1, shape (n, m)."""
        logits = self.log_target + np.log(self.quadrature.y.weights)
        return np.exp(logits - logsumexp(logits, axis=1, keepdims=True))

    @property
    def recovery_error(self) -> float:
        """‖ρ − ρ*‖/‖ρ*‖ of the densities ρ = e^h/∫ e^h dν of the rows: κ* up to its factor."""
        logits = self.r + self.log_target + np.log(self.quadrature.y.weights)
        found = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        v = self.quadrature.y.weights
        return self.norm((found - self.wanted) / v) / self.norm(self.wanted / v)

    @property
    def variance(self) -> float:
        """σ² = ∫ Var_{p*(·|t)} r dμ."""
        return float(self.quadrature.x.weights @ (self.wanted * self._centered**2).sum(1))

    @property
    def _centered(self) -> np.ndarray:
        """r less its mean over p*(·|t), (n, m)."""
        return self.r - (self.wanted * self.r).sum(1, keepdims=True)

    @property
    def divergence(self) -> float:
        """∫ KL(p* ‖ p) dμ = ∫ log E_{p*} e^{r − E r} dμ, free of cancellation however small."""
        x = self._centered
        rows = np.log1p((self.wanted * (np.expm1(x) - x)).sum(1))
        return float(self.quadrature.x.weights @ rows)

    @property
    def divergence_of_rows(self) -> float:
        """The same from its definition, Σ p* log(p*/p), with rounding errors of about 1e-15."""
        log_v = np.log(self.quadrature.y.weights)
        logits = self.r + self.log_target + log_v
        found = logits - logsumexp(logits, axis=1, keepdims=True)
        rows = (self.wanted * (np.log(self.wanted) - found)).sum(1)
        return float(self.quadrature.x.weights @ rows)


SIGNED = ("asymmetric", "oscillating", "legendre")
DIMS = (1, 2, 4, 8, 16)
TOUCHING = on_line("touching", r"$(t-s)^2$", lambda t, s: (t - s) ** 2)
"""κ* ≥ 0 with zeros: the border of the condition."""


def negative_part(target: Surface) -> Surface:
    """κ*⁻ = max(−κ*, 0)."""
    return lambda t, s: np.maximum(-target(t, s), 0.0)


def zero(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The surface 0."""
    return np.zeros((len(t), len(s)))


def bounds(target: Surface, points: int, quadrature: Quadrature = MEASURE) -> tuple[float, float]:
    """‖κ*⁻‖ and sup κ*⁻, which no positive function is nearer to κ* than.

    Where κ* < 0 < G, |κ* − G| > −κ*.
    """
    negative = negative_part(target)
    return l2_error(negative, zero, quadrature), sup_error(negative, zero, points)
