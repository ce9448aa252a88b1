"""The offsets of a machine: which it fits, and their values at new points."""

from __future__ import annotations

from typing import Any

import numpy as np

from rkbs._arrays import check_number
from rkbs.data._entities import Entities
from rkbs.problems.offsets import Offsets

EFFECTS = ("row", "column")


def make_offsets(
    fit_intercept: Any, effects: Any, effects_alpha: Any, x: Entities, y: Entities
) -> Offsets:
    """The offsets that a machine's parameters ask for.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter that does not fit.
    """
    if not isinstance(fit_intercept, (bool, np.bool_)):
        raise TypeError(f"fit_intercept must be True or False, got {fit_intercept!r}")
    known = isinstance(effects, (tuple, list)) and all(effect in EFFECTS for effect in effects)
    if not known or len(set(effects)) < len(effects):
        raise ValueError(
            f'effects must be a tuple of "row", "column" or both, such as ("row",), got {effects!r}'
        )
    if effects_alpha is not None:
        check_number(effects_alpha, "effects_alpha", above=0.0)
        if not effects:
            raise ValueError(
                f"effects_alpha={effects_alpha!r} is the weight of effects, of which there are "
                'none: pass effects=("row", "column"), or effects_alpha=None'
            )
    rows, columns = (
        np.unique(domain.first(), return_inverse=True)[1] if effect in effects else None
        for effect, domain in zip(EFFECTS, (x, y), strict=True)
    )
    return Offsets(bool(fit_intercept), rows, columns, effects_alpha)


def effects_of(effects: np.ndarray | None, new: Entities, known: Entities) -> np.ndarray | float:
    """The effect of each new point, 0 of an entity that the fit did not have."""
    if effects is None:
        return 0.0
    same = new.same(known)
    return np.where(same.any(1), effects[same.argmax(1)], 0.0)
