"""Theorem 2 in a Transformer: errors of encoder blocks by d and heads, and on noisy pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.transformer",)
CAPTION = (
    "Errors of one trained encoder block against the dimension d of its heads, medians over seeds, "
    "on three surfaces: un-normalized heads on F (top), softmax heads on F less its row means "
    "(middle). The black line is the floor of any logit of dimension d, which several heads of "
    "dimension one pass; gray are two-tower logits trained as long, dashed and dotted lines kernel "
    "machines on the same tokens. Bottom: errors on noisy pairs over those of kernel ridge, with "
    "intervals over seeds."
)

KERNELS = {"edp": "EDP", "rbf": "RBF", "l2": "L2 distance", "ei": "EI", "quadratic": "quadratic"}
FORMS = ((False, False, "un-normalized, on F"), (True, True, "softmax, on F less row means"))
Rows = list[dict[str, Any]]


def _where(rows: Rows, **wanted: Any) -> Rows:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _medians(axis: Axes, rows: Rows, **look: Any) -> None:
    dims = sorted({row["d"] for row in rows})
    medians = [np.median([row["error"] for row in _where(rows, d=d)]) for d in dims]
    axis.plot(dims, medians, **look)


def _panel(axis: Axes, rows: Rows, rulers: Rows, width: int) -> None:
    looks = plotting.looks(KERNELS)
    for kernel, look in looks.items():
        for heads, style in ((1, {"ls": ":", "mfc": "white"}), (4, {"ls": "-"})):
            mine = _where(rows, kernel=kernel, heads=heads, width=width)
            if mine:
                _medians(axis, mine, **look, **style)
    _medians(axis, _where(rulers, what="two towers", width=width), color="0.55", marker="x")
    floors = sorted(_where(rulers, what="floor"), key=lambda row: row["d"])
    axis.plot([r["d"] for r in floors], [r["error"] for r in floors], **plotting.LIMIT)
    for machine, style in (("ridge", "--"), ("nuclear norm", ":")):
        level = _where(rulers, what=machine)[0]["error"]
        axis.axhline(level, color="0.3", ls=style, lw=1)
    axis.set(xscale="log", yscale="log", ylim=(5e-5, 1.5))
    plotting.set_ticks(axis.xaxis, sorted({row["d"] for row in rows}))


def _noisy(axis: Axes, ratios: dict[str, dict[str, float]]) -> None:
    names = list(ratios)
    for place, name in enumerate(names):
        found = ratios[name]
        axis.plot([found["low"], found["high"]], [place, place], color=plotting.COLORS[0])
        axis.plot(found["ratio"], place, "o", color=plotting.COLORS[0])
    axis.axvline(1, **plotting.LIMIT)
    axis.set(xscale="log", xlabel="error on noisy pairs / that of kernel ridge")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    low, high = axis.get_xlim()
    ticks = (0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3)
    plotting.set_ticks(axis.xaxis, [place for place in ticks if low <= place <= high])


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Surfaces in columns, forms in rows, and the noisy pairs."""
    data = found["thm2.transformer"].data
    names = list(dict.fromkeys(row["target"] for row in data["rows"]))[:3]
    width = max(row["width"] for row in data["rows"])
    figure = Figure(figsize=(plotting.PAGE, 6.6))
    grid = figure.add_gridspec(3, len(names), height_ratios=(3, 3, 2))
    for line, (normalized, centered, what) in enumerate(FORMS):
        for column, name in enumerate(names):
            axis = figure.add_subplot(grid[line, column])
            rows = _where(data["rows"], target=name, normalized=normalized, centered=centered)
            rulers = _where(data["yardsticks"], target=name, centered=centered)
            _panel(axis, rows, rulers, width)
            if line == 0:
                axis.set_title(name)
            else:
                axis.set_xlabel("head dimension d")
            if column == 0:
                axis.set_ylabel(f"{what}\nerror / norm")
            else:
                axis.tick_params(labelleft=False)
    _noisy(figure.add_subplot(grid[2, :]), data["noisy_ratios"])
    used = {row["kernel"] for row in data["rows"]}
    looks = plotting.looks(KERNELS)
    handles = [Line2D([], [], label=KERNELS[k], **looks[k]) for k in KERNELS if k in used]
    handles += [
        Line2D([], [], color="0.3", marker="o", label="4 heads"),
        Line2D([], [], color="0.3", marker="o", mfc="white", ls=":", label="1 head"),
        Line2D([], [], color="0.55", marker="x", label="two towers"),
        Line2D([], [], **plotting.LIMIT, label="floor of a logit"),
        Line2D([], [], color="0.3", ls="--", lw=1, label="ridge"),
        Line2D([], [], color="0.3", ls=":", lw=1, label="nuclear norm"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
