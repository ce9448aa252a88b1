"""Parameters of kernels under the names that scikit-learn gives to nested ones: kernel_x__tau."""

from __future__ import annotations

import dataclasses
from typing import Any

from rkbs.kernels.base import Kernel


def nested(kernel: Any, name: str) -> dict[str, Any]:
    """``name__parameter`` ↦ value for each parameter of a kernel, and of the kernels it is made of.

    Those of a sum or product are ``a`` and ``b``: ``kernel_x__a__tau``.
    """
    found = {}
    for part, value in _parts(kernel).items():
        found[f"{name}__{part}"] = value
        found |= nested(value, f"{name}__{part}")
    return found


def changed(kernel: Any, changes: dict[str, Any], name: str) -> Any:
    """Another kernel, with some parameters changed: a kernel itself never changes.

    Raises
    ------
    ValueError
        For a parameter that it has not, naming those that it has.
    """
    known, parts, deeper = tuple(_parts(kernel)), {}, {}
    for key, value in changes.items():
        part, _, rest = key.partition("__")
        if part not in known:
            there = ", ".join(f"{name}__{each}" for each in known) or "none"
            raise ValueError(f"{name}__{part} is no parameter of {kernel!r}; it has {there}")
        if rest:
            deeper.setdefault(part, {})[rest] = value
        else:
            parts[part] = value
    for part, inner in deeper.items():
        parts[part] = changed(parts.get(part, getattr(kernel, part)), inner, f"{name}__{part}")
    return dataclasses.replace(kernel, **parts)


def _parts(kernel: Any) -> dict[str, Any]:
    """The parameters of a kernel; of what is no dataclass they are not known."""
    if not (isinstance(kernel, Kernel) and dataclasses.is_dataclass(kernel)):
        return {}
    return {field.name: getattr(kernel, field.name) for field in dataclasses.fields(kernel)}
