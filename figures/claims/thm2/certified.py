"""Theorem 2, uniformly: certified sup errors against d, and where the errors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.certified",)
CAPTION = (
    "Top: certified upper bounds of the largest error over the whole square, of heads trained by "
    "variable projection and by plain Adam; the lower bounds are nearer than a marker is wide, and "
    "stars are heads with random hidden layers, untrained. The table is the least d that was "
    "certified below each ε, for variable projection; plain Adam reaches none of these levels. "
    "Bottom: residuals of heads of one dimension for two targets, with a cross where the error is "
    "largest: corners, or the kink."
)

METHODS = {"VariableProjection": "variable projection", "Adam": "plain Adam"}


def _brackets(axis: Axes, rows: list[dict[str, Any]], method: str) -> None:
    looks = plotting.looks(row["target"] for row in rows)
    for name, look in looks.items():
        mine = [row for row in rows if (row["target"], row["method"]) == (name, method)]
        upper = [row["upper"] for row in mine]
        axis.plot([row["d"] for row in mine], upper, label=name.replace("_", " "), **look)
        if method == "VariableProjection":
            frozen = [r for r in rows if (r["target"], r["method"]) == (name, "constructive")]
            where = [r["d"] for r in frozen], [r["upper"] for r in frozen]
            axis.plot(*where, "*", color=look["color"], mfc="none", ms=7)
    axis.set(yscale="log", xlabel="head dimension d", title=METHODS[method])
    axis.set_xticks(sorted({row["d"] for row in rows} - {2}))  # whose label would touch that of 1


def _needed(axis: Axes, table: list[dict[str, Any]], levels: list[float]) -> None:
    """The least d certified below each ε."""
    mine = [entry for entry in table if entry["method"] == "VariableProjection"]
    shown = [[np.nan if d is None else d for d in entry["d"]] for entry in mine]
    axis.imshow(np.array(shown, float), cmap="viridis_r", vmin=0, vmax=40, aspect="auto")
    for y, entry in enumerate(mine):
        for x, d in enumerate(entry["d"]):
            axis.text(x, y, "–" if d is None else d, ha="center", va="center")
    powers = [f"$10^{{{round(np.log10(level))}}}$" for level in levels]
    axis.set_xticks(range(len(levels)), powers, rotation=45)
    axis.set_yticks(range(len(mine)), [entry["target"].replace("_", " ") for entry in mine])
    axis.tick_params(length=0)
    axis.set(xlabel="ε", title="least d certified below ε")


def _residual(
    axis: Axes, picture: dict[str, Any], surface: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    residual = np.array(surface["values"]) - np.array(picture["fit"])
    top = np.abs(residual).max()
    image = axis.imshow(
        residual, origin="lower", extent=(-1, 1, -1, 1), cmap=plotting.SIGNED_MAP, vmin=-top,
        vmax=top,
    )  # fmt: skip
    axis.figure.colorbar(image, ax=axis, location="bottom", shrink=0.9, label="F − G")
    wanted = (picture["target"], picture["d"], picture["method"])
    (row,) = (row for row in rows if (row["target"], row["d"], row["method"]) == wanted)
    axis.plot(*row["where"][::-1], "kx", ms=6, mew=1.5, clip_on=False)
    method = METHODS[picture["method"]]
    axis.set_title(f"{surface['formula']}, d = {picture['d']}\n{method}")
    axis.set(xlabel="s", xticks=[-1, 0, 1], yticks=[-1, 0, 1])


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Upper bounds by method and the table; residuals of two targets and both methods."""
    data = found["thm2.certified"].data
    figure = Figure(figsize=(plotting.PAGE, 5.2))
    above, below = figure.subfigures(2, 1, height_ratios=(1.25, 1))
    axes = above.subplots(1, 3, width_ratios=(1, 1, 1.1))
    for axis, method in zip(axes, METHODS, strict=False):
        _brackets(axis, data["rows"], method)
    axes[1].sharey(axes[0])
    axes[1].tick_params(labelleft=False)
    axes[0].set_ylabel("certified upper bound\nof sup |F − G|")
    _needed(axes[2], data["table"], data["levels"])
    above.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8,
                 columnspacing=0.8, handlelength=1.2)  # fmt: skip
    axes = below.subplots(1, len(data["pictures"]))
    for axis, picture in zip(axes, data["pictures"], strict=True):
        _residual(axis, picture, data["surfaces"][picture["target"]], data["rows"])
    axes[0].set_ylabel("t")
    return figure
