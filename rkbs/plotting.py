"""One style for every figure, and what several figures draw in the same way.

The style is ``rkbs.mplstyle`` beside this module: installed with the package, it is also
matplotlib's ``plt.style.use("rkbs.rkbs")``.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import _mathtext  # matplotlib has no setting for the size of sub- and superscripts
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

_STYLE = mpl.rc_params_from_file(
    Path(__file__).with_name("rkbs.mplstyle"), use_default_template=False
)

COLUMN, PAGE = 5.5, 6.75
"""Widths of figures in inches, as printed."""

COLORS = tuple(_STYLE["axes.prop_cycle"].by_key()["color"])
"""Told apart with any color vision; lines also differ by marker."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

SCRIPT_SIZE = 7 / 8
"""Of sub- and superscripts, relative to their text: 7 points in text of 8, not matplotlib's 5.6."""

SIGNED_MAP, POSITIVE_MAP = "RdBu_r", "viridis"
"""Color maps: diverging around zero, and sequential."""

LIMIT = {"color": "black", "lw": 0.9}
"""How the best-known limit is drawn, a bound or a floor."""

TOLERANCE = {**LIMIT, "ls": "--", "label": "tolerance of the claim"}
"""How a bound is drawn that a claim sets for itself."""

OUT_OF_REACH = {"color": "0.88", "lw": 0}
"""How the region beyond a limit is filled."""


@contextmanager
def style() -> Iterator[None]:
    """Draw in rkbs's style inside this context, leaving matplotlib's own settings alone."""
    before = _mathtext.SHRINK_FACTOR
    with mpl.rc_context(_STYLE):
        _mathtext.SHRINK_FACTOR = SCRIPT_SIZE
        try:
            yield
        finally:
            _mathtext.SHRINK_FACTOR = before


def save(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write ``<stem>.pdf`` (vector) and ``<stem>.png``, and return both paths."""
    stem = Path(stem)
    pdf, png = stem.with_suffix(".pdf"), stem.with_suffix(".png")
    with style():
        # No creation date: the same record gives the same file.
        figure.savefig(pdf, metadata={"CreationDate": None, "ModDate": None})
        figure.savefig(png, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return pdf, png


def looks(names: Iterable[Hashable]) -> dict[Hashable, dict[str, str]]:
    """A color and a marker for each name, in order, as keywords of ``plot``.

    Raises
    ------
    ValueError
        For more names than there are colors.
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(COLORS):
        raise ValueError(f"looks has {len(COLORS)} colors, got {len(names)} names: {names}")
    pairs = zip(COLORS, MARKERS, strict=True)
    return {
        name: {"color": color, "marker": marker}
        for name, (color, marker) in zip(names, pairs, strict=False)
    }


def set_ticks(axis: Axis, places: Iterable[float]) -> None:
    """Ticks at these places, with these labels, and none between: on logarithmic axes, too."""
    places = list(places)
    axis.set_ticks(places, [f"{place:g}" for place in places])
    axis.set_ticks([], minor=True)
    axis.set_tick_params(labelsize=7)  # as there are no superscripts


def name_points(axis: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Names beside points, toward the middle of the axis; those that coincide in one line.

    The limits of the axis must have been set.
    """
    groups: dict[tuple[float, float], list[str]] = {}
    for name, point in points.items():
        near = next((other for other in groups if _close(axis, other, point)), point)
        groups.setdefault(near, []).append(name)
    middle = axis.bbox.x0 + axis.bbox.width / 2
    for point, names in groups.items():
        left = axis.transData.transform(point)[0] > middle
        axis.annotate(
            ", ".join(names),
            point,
            xytext=(-6 if left else 6, 4),
            textcoords="offset points",
            ha="right" if left else "left",
            va="bottom",
            fontsize=7,
        )


def _close(axis: Axes, first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Whether the names of two points would lie upon each other."""
    (a, b), (c, d) = axis.transData.transform([first, second]) * 72 / axis.figure.dpi
    return abs(a - c) < 40 and abs(b - d) < 9


def ranges(
    axis: Axes, groups: Mapping[str, Mapping[float, Sequence[float]]], least: float = 0.0
) -> None:
    """Draw many numbers at each place of several groups: a marker at the median, a bar over all.

    Parameters
    ----------
    axis : Axes
    groups : mapping
        By label, the numbers at each place; groups after the first have hollow markers, too.
    least : float
        What is smaller is drawn here: 0 has no place on a logarithmic axis.
    """
    for hollow, (label, look) in enumerate(looks(groups).items()):
        places = sorted(groups[label])
        values = [np.maximum(groups[label][place], least) for place in places]
        face = {"mfc": "white"} if hollow else {}
        axis.vlines(places, [min(v) for v in values], [max(v) for v in values], look["color"])
        axis.plot(places, [np.median(v) for v in values], ls="none", label=label, **look, **face)


def error_against_dimension(
    axis: Axes,
    floor: tuple[Sequence[int], Sequence[float]],
    noise: float,
    heads: Mapping[str, Mapping[int, Sequence[float]]],
) -> None:
    """Draw L² errors of heads over the Schmidt floor: a marker each, a line through the medians.

    Parameters
    ----------
    axis : Axes
    floor : (dimensions, floors)
        Shaded below, since no logit of dimension d can be there.
    noise : float
        The level of rounding: floors under it are unresolved and not drawn.
    heads : mapping
        By label, the errors of each dimension.
    """
    dims, levels = np.array(floor[0]), np.array(floor[1])
    told = levels > noise
    axis.set_yscale("log")
    axis.set_xticks([1, 4, 8, 12, 16])
    axis.plot(dims[told], levels[told], **LIMIT, label="Schmidt floor", zorder=4)
    for (label, errors), look in zip(heads.items(), looks(heads).values(), strict=True):
        color, marker = look["color"], look["marker"]
        medians = [np.median(errors[d]) for d in errors]
        axis.plot(list(errors), medians, color=color, zorder=1)  # beneath the gray, where it cuts
        axis.plot(list(errors), medians, marker, color=color, zorder=3)
        axis.plot([], [], label=label, **look)
        for d, values in errors.items():
            axis.plot([d] * len(values), values, marker, color=color, alpha=0.5, zorder=3)
    bottom, top = axis.get_ylim()
    below = "no logit can be here (or rounding)"
    axis.fill_between(
        dims, bottom, np.maximum(levels, noise), label=below, **OUT_OF_REACH, zorder=2
    )
    axis.set_ylim(bottom, top)


def scores_by_fold(
    axis: Axes, scores: Mapping[str, Sequence[float]], highlight: Collection[str]
) -> None:
    """Draw a score of several predictors: a marker per fold and a bar at the mean.

    Parameters
    ----------
    axis : Axes
    scores : mapping
        By predictor, one score per fold; predictors are drawn from top to bottom.
    highlight : collection of str
        The predictors to set apart by color and by marker.
    """
    for row, (name, values) in enumerate(scores.items()):
        ours = name in highlight
        color, marker = (COLORS[1], "D") if ours else (COLORS[0], "o")
        axis.plot(values, [row] * len(values), marker, color=color, alpha=0.6)
        mean = float(np.mean(values))
        axis.plot([mean, mean], [row - 0.3, row + 0.3], color=color, lw=2)
        label = axis.annotate(f"{mean:.3f}", (mean, row - 0.34), ha="center", va="bottom")
        label.set(color=color, bbox={"fc": "white", "ec": "none", "pad": 0.5})
    axis.set_yticks(range(len(scores)), list(scores))
    axis.set_ylim(len(scores) - 0.4, -0.8)


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
