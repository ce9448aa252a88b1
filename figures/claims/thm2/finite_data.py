"""Theorem 2 on finite, noisy data: errors against pairs and d, ratios, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.finite_data",)
CAPTION = (
    "Top: errors at pairs of two new points against the number of noisy pairs observed, means and "
    "intervals over seeds; the dashed line is the noise, and row and column means the simplest "
    "predictor. Bottom left: the error of trained attention over that of each machine, for every "
    "kind of test pairs and some variations, with ticks for single cells; right of the black line "
    "attention is worse. Bottom middle: attention by its d, over the least error of its rank, in "
    "gray. Bottom right: floating-point operations, selection included."
)

LABELS = {
    "ridge": "kernel ridge",
    "nuclear norm": "nuclear norm",
    "attention": "trained attention",
    "means": "row + column means",
}
LOOKS = plotting.looks(LABELS)
LIMIT_LOOK = {"color": plotting.COLORS[4], "marker": "v"}
MACHINES = ("ridge", "nuclear norm")
FURTHER = {
    "d in hindsight": "d in hindsight",
    "noise 0.05 over 0.3": "at less noise / at more",
    "the same cell": "one cell, less noise",
    "4 × the steps, one cell": "there, 4 × the steps",
}
Rows = list[dict[str, Any]]


def _where(rows: Rows, **wanted: Any) -> Rows:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _errors(axis: Axes) -> None:
    """Ticks 0.1, 0.2, 0.5, … on a logarithmic axis of errors."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def _curve(axis: Axes, rows: Rows, abscissa: str, name: str) -> None:
    """Means and intervals of one contestant."""
    rows = sorted(rows, key=itemgetter(abscissa))
    x, mean, low, high = ([row[key] for row in rows] for key in (abscissa, "mean", "low", "high"))
    axis.plot(x, mean, label=LABELS[name], **LOOKS[name])
    axis.fill_between(x, low, high, color=LOOKS[name]["color"], alpha=0.15, lw=0)


def _pairs(axis: Axes, rows: Rows, formula: str) -> None:
    """Error against the number of pairs."""
    for name in LABELS:
        _curve(axis, _where(rows, contestant=name), "pairs", name)
    axis.axhline(
        rows[0]["noise"], **plotting.LIMIT, ls="--", zorder=0, label="noise of the responses"
    )
    axis.set(xscale="log", xlabel="pairs observed", title=formula)
    _errors(axis)
    plotting.set_ticks(axis.xaxis, sorted({row["pairs"] for row in rows}))


def _ratios(axis: Axes, data: dict[str, Any]) -> None:
    """Attention over both machines by kind of test pairs and by variation, with intervals."""
    labels = [*data["kinds"], *FURTHER.values()]
    for shift, machine in ((-0.2, "ridge"), (0.2, "nuclear norm")):
        look, compared = LOOKS[machine], _where(data["comparisons"], machine=machine)
        found = [_where(compared, kind=kind, cell=None)[0] for kind in data["kinds"]]
        found += [data["further"][f"attention/{machine}, {name}"] for name in FURTHER]
        for place, row in enumerate(found):
            y = place + shift
            axis.plot([row["low"], row["high"]], [y, y], color=look["color"], lw=1.8)
            axis.plot([row["ratio"]], [y], mec="white", ms=4.5, mew=0.5, **look)
        for place, kind in enumerate(data["kinds"]):
            cells = [row["ratio"] for row in _where(compared, kind=kind) if row["cell"]]
            y = [place + shift] * len(cells)
            axis.plot(cells, y, "|", color=look["color"], alpha=0.5, ms=5)
    axis.axvline(1, **plotting.LIMIT)
    axis.axhline(len(data["kinds"]) - 0.5, color="0.6", lw=0.6, ls=":")
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xscale="log", ylim=(len(labels) - 0.5, -0.6), title="attention / machine")
    axis.set_xlabel("ratio of errors")
    plotting.set_ticks(axis.xaxis, (0.7, 1, 1.5, 2, 3))


def _dimensions(axis: Axes, rows: Rows, target: str) -> None:
    """Heads of fixed d over the least error of their rank, beside both machines."""
    n = max(row["n"] for row in _where(rows, target=target))
    mine = _where(rows, target=target, n=n)
    heads, limits = (
        sorted(_where(mine, contestant=f"{name} at d"), key=itemgetter("d"))
        for name in ("attention", "limit")
    )
    _curve(axis, heads, "d", "attention")
    dims, floor = [row["d"] for row in heads], [row["floor"] for row in heads]
    for name, phase in (("ridge", 0), ("nuclear norm", 4)):  # one's dashes in the other's gaps
        (machine,) = _where(mine, contestant=name)
        axis.axhline(machine["mean"], color=LOOKS[name]["color"], ls=(phase, (4, 4)), lw=1.4)
    bottom, top = 0.005, 5.0
    fitted = np.minimum([row["median"] for row in limits], top / 1.4)
    axis.plot(
        dims, fitted, ls="none", ms=5, label="fitted to the limit (top: above it)", **LIMIT_LOOK
    )
    axis.plot(dims, floor, **plotting.LIMIT, label="least error of rank d + 1")
    axis.fill_between(dims, np.finfo(float).tiny, floor, **plotting.OUT_OF_REACH)
    axis.set(xscale="log", ylim=(bottom, top), xlabel="head dimension d")
    _errors(axis)
    plotting.set_ticks(axis.xaxis, dims)
    axis.set_title(f"{target}, {n} × {n} pairs")


def _cost(axis: Axes, rows: Rows) -> None:
    """FLOPs against pairs: a marker for each target."""
    for name in ("ridge", "nuclear norm", "attention"):
        mine = _where(rows, contestant=name)
        pairs, flops = [row["pairs"] for row in mine], [row["flops"] for row in mine]
        axis.plot(pairs, flops, ls="none", **LOOKS[name])
        counts = sorted(set(pairs))
        means = [np.mean([row["flops"] for row in mine if row["pairs"] == n]) for n in counts]
        axis.plot(counts, means, color=LOOKS[name]["color"])
    axis.set(xscale="log", yscale="log", xlabel="pairs observed", title="cost")
    axis.set_ylabel("FLOPs")
    plotting.set_ticks(axis.xaxis, counts)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Above: pairs by target. Below: ratios, d, cost."""
    data = found["thm2.finite_data"].data
    targets, loud = list(data["formulas"]), max(row["noise"] for row in data["estimates"])
    rows = _where(data["estimates"], noise=loud, share=1.0)  # whole grids, at the larger noise
    figure = Figure(figsize=(plotting.PAGE, 5.6))
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.45))
    axes = above.subplots(1, len(targets))
    for axis, target in zip(axes, targets, strict=True):
        _pairs(axis, _where(rows, target=target), data["formulas"][target])
    axes[0].set_ylabel("error (sd of F)")
    ratios, dimensions, cost = below.subplots(1, 3, width_ratios=(1.1, 1, 1))
    _ratios(ratios, data)
    _dimensions(dimensions, rows, targets[0])
    dimensions.set_ylabel("error (sd of F)")
    _cost(cost, rows)
    shown: dict[str, Any] = {}
    for axis in (axes[0], dimensions):
        handles, labels = axis.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    below.legend(shown.values(), shown, loc="outside lower center", ncols=4)
    return figure
