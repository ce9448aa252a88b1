"""Scalar parameters of kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rkbs._arrays import is_tensor


def is_scalar(value: Any) -> bool:
    """Whether ``value`` is a real number or a 0-d tensor."""
    if isinstance(value, (int, float, np.floating, np.integer)):
        return not isinstance(value, bool)
    return is_tensor(value) and value.ndim == 0


def check_parameter(kernel: Any, name: str, positive: bool) -> None:
    """Check a scalar parameter; a tensor passes unread, since training may move it anywhere.

    A numpy scalar becomes a Python number, which leaves the dtype of float32 points alone.
    """
    value = getattr(kernel, name)
    where = f"{type(kernel).__name__}({name}=…)"
    if not is_scalar(value):
        raise TypeError(f"{where} must be a real number or a 0-d tensor, got {value!r}")
    if is_tensor(value):
        return
    if not math.isfinite(value) or (positive and value <= 0):
        raise ValueError(f"{where} must be {'positive and ' * positive}finite, got {value!r}")
    if isinstance(value, np.generic):
        object.__setattr__(kernel, name, value.item())
