"""Theorem 2: what softmax forgets, a factor per target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.softmax_factor",)
CAPTION = (
    "Softmax heads h, trained on the normalized rows of κ* from several seeds: their difference "
    "from log κ*, against the target t. A band is its range over all sources s after Adam; the "
    "line is the head trained on to the limit, where the range is narrower than the line. So what "
    "the rows leave open is a function of t alone, and the limit to what they tell: each seed ends "
    "at another one."
)


def _panel(axis: Axes, rows: list[dict[str, Any]]) -> None:
    by_seed: dict[int, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], {})[row["kind"]] = row
    for seed, look in plotting.looks(by_seed).items():
        adam, limit = (by_seed[seed][kind] for kind in ("Adam", "limit"))
        band = {"color": look["color"], "alpha": 0.3, "lw": 0}
        axis.fill_between(adam["t"], adam["lowest"], adam["highest"], **band)
        axis.plot(limit["t"], limit["factor"], markevery=6, **look)
    axis.set(xlabel="target t", xticks=[-1, 0, 1])


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each kernel."""
    data = found["thm2.softmax_factor"].data
    figure = Figure(figsize=(plotting.PAGE, 2.6))
    axes = figure.subplots(1, len(data["formulas"]))
    for axis, (name, formula) in zip(axes, data["formulas"].items(), strict=True):
        rows = [row for row in data["rows"] if row["target"] == name]
        _panel(axis, rows)
        axis.set_title(f"κ* = {formula}")
    axes[0].set_ylabel("h(t, s) − log κ*(t, s)")
    seeds = sorted({row["seed"] for row in data["rows"]})
    looks = plotting.looks(seeds)
    handles = [Line2D([], [], label=f"seed {seed}", **looks[seed]) for seed in seeds]
    handles.append(Line2D([], [], color="0.5", lw=6, alpha=0.4, label="Adam: range over s"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
