"""Numbers of several groups beside each other, over a floor or by fold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from rkbs.plotting.sheet import COLORS, LIMIT, OUT_OF_REACH, looks


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
