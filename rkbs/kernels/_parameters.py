"""Parameters of kernels: a number, or one for each head.

Points of H heads are arrays (..., H, n, d). A parameter of shape (H,) acts along their axis −3:
each head has its own value.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np

from rkbs._arrays import Array, as_floating, is_tensor, namespace
from rkbs.kernels._pairwise import common_dtype

Parameter = Any
"""A real number, a tensor of shape () or (H,), or a tuple of H numbers."""


REAL, POSITIVE, ARRAY = ({"rkbs.parameter": kind} for kind in ("real", "positive", "array"))
"""What a field's ``metadata`` says of a parameter: then it is checked, and a module can train it.

A number or a value for each head, any or positive; or an array of numbers, which only trains.
"""


def parameter_kinds(owner: Any) -> dict[str, str]:
    """The names of an object's parameters, and of each whether it is positive, real or an array."""
    kinds = {entry.name: entry.metadata.get("rkbs.parameter") for entry in fields(owner)}
    return {name: kind for name, kind in kinds.items() if kind is not None}


class Parametric:
    """A kernel with parameters, equal to another by their values; a tensor equals itself alone.

    To compare tensors would read them, and several numbers have no truth value. What inherits this
    is a dataclass with ``eq=False``. Fields whose ``metadata`` is ``REAL`` or ``POSITIVE`` are
    checked: numbers, or arrays of shape (H,) for the heads of points (..., H, n, d), as which
    ``per_head`` gives them to a formula. ``LearnedKernel`` trains them, and those of ``ARRAY``.

    Examples
    --------
    >>> from dataclasses import dataclass, field
    >>> from rkbs.kernels import POSITIVE, Kernel, Parametric, per_head
    >>> @dataclass(frozen=True, eq=False)
    ... class Affine(Parametric, Kernel):
    ...     slope: float = field(default=1.0, metadata=POSITIVE)
    ...     def formula(self, x, y):
    ...         return 1 + per_head(self, "slope", x, y) * (x @ y.mT)
    >>> Affine(0.5)([[2.0]], [[1.0]])
    array([[2.]])
    >>> Affine(-0.5)
    Traceback (most recent call last):
    ValueError: Affine(slope=…) must be positive and finite, got -0.5
    """

    def __post_init__(self) -> None:
        for name, kind in parameter_kinds(self).items():
            check_parameter(self, name, positive=kind == "positive")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(map(_same, _values(self).values(), _values(other).values()))

    def __hash__(self) -> int:
        parts = (v.shape if isinstance(v, np.ndarray) else v for v in _values(self).values())
        return hash((type(self), *parts))

    def _with_heads(self) -> list[str]:
        """The parameters that have a value for each head."""
        return [name for name, value in _values(self).items() if _is_array(value)]


def _values(owner: Any) -> dict[str, Any]:
    return {field.name: getattr(owner, field.name) for field in fields(owner)}


def _same(a: Any, b: Any) -> bool:
    if a is b or is_tensor(a) or is_tensor(b):
        return a is b
    arrays = isinstance(a, np.ndarray), isinstance(b, np.ndarray)
    return np.array_equal(a, b) if all(arrays) else not any(arrays) and a == b


def _is_array(value: Any) -> bool:
    return isinstance(value, tuple) or (is_tensor(value) and value.ndim > 0)


def is_scalar(value: Any) -> bool:
    """Whether ``value`` is a real number or a 0-d tensor."""
    if isinstance(value, (int, float, np.floating, np.integer)):
        return not isinstance(value, bool)
    return is_tensor(value) and value.ndim == 0


def check_parameter(kernel: Any, name: str, positive: bool) -> None:
    """Check a parameter; a tensor's numbers pass unread, since training may move them anywhere.

    A numpy scalar becomes a Python number, which leaves the dtype of float32 points alone; an array
    of shape (H,) becomes a tuple of them, into which nobody writes.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, what it is and what it may be.
    """
    value = getattr(kernel, name)
    where = f"{type(kernel).__name__}({name}=…)"
    if not is_scalar(value):
        value = _of_heads(value, where)
    if is_tensor(value):
        return
    for index, number in enumerate(numbers(value)):
        if not math.isfinite(number) or (positive and number <= 0):
            at = f" at index {index}" * isinstance(value, tuple)
            wanted = f"{'positive and ' * positive}finite"
            raise ValueError(f"{where} must be {wanted}, got {number!r}{at}")
    object.__setattr__(kernel, name, value.item() if isinstance(value, np.generic) else value)


def _of_heads(value: Any, where: str) -> Parameter:
    """A tensor (H,), or the H numbers of an array as a tuple; the one of an array without axes."""
    if not (is_tensor(value) or isinstance(value, (np.ndarray, tuple, list))):
        raise TypeError(
            f"{where} must be a real number or a 0-d tensor, or, with a value for each of H heads, "
            f"an array or tensor of shape (H,), got {value!r}"
        )
    array = as_floating(value, where)
    if array.ndim > 1 or 0 in array.shape:
        raise ValueError(
            f"{where} must be a number, or have shape (H,) with a value for each of H heads, got "
            f"shape {tuple(array.shape)}"
        )
    if is_tensor(array):
        return array
    return tuple(array.tolist()) if array.ndim else array.item()


def numbers(value: Parameter) -> tuple[float, ...]:
    """The number, or those of all heads; a tensor is read."""
    if is_tensor(value):
        return tuple(value.detach().reshape(-1).tolist())
    return value if isinstance(value, tuple) else (value,)


def absolute(value: Parameter) -> Parameter:
    """|value|, head by head."""
    return tuple(map(abs, value)) if isinstance(value, tuple) else abs(value)


# ---- heads


def per_head(kernel: Any, name: str, x: Array, y: Array) -> Any:
    """A parameter as it meets values (..., H, n, m): a number, or an array of shape (H, 1, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import RBF, per_head
    >>> points = np.zeros((2, 5, 3))  # of two heads
    >>> per_head(RBF([1.0, 2.0]), "tau", points, points).shape
    (2, 1, 1)

    Raises
    ------
    ValueError
        Where its heads are not those of the points.
    """
    value = getattr(kernel, name)
    if is_scalar(value):
        return value
    check_heads(f"{type(kernel).__name__}({name}=…)", len(value), x, y)
    return fitting(value, x, y)[:, None, None]


def fitting(value: Any, x: Array, y: Array) -> Array:
    """Parameters in the framework, precision (float32 or wider) and device of the points."""
    xp = namespace(x)
    dtype = xp.promote_types(common_dtype(x, y), xp.float32)
    if not is_tensor(x):
        return np.asarray(value, dtype)
    if is_tensor(value):
        return value.to(x.device, dtype)
    writable = np.array(value)  # of others torch makes a tensor with a warning
    return xp.as_tensor(writable, dtype=dtype, device=x.device)


def check_heads(where: str, heads: int, x: Array, y: Array) -> None:
    """``ValueError`` unless axis −3 of x and y counts these heads, or one of them is 1."""
    found = {z.shape[-3] for z in (x, y) if z.ndim > 2}
    if found and (heads == 1 or (max(found) == heads and found <= {1, heads})):
        return
    shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
    got = f"have shapes {shapes}" if found else f"have no such axis, their shapes are {shapes}"
    raise ValueError(
        f"{where} has a value for each of {heads} heads, so axis −3 of the points, (..., {heads}, "
        f"n, d), must be of length {heads}; x and y {got}"
    )


def head_parameter(kernel: Any) -> str | None:
    """The name of a parameter with heads, in the kernel or in those that it is made of."""
    if isinstance(kernel, Parametric) and (names := kernel._with_heads()):
        return f"{type(kernel).__name__}({names[0]}=…)"
    if isinstance(kernel, (tuple, list)):
        parts = kernel
    else:
        parts = vars(kernel).values() if hasattr(kernel, "log_formula") else ()
    return next(filter(None, map(head_parameter, parts)), None)
