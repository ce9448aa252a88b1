"""The few questions that numpy and torch answer differently, asked in one place.

torch is never imported here: if a caller holds a tensor, torch is already in ``sys.modules``.
"""

from __future__ import annotations

import math
import numbers
import sys
from dataclasses import fields
from inspect import isabstract, signature
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rkbs._frames import is_tensor, to_numpy

if TYPE_CHECKING:
    from torch import Tensor

Array = Any
"""A numpy array or a torch tensor."""
SameArray = TypeVar("SameArray", np.ndarray, "Tensor")
"""Numpy arrays or torch tensors: what is given and what comes back are of one kind."""


def namespace(x: Array) -> ModuleType:
    """The module whose functions work on ``x``: torch for a tensor, numpy otherwise."""
    return sys.modules["torch"] if is_tensor(x) else np


def as_floating(x: Array, name: str) -> Array:
    """``x`` as a floating array: integers become float64, a tensor stays one.

    Raises
    ------
    TypeError
        For what is not an array of real numbers.
    """
    if is_tensor(x):
        if not x.is_floating_point():
            advice = f": pass {name}.double()" * (not x.is_complex())
            raise TypeError(f"{name} must be a floating tensor, got {x.dtype}{advice}")
        return x
    x = to_numpy(x, name)
    if x.dtype.kind in "iu":
        return x.astype(np.float64)
    if x.dtype.kind != "f":
        advice = (
            ": encode text and categories as numbers, for example as columns of 0 and 1; "
            f"np.asarray({name}, dtype=float) converts numbers that are Python objects"
        ) * (x.dtype.kind in "OUST" and x.ndim > 0)
        raise TypeError(f"{name} must be an array of real numbers, got dtype {x.dtype}{advice}")
    return x


def check_finite(x: Array, name: str, hint: str = "") -> Array:
    """``x`` unchanged; a numpy array with NaN or infinity raises ``ValueError``.

    Tensors pass unread: the test would force a device to synchronize inside a training step.
    """
    if not is_tensor(x) and not np.isfinite(x).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(
            f"{name} contains NaN or infinity (first at index {where}); expected finite numbers"
            + hint
        )
    return x


def as_points(x: Array, name: str) -> Array:
    """Check a set of points, ``(..., n, d)`` with n, d ≥ 1, real and finite, and return it.

    Booleans are features 0 and 1 here, as fingerprints of molecules are.
    """
    return _points(x if is_tensor(x) else to_numpy(x, name), name, x)


def _points(x: Array, name: str, given: Any) -> Array:
    """As ``as_points``, of what was ``given``."""
    x = as_floating(x.astype(np.float64) if not is_tensor(x) and x.dtype.kind == "b" else x, name)
    if x.ndim < 2:
        array = is_tensor(given) or isinstance(given, np.ndarray)
        raise ValueError(
            f"{name} must have shape (..., n, d), a row per point; got shape {tuple(x.shape)}. "
            f"Reshape a single feature with {name if array else f'np.asarray({name})'}"
            ".reshape(-1, 1)."
        )
    if 0 in x.shape:
        raise ValueError(f"{name} must hold at least one point, got shape {tuple(x.shape)}")
    return check_finite(x, name)


def as_matrix(x: Array, name: str) -> np.ndarray:
    """Check a finite, non-empty real matrix and return it as a numpy array."""
    matrix = _points(to_numpy(x, name), name, x)
    if matrix.ndim != 2:
        raise ValueError(f"{name} must be a matrix, got shape {matrix.shape}")
    return matrix


def as_real(x: Array, name: str) -> np.ndarray:
    """Check finite real numbers of any shape and return them as a numpy array in float64."""
    return check_finite(as_floating(to_numpy(x, name), name).astype(float), name)


def check_count(value: Any, name: str, least: int = 1) -> int:
    """``value`` as an int ≥ ``least``; else ``TypeError`` or ``ValueError``."""
    value = _number_of(value)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def check_number(
    value: Any, name: str, *, least: float | None = None, above: float | None = None
) -> float:
    """``value`` as a finite float, ≥ ``least``, > ``above``; else ``TypeError``, ``ValueError``."""
    value = _number_of(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    wanted = "positive and finite" if above == 0 else "finite"
    wanted += f" and ≥ {least}" if least is not None else ""
    wanted += f" and > {above}" if above else ""
    too_small = (least is not None and value < least) or (above is not None and value <= above)
    if not math.isfinite(value) or too_small:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return float(value)


def _number_of(value: Any) -> Any:
    """The number that an array or tensor without axes holds; anything else unchanged."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def check_kinds(owner: Any, **kinds: type) -> None:
    """``TypeError`` for an attribute that is not of its class."""
    for name, kind in kinds.items():
        if not isinstance(getattr(owner, name), kind):
            raise kind_error(getattr(owner, name), name, kind)


def kind_error(value: Any, name: str, kind: type, or_none: str = "") -> TypeError:
    """The error of a ``value`` that is not of the class ``kind``: its type, and what to pass.

    The value itself may be an array of any size, and is not shown.
    """
    if isinstance(value, type):
        got = f"the class {value.__name__}"
        advice = f": did you mean {value.__name__}()?" * (value in _ready(kind))
    else:
        plain = value is None or isinstance(value, (str, numbers.Number))
        got = f"{value!r:.50}" if plain else type(value).__name__
        choices = sorted(f"{cls.__name__}()" for cls in _ready(kind))
        advice = f": choose from {', '.join(choices)}" * (plain and len(choices) > 0)
    return TypeError(f"{name} must be a {kind.__name__}{or_none}, got {got}{advice}")


def _ready(kind: type) -> set[type]:
    """The public classes below an abstract one that can be made without arguments."""
    below = set().union(*({child, *_ready(child)} for child in kind.__subclasses__()))
    return {cls for cls in below if not isabstract(cls) and cls.__name__[0] != "_" and _bare(cls)}


def _bare(cls: type) -> bool:
    return all(p.default is not p.empty for p in signature(cls).parameters.values())


def short_repr(owner: Any) -> str:
    """``Name(field=value, …)`` of a dataclass or a named tuple, arrays by their dtype and shape.

    A class takes it as its ``__repr__``: problems and solutions hold arrays of any size, and error
    messages show them.
    """
    names = getattr(owner, "_fields", None) or [f.name for f in fields(owner) if f.repr]
    parts = (f"{name}={_short(getattr(owner, name))}" for name in names)
    return f"{type(owner).__name__}({', '.join(parts)})"


def _short(value: Any) -> str:
    if is_tensor(value) or isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}".removeprefix("torch.")
    if hasattr(value, "_fields"):
        return short_repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_short, value))})"
    if isinstance(value, list):
        return f"list[{len(value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_short(item)}' for key, item in value.items())}}}"
    return value.__name__ if isinstance(value, FunctionType) else repr(value)


def as_domains(x: Array, y: Array) -> tuple[Array, Array]:
    """Check targets x and sources y; each keeps its dtype.

    Raises
    ------
    TypeError
        For dtypes that are not real, or when only one of the two is a tensor.
    ValueError
        For a wrong number of axes, no points, NaN or infinity.
    """
    x, y = as_points(x, "x"), as_points(y, "y")
    if is_tensor(x) != is_tensor(y):
        raise TypeError(
            f"x and y must both be numpy arrays or both torch tensors, got {type(x).__name__} "
            f"and {type(y).__name__}"
        )
    return x, y


def cast(x: Array, dtype: Any) -> Array:
    """``x`` in ``dtype``, without a copy where it has it already."""
    return x.to(dtype) if is_tensor(x) else x.astype(dtype, copy=False)


def check_same_dimension(x: Array, y: Array) -> None:
    """``ValueError`` where the dimensions d of ``x (..., n, d)`` and ``y (..., m, d)`` differ."""
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"x and y must share their last axis: x has dimension {x.shape[-1]} (shape "
            f"{tuple(x.shape)}), y has {y.shape[-1]} (shape {tuple(y.shape)}). Bring two domains "
            "to one space with kernel.pullback(map_x, map_y)."
        )


def first_equal(rows: np.ndarray) -> np.ndarray:
    """The number of the first row that equals each row, (n,), of a finite matrix."""
    seen: dict[int, list[int]] = {}  # by a hash, which takes no memory
    out = np.arange(len(rows))
    for k, row in enumerate(rows):
        alike = seen.setdefault(hash((row + 0.0).tobytes()), [])  # −0.0 is 0.0
        out[k] = next((first for first in alike if np.array_equal(rows[first], row)), k)
        if out[k] == k:
            alike.append(k)
    return out
