"""What a kernel's declared structure leaves it to select: the laws of theory §5 as numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from rkbs.kernels.base import Kernel


class Law(NamedTuple):
    """A bound of one law: of the capacity, or of the geometric-mean self-weight of n keys."""

    name: str
    reason: str
    bound: float
    power: Fraction | None = None
    """The bound to the power n, where that is rational."""


def capacity_laws(kernel: Kernel, d: int) -> list[Law]:
    """What bounds the capacity, each as an integer or infinity."""
    laws = []
    rank, squares = kernel.rank_bound(d), kernel.square_dim(d)
    if rank is not None:
        laws.append(Law("L1", f"rank_bound({d}) = {rank}", rank))
    if squares is not None:
        laws.append(Law("L1′", f"square_dim({d}) = {squares}", max(1, 2 * squares - 1)))
    if kernel.is_metric:
        laws.append(Law("L3", "is_metric", 2))
    if d == 1 and kernel.is_quasiconvex(1):
        laws.append(Law("L4", "is_quasiconvex(1)", 2))
    if d == 1 and kernel.is_increasing:
        laws.append(Law("L4", "is_increasing", 1))
    if (spread := kernel.logit_spread) is not None:
        # n < 1 + e^spread
        most = math.ceil(math.exp(spread)) if spread < 700 else math.inf
        laws.append(Law("L6", f"logit_spread = {spread:g}", most))
    return laws


def self_weight_laws(kernel: Kernel, d: int, n: int, max_logit: float) -> list[Law]:
    """What bounds the geometric mean of the n self-weights."""
    laws = []
    rank, squares = kernel.rank_bound(d), kernel.square_dim(d)
    if rank is not None:
        laws.append(_mean("L1", f"rank_bound({d}) = {rank}", rank, n))
    if squares is not None:
        laws.append(_mean("L1′", f"square_dim({d}) = {squares}", squares, n))
    if kernel.is_metric:
        laws.append(_mean("L3", "is_metric", 2, n))
    if d == 1 and kernel.is_quasiconvex(1):
        depths = math.prod(min(i, n - i + 1) for i in range(1, n + 1))
        laws.append(_root("L4", "is_quasiconvex(1)", Fraction(1, depths), n))
    if d == 1 and kernel.is_increasing:
        laws.append(_root("L4", "is_increasing", Fraction(1, math.factorial(n)), n))
    declared = kernel.logit_spread
    spread = min(2 * max_logit, math.inf if declared is None else declared)
    if spread < math.inf:
        reason = f"logit_spread = {declared:g}" if spread == declared else f"max_logit={max_logit}"
        laws.append(Law("L6", reason, 1 / (1 + (n - 1) * math.exp(-spread))))
    return laws


def _mean(name: str, reason: str, total: float, n: int) -> Law:
    """The self-weights sum to ``total`` at most, so that their mean is total/n, or 1."""
    if total >= n:
        return Law(name, reason, 1.0, Fraction(1))
    share = Fraction(int(total), n)
    return Law(name, reason, float(share), share**n)


def _root(name: str, reason: str, power: Fraction, n: int) -> Law:
    """The self-weights' product is ``power`` at most."""
    log = math.log(power.numerator) - math.log(power.denominator)  # of integers of any size
    return Law(name, reason, math.exp(log / n), power)


def least(laws: list[Law]) -> Law | None:
    """The strongest of them, the first among equals; None where there is none."""
    return min(laws, key=lambda law: law.bound, default=None)
