"""What ``capacity`` and ``self_weight`` take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rkbs._arrays import kind_error
from rkbs.kernels._parameters import head_parameter
from rkbs.kernels.base import Kernel, _tensor_parameter, parts_of
from rkbs.kernels.entity import Identity
from rkbs.kernels.precomputed import Precomputed


def checked_logit(max_logit: Any) -> float:
    """A positive number or infinity."""
    number = isinstance(max_logit, (int, float, np.integer, np.floating))
    if not number or isinstance(max_logit, bool):
        raise TypeError(f"max_logit must be a real number or math.inf, got {max_logit!r}")
    if not max_logit > 0:
        raise ValueError(f"max_logit must be positive, got {max_logit!r}")
    return float(max_logit)


def checked_kernel(kernel: Kernel, d: int) -> Kernel:
    """The kernel, if rows of its values on points of R^d can be normalized."""
    if not isinstance(kernel, Kernel):
        raise kind_error(kernel, "kernel", Kernel)
    if name := _tensor_parameter(kernel):
        raise TypeError(
            f"kernel must have numbers as parameters, but {name} is a torch tensor: pass "
            "numbers, such as tensor.item(), or arrays, such as tensor.numpy(force=True)"
        )
    for part in _parts(kernel):
        if isinstance(part, (Precomputed, Identity)):
            raise ValueError(
                f"kernel must be a function of points that can be arranged in R^d, but {part!r} "
                "goes by who they are"
            )
    if name := head_parameter(kernel):
        raise ValueError(
            f"kernel must be that of one head, but {name} has a value for each head: pass one"
        )
    point = np.ones((1, d))
    try:
        kernel(point, point)
    except ValueError as error:
        raise ValueError(f"kernel must take points of R^{d} on both sides: {error}") from error
    if kernel.is_nonnegative is not True:
        told = "is not" if kernel.is_nonnegative is False else "does not say: set is_nonnegative"
        raise TypeError(
            "kernel must be known to be non-negative so that rows of weights can be normalized; "
            f"{kernel!r} {told}"
        )
    if kernel.rank_bound(d) == 0:
        raise ValueError(
            "kernel must not be 0 everywhere so that rows of weights can be normalized; "
            f"{kernel!r} has rank 0"
        )
    return kernel


def _parts(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel and those it is made of."""
    yield kernel
    for part in parts_of(kernel):
        yield from _parts(part)
