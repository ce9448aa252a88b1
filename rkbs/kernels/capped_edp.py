"""EDP with bounded logits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from rkbs._arrays import Array, namespace
from rkbs.kernels._pairwise import product
from rkbs.kernels._parameters import POSITIVE, Parameter, Parametric, numbers, per_head
from rkbs.kernels.base import PositiveKernel
from rkbs.kernels.dot_product import scaled_dot
from rkbs.kernels.structure import FeatureDimension


@final
@dataclass(frozen=True, eq=False)
class CappedEDP(Parametric, PositiveKernel):
    """κ(q, k) = exp(c tanh(a/c)), a = q·k/√d: EDP with its logits capped at ±c.

    Infinite-dimensional, since its power series in a does not end; never Mercer, since not all of
    its coefficients can be ≥ 0 (Pringsheim's theorem), as already two points s ≪ 1 ≪ L/c with
    sL ≫ c show, κ(s, L)² ≈ e^{2c} > e^c ≈ κ(s, s) κ(L, L); and blunt: of n keys none has a weight
    above 1/(1 + (n − 1) e^{−2c}) (theory §5, L6).

    Parameters
    ----------
    cap : number, or array of shape (H,)
        c > 0, the largest logit; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> from rkbs.kernels import CappedEDP
    >>> CappedEDP(2.0).log([[100.0]], [[-1.0], [0.0], [1.0]])
    array([[-2.,  0.,  2.]])
    >>> CappedEDP(2.0).feature_dim(1), CappedEDP(2.0).is_mercer
    (inf, False)
    """

    cap: Parameter = field(default=1.0, metadata=POSITIVE)

    is_mercer = False
    is_symmetric = True

    def log_formula(self, x: Array, y: Array) -> Array:
        cap = per_head(self, "cap", x, y)
        a = product(scaled_dot(x, y), 1 / cap)  # saturated: tanh' = 0 meets no infinite factor
        return cap * namespace(a).tanh(a)

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf

    def is_quasiconvex(self, d: int) -> bool:
        """It increases in a."""
        return True

    @property
    def logit_spread(self) -> float:
        """2c, c the largest cap of a head."""
        return 2.0 * max(numbers(self.cap))
