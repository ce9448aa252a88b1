"""One style for every figure; figure functions take results and return a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's palette, told apart with any color vision; lines also differ by marker."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

SIGNED_MAP, POSITIVE_MAP = "RdBu_r", "viridis"
"""Color maps: diverging around zero, and sequential."""

_STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "pdf.fonttype": 42,
    "svg.hashsalt": "rkbs",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in rkbs's style inside this context, leaving matplotlib's own settings alone."""
    with mpl.rc_context(_STYLE):
        yield


def save(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write ``<stem>.pdf`` (vector) and ``<stem>.png``, and return both paths."""
    stem = Path(stem)
    pdf, png = stem.with_suffix(".pdf"), stem.with_suffix(".png")
    with style():
        # No creation date: the same record gives the same file.
        figure.savefig(pdf, metadata={"CreationDate": None, "ModDate": None})
        figure.savefig(png, metadata={"Software": None})
    return pdf, png


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
    axis.set(yscale="log", xticks=[1, 2, 4, 8, 12, 16])
    axis.plot(dims[told], levels[told], color="black", lw=1, label="Schmidt floor", zorder=4)
    for (label, errors), color, marker in zip(heads.items(), COLORS, MARKERS, strict=False):
        medians = [np.median(errors[d]) for d in errors]
        axis.plot(list(errors), medians, color=color, zorder=1)  # beneath the gray, where it cuts
        axis.plot(list(errors), medians, marker, color=color, zorder=3)
        axis.plot([], [], color=color, label=label, marker=marker)
        for d, values in errors.items():
            axis.plot([d] * len(values), values, marker, color=color, alpha=0.5, zorder=3)
    bottom, top = axis.get_ylim()
    below = "no logit can be here (or rounding)"
    gray = {"color": "0.88", "lw": 0, "zorder": 2}
    axis.fill_between(dims, bottom, np.maximum(levels, noise), label=below, **gray)
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
        axis.annotate(f"{mean:.3f}", (mean, row - 0.34), ha="center", va="bottom", color=color)
    axis.set_yticks(range(len(scores)), list(scores))
    axis.set_ylim(len(scores) - 0.4, -0.8)
