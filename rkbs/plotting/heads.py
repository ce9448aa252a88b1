"""Heads of a Transformer, a cell each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from rkbs.plotting.sheet import OUT_OF_REACH, POSITIVE_MAP


def audit_map(
    axis: Axes, table: Sequence[Mapping[str, Any]], measure: str, **colors: Any
) -> AxesImage:
    """Draw a measure of each head as a cell, a row for each layer, of ``Audit.table()``.

    Heads that have none are gray. ``figure.colorbar`` of what is returned is the scale.

    Parameters
    ----------
    axis : Axes
    table : list of dict
        With ``layer`` and ``head`` in each.
    measure : str
        A column of numbers, such as ``"antisymmetric_share"``.
    **colors
        As of ``Axes.imshow``: ``vmin``, ``vmax``, ``cmap``.

    Raises
    ------
    ValueError
        For a measure that no head has.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from rkbs.plotting import audit_map
    >>> rows = [{"layer": "blocks.0", "head": 0, "ratio": 0.5}]
    >>> audit_map(Figure().subplots(), rows, "ratio").get_array().data
    array([[0.5]])
    """
    layers = list(dict.fromkeys(row["layer"] for row in table))
    cells = np.full((len(layers), 1 + max((row["head"] for row in table), default=0)), np.nan)
    for row in table:
        if row.get(measure) is not None:
            cells[layers.index(row["layer"]), row["head"]] = row[measure]
    if np.isnan(cells).all():
        known = [name for row in table for name, x in row.items() if isinstance(x, float)]
        raise ValueError(
            f"measure must be a column of numbers, such as {', '.join(dict.fromkeys(known))}; no "
            f"head has {measure!r}"
        )
    axis.set_facecolor(OUT_OF_REACH["color"])
    image = axis.imshow(
        np.ma.masked_invalid(cells), **{"cmap": POSITIVE_MAP, "aspect": "auto"} | colors
    )
    axis.set_xticks(range(0, cells.shape[1], 1 + cells.shape[1] // 16))
    axis.set_yticks(range(len(layers)), _apart(layers))
    axis.set(xlabel="head", ylabel="layer")
    axis.tick_params(length=0)
    return image


def _apart(names: Sequence[str]) -> list[str]:
    """Names with dots between their parts, without those parts that all have."""
    parts = [name.split(".") for name in names]
    lengths = {len(part) for part in parts}
    if len(lengths) > 1 or len(names) < 2:
        return list(names)
    differ = [k for k in range(lengths.pop()) if len({part[k] for part in parts}) > 1]
    return [".".join(part[k] for k in differ) for part in parts]
