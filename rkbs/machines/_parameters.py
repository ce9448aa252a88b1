"""Parameters of kernels, losses, penalties and solvers by scikit-learn's names: kernel_x__tau."""

from __future__ import annotations

import dataclasses
from typing import Any


def nested(owner: Any, name: str) -> dict[str, Any]:
    """``name__parameter`` ↦ value for each parameter of an object, and of those it is made of.

    The kernels of a sum or product are ``a`` and ``b``: ``kernel_x__a__tau``; those of a
    ``WeightedSum`` go by their numbers, ``kernel_x__kernels__0__tau``.
    """
    found = {}
    for part, value in _parts(owner).items():
        found[f"{name}__{part}"] = value
        found |= nested(value, f"{name}__{part}")
    return found


def changed(owner: Any, changes: dict[str, Any], name: str) -> Any:
    """Another object, with some parameters changed: one itself never changes.

    Raises
    ------
    ValueError
        For a parameter that it has not, naming those that it has.
    """
    before, parts, deeper = _parts(owner), {}, {}
    for key, value in changes.items():
        part, _, rest = key.partition("__")
        if part not in before:
            there = ", ".join(f"{name}__{each}" for each in before) or "none"
            raise ValueError(f"{name}__{part} is no parameter of {owner!r}; it has {there}")
        if rest:
            deeper.setdefault(part, {})[rest] = value
        else:
            parts[part] = value
    for part, inner in deeper.items():
        parts[part] = changed(parts.get(part, before[part]), inner, f"{name}__{part}")
    if isinstance(owner, tuple):
        return tuple((before | parts).values())
    return dataclasses.replace(owner, **parts)


def _parts(owner: Any) -> dict[str, Any]:
    """The parameters of a dataclass, or several by their numbers; else they are not known."""
    if isinstance(owner, tuple) and owner and all(map(dataclasses.is_dataclass, owner)):
        return {str(k): part for k, part in enumerate(owner)}
    if isinstance(owner, type) or not dataclasses.is_dataclass(owner):
        return {}
    return {part.name: getattr(owner, part.name) for part in dataclasses.fields(owner) if part.init}
