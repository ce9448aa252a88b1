"""Theorem 2 on finite, noisy data: errors against pairs, noise and d, and what they cost."""

from __future__ import annotations

import sys
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from rkbs import plotting
from verify.harness.records import load_record

STYLES = {
    name: {"color": color, "marker": marker}
    for name, color, marker in zip(
        ("ridge", "nuclear norm", "attention", "means"),
        (*plotting.COLORS[:3], "0.55"),
        plotting.MARKERS,
        strict=False,
    )
}
LABELS = {
    "ridge": "kernel ridge (leave-one-out)",
    "nuclear norm": "nuclear norm (cross-validation)",
    "attention": "trained attention (held-out pairs)",
    "means": "row + column means",
}
PATIENT = "attention, 4 × the steps"
LOUD = 0.3
MACHINES = tuple(STYLES)[:3]
Rows = list[dict[str, Any]]


def _where(rows: Rows, **wanted: Any) -> Rows:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _plain(axis: Axes) -> None:
    """Ticks 0.1, 0.2, 0.3, 0.5, … on a logarithmic axis of errors."""
    axis.set(yscale="log", ylabel="error (sd of F)")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5), numticks=20))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def _columns(rows: Rows, *names: str) -> np.ndarray:
    """A line for each name, over the rows."""
    return np.array([[row[name] for row in rows] for name in names])


def _curve(axis: Axes, rows: Rows, abscissa: str, name: str) -> None:
    """Means and intervals of one contestant."""
    rows = sorted(rows, key=itemgetter(abscissa))
    x, mean, low, high = _columns(rows, abscissa, "mean", "low", "high")
    axis.plot(x, mean, **STYLES[name], label=LABELS[name])
    axis.fill_between(x, low, high, color=STYLES[name]["color"], alpha=0.18, lw=0)


def _pairs_panel(axis: Axes, rows: Rows, target: str, formula: str) -> None:
    """Error against the number of pairs; hollow where half of a grid was observed."""
    mine = _where(rows, target=target, noise=LOUD)
    for name in STYLES:
        _curve(axis, _where(mine, contestant=name, share=1.0), "pairs", name)
        for half in _where(mine, contestant=name, share=0.5):
            mean, low, high = half["mean"], half["low"], half["high"]
            style = {**STYLES[name], "mfc": "white", "lw": 1, "zorder": 4}
            shift = 1 + 0.07 * (list(STYLES).index(name) - 1.5)
            bars = [[mean - low], [high - mean]]
            axis.errorbar([half["pairs"] * shift], [mean], bars, ls="none", **style)
    axis.axhline(LOUD, color="black", lw=0.8, ls="--", zorder=0, label="noise of the responses")
    counts = sorted({row["pairs"] for row in mine})
    axis.set(xscale="log", xlabel="pairs observed")
    _plain(axis)
    axis.set_xticks(counts, [str(n) for n in counts])
    axis.set_xticks([], minor=True)
    axis.set_title(f"F = {formula}")


def _ratio_panel(axis: Axes, compared: Rows, kinds: list[str]) -> None:
    """Attention over both machines by kind of test pairs, with intervals."""
    for shift, machine in ((-0.12, "ridge"), (0.12, "nuclear norm")):
        for place, kind in enumerate(kinds):
            cells = [r for r in compared if (r["machine"], r["kind"]) == (machine, kind)]
            singles = [r["ratio"] for r in cells if r["cell"]]
            overall = next(r for r in cells if not r["cell"])
            y, color = place + shift, STYLES[machine]["color"]
            axis.plot(singles, [y] * len(singles), "|", color=color, alpha=0.5, ms=7)
            axis.plot([overall["low"], overall["high"]], [y, y], color=color, lw=2.2)
            axis.plot([overall["ratio"]], [y], **STYLES[machine], ms=6, mec="white")
    axis.axvline(1, color="black", lw=0.8)
    axis.set_yticks(range(len(kinds)), kinds)
    axis.set(
        xscale="log", ylim=(len(kinds) - 0.5, -0.5), xlabel="attention/machine; over 1 it is worse"
    )
    ticks = (0.7, 1, 1.5, 2, 3)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.set_title("ratios of errors (thin: single cells)")


def _noise_panel(axis: Axes, rows: Rows) -> None:
    """Attention and the nuclear norm at two levels of noise; a line style for each target."""
    quiet = [row for row in rows if row["noise"] < LOUD]
    n = quiet[0]["n"]
    names = dict.fromkeys(row["target"] for row in quiet)
    for target, line in zip(names, ("-", "--", ":"), strict=False):
        mine = _where(rows, target=target, n=n, share=1.0)
        for name in ("nuclear norm", "attention"):
            theirs = sorted(_where(mine, contestant=name), key=itemgetter("noise"))
            levels, mean, low, high = _columns(theirs, "noise", "mean", "low", "high")
            shift = 0.97 if name == "attention" else 1.03
            axis.errorbar(shift * levels, mean, [mean - low, high - mean], ls=line, **STYLES[name])
        for patient in _where(mine, contestant="patient attention"):
            color, where = STYLES["attention"]["color"], patient["noise"] / 1.2
            axis.plot([where], [patient["mean"]], "v", color=color, mfc="white", label=PATIENT)
        axis.plot([], [], ls=line, color="black", label=target.replace("_", " "))
    levels = sorted({row["noise"] for row in rows})
    axis.set(xscale="log", xlabel="noise (sd of F)")
    _plain(axis)
    axis.set_xticks(levels, [f"{level:g}" for level in levels])
    axis.set_xticks([], minor=True)
    axis.set_xlim(levels[0] / 1.5, levels[-1] * 1.5)
    axis.set_title(f"against noise, {n} × {n} pairs")
    axis.legend(fontsize=7, loc="best")


def _dimension_panel(axis: Axes, rows: Rows, target: str) -> None:
    """Heads of fixed d over the least error of their rank, beside both machines."""
    n = max(row["n"] for row in _where(rows, target=target))
    mine = _where(rows, target=target, n=n, noise=LOUD, share=1.0)
    heads, limits = (_where(mine, contestant=f"{name} at d") for name in ("attention", "limit"))
    heads, limits = (sorted(some, key=itemgetter("d")) for some in (heads, limits))
    _curve(axis, heads, "d", "attention")
    dims, floor = [row["d"] for row in heads], [row["floor"] for row in heads]
    for name, phase in (("ridge", 0), ("nuclear norm", 4)):  # one's dashes in the other's gaps
        (machine,) = _where(mine, contestant=name)
        axis.axhline(machine["mean"], color=STYLES[name]["color"], ls=(phase, (4, 4)), lw=1.4)
    bottom, top = floor[-1] / 1.3 if floor[-1] > 0.005 else 0.005, 4.0
    axis.plot(
        dims,
        np.minimum([row["median"] for row in limits], top / 1.25),
        "^",
        color=plotting.COLORS[3],
        ms=6,
        label="fitted to the limit (at the edge: above it)",
    )
    axis.plot(dims, floor, color="black", lw=1, label="least error of rank d + 1")
    axis.fill_between(dims, np.finfo(float).tiny, floor, color="0.88", lw=0)
    axis.set(xscale="log", ylim=(bottom, top), xlabel="head dimension d")
    _plain(axis)
    axis.set_xticks(dims, [str(d) for d in dims])
    axis.set_xticks([], minor=True)
    axis.set_title(f"against d, {target}, {n} × {n} pairs")


def _cost_panel(axis: Axes, rows: Rows, key: str, label: str) -> None:
    """Error against cost: a line through the sizes of each target, hollow where pairs miss."""
    for name in MACHINES:
        mine = _where(rows, contestant=name, noise=LOUD)
        for target in dict.fromkeys(row["target"] for row in mine):
            for share in (1.0, 0.5):
                cells = sorted(_where(mine, target=target, share=share), key=itemgetter("n"))
                face = {} if share == 1 else {"mfc": "white", "ls": "none"}
                axis.plot(*_columns(cells, key, "mean"), **STYLES[name], lw=0.8, **face)
    axis.set(xscale="log", xlabel=label)
    _plain(axis)


def draw(folder: Path) -> Figure:
    """Two lines of panels: pairs by target and ratios; noise, d, and both costs."""
    record = load_record("thm2.finite_data", folder)
    data = record.evidence.data
    rows = data["estimates"]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    figure = Figure(figsize=(12.4, 6.2))
    axes = figure.subplots(2, 4)
    for axis, target in zip(axes[0], targets, strict=False):
        _pairs_panel(axis, rows, target, data["formulas"][target])
    _ratio_panel(axes[0, len(targets)], data["comparisons"], data["kinds"])
    for axis in axes[0, len(targets) + 1 :]:
        axis.axis("off")
    _noise_panel(axes[1, 0], rows)
    _dimension_panel(axes[1, 1], rows, targets[0])
    _cost_panel(axes[1, 2], rows, "flops", "FLOPs, selection included")
    _cost_panel(axes[1, 3], rows, "seconds", "seconds, selection included")
    found = {}
    for axis in (axes[0, 0], axes[1, 1]):
        handles, labels = axis.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    found = {label: found[label] for label in dict.fromkeys((*LABELS.values(), *found))}
    figure.legend(found.values(), found, loc="outside lower center", ncols=4)
    axes[1, 2].set_title("cost (hollow: half of the pairs)")
    axes[1, 3].set_title(f"one thread, {record.device.split(',')[0]}")
    seeds = len({row["seed"] for row in data["rows"]})
    title = f"Errors on pairs of two new points; {seeds} seeds, 95 % intervals"
    figure.suptitle(title, fontsize=9)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
