"""scikit-learn's contract of ``feature_names_in_``, for each of the two domains."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rkbs.data.pairs import Pairs

_SHOWN = 8
"""Names in a message."""


def named(pairs: Pairs, names: Sequence[str] | None) -> Pairs:
    """The pairs of a table with the names of its columns."""
    if names is None:
        return pairs
    split = pairs.X.shape[1]
    return replace(
        pairs, feature_names_x=tuple(names[:split]), feature_names_y=tuple(names[split:])
    )


def keep_names(machine: Any, pairs: Pairs) -> None:
    """Names of the features as attributes, which do not exist where there are none."""
    x, y = pairs.feature_names_x, pairs.feature_names_y
    attributes = {"x_": x, "y_": y, "": x + y if x and y else None}
    for suffix, names in attributes.items():
        attribute = f"feature_names_in_{suffix}"
        if names:
            setattr(machine, attribute, np.array(names, dtype=object))
        elif hasattr(machine, attribute):
            delattr(machine, attribute)


def check_names(machine: Any, names: Sequence[str] | None, domain: str) -> None:
    """What is predicted must come with the names of the fit, in their order, or with none.

    Parameters
    ----------
    machine : PairMachine
        Fitted.
    names : sequence of str or None
    domain : {"X", "Y"}

    Raises
    ------
    ValueError
        For other names, or another order.

    Warns
    -----
    UserWarning
        Where only one of the two has names.
    """
    attribute = f"feature_names_in_{domain.lower()}_"
    fitted, kind = getattr(machine, attribute, None), type(machine).__name__
    if fitted is None and names is None:
        return
    if names is None:
        warnings.warn(
            f"{domain} does not have valid feature names, but {kind} was fitted with feature "
            f"names: pass a data frame with the columns {_listed(fitted)}",
            stacklevel=4,
        )
    elif fitted is None:
        warnings.warn(
            f"{domain} has feature names, but {kind} was fitted without feature names",
            stacklevel=4,
        )
    elif tuple(names) != tuple(fitted):
        order = (
            f": pass {domain}[list(machine.{attribute})]"
            if set(fitted) <= set(names)
            else f", got {_listed(names)}"
        )
        raise ValueError(
            f"The feature names of {domain} should match those that were passed during fit, in "
            f"the same order, {_listed(fitted)}{order}"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"[{shown}{', …' * (len(names) > _SHOWN)}]"
