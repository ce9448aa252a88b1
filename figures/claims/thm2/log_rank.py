"""What exp and softmax change: the bound for signed kernels, the free factor, and what d pays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.records import load_record

TICKS = [1, 2, 4, 8, 16]
LINKS = {"linear": ("h", 0), "exp": ("$e^h$", 1), "softmax": ("softmax of h", 2)}
"""By link, its label and the index of its color and marker."""
TITLES = {"row_factor": r"log κ* = $\cos 4t+ts+\cos 2t\,P_2(s)$"}
SHOWN = "sine"
"""The target whose factors are drawn."""


def _best(rows: list[dict[str, Any]], **labels: Any) -> tuple[list[int], list[float]]:
    """The smallest error/bound over seeds, by dimension."""
    rows = [row for row in rows if all(row[key] == value for key, value in labels.items())]
    dims = sorted({row["d"] for row in rows})
    return dims, [min(r["error"] / r["bound"] for r in rows if r["d"] == d) for d in dims]


def _signed_panel(axis: Axes, data: dict[str, Any]) -> None:
    styles = {
        "exp, softplus": ("-", "full", "$e^h$, closed form"),
        "exp, trained": (":", "none", "$e^h$, Adam"),
        "linear": ("--", "full", "h itself"),
    }
    looks = list(zip(data["signed"], plotting.COLORS, plotting.MARKERS, strict=False))
    for name, color, marker in looks:
        for kind, (line, fill, _) in styles.items():
            found = _best(data["rows"], target=name, kind=kind)
            axis.plot(*found, line, color=color, marker=marker, fillstyle=fill)
    axis.axhspan(0, 1, color="0.9", lw=0)
    axis.text(15.5, 0.86, r"no $G>0$ is here", ha="right", fontsize=8)
    axis.set(xscale="log", ylim=(0, 2.3), xlabel="d", title="signed targets")
    axis.set_ylabel(r"best L² error / $\|\kappa^{*-}\|$")
    axis.set_xticks(TICKS, TICKS)
    axis.set_xticks([], minor=True)
    marks = [
        Line2D([], [], color=color, marker=marker, lw=0, label=f"κ* = {data['formulas'][name]}")
        for name, color, marker in looks
    ]
    lines = [
        Line2D([], [], color="0.3", ls=line, label=label) for line, _, label in styles.values()
    ]
    names = axis.legend(handles=marks, loc="upper right", fontsize=6, handletextpad=0.1)
    axis.add_artist(names)
    axis.legend(handles=lines, loc="lower right", fontsize=7, bbox_to_anchor=(1, 0.08))


def _factor_panel(axis: Axes, data: dict[str, Any]) -> None:
    rows = [row for row in data["rows"] if row["target"] == SHOWN]
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    for seed, color, marker in zip(seeds, plotting.COLORS, plotting.MARKERS, strict=False):
        adam, limit = (
            next(row for row in rows if (row["seed"], row["kind"]) == (seed, kind))
            for kind in ("Adam", "limit")
        )
        axis.fill_between(adam["t"], adam["lowest"], adam["highest"], color=color, alpha=0.3, lw=0)
        axis.plot(limit["t"], limit["factor"], color=color, marker=marker, markevery=6)
    spread = max(row["spread"] for row in rows if row["kind"] == "limit")
    axis.set(xlabel="t", ylabel="h(t, s) − log κ*(t, s)")
    axis.set_title(f"softmax heads, κ* = {data['formulas'][SHOWN]}, {len(seeds)} seeds")
    labels = ("Adam: range over s", f"in the limit: spread {spread:.0e}")
    handles = [Line2D([], [], color="0.5", lw=6, alpha=0.4), Line2D([], [], color="0.3")]
    axis.legend(handles, labels, loc="best", fontsize=7)


def _rank_panel(axis: Axes, data: dict[str, Any], name: str, links: tuple[str, ...]) -> None:
    rows = [row for row in data["rows"] if row["target"] == name]
    error = "logit_error" if "softmax" in links else "error"
    for link in links:
        label, index = LINKS[link]
        color, marker = plotting.COLORS[index], plotting.MARKERS[index]
        mine = [row for row in rows if row["link"] == link]
        for kind, fill in (("limit", "full"), ("Adam", "none")):
            some = [row for row in mine if row["kind"] == kind]
            d, errors = [row["d"] for row in some], [_scaled(row, error) for row in some]
            axis.plot(d, errors, marker, color=color, fillstyle=fill, label=f"{label}, {kind}")
        limit = [row for row in mine if row["kind"] == "limit"]
        floors = {
            row["d"]: min(
                _scaled(r, "tail" if error == "logit_error" else "floor")
                for r in limit
                if r["d"] == row["d"]
            )
            for row in limit
            if row["tail"] > 10 * row["rounding"]
        }
        axis.plot(list(floors), list(floors.values()), color=color, lw=1)
    axis.set(yscale="log", ylim=(1e-13, 5), xlabel="d", xticks=[1, 2, 3, 4, 6, 8])
    axis.set_title(TITLES.get(name, f"κ* = {data['formulas'][name]}"))
    axis.set_ylabel(
        "L² error of h (softmax: up to c(t))" if error == "logit_error" else "L² error / ‖κ*‖"
    )


def _scaled(row: dict[str, Any], name: str) -> float:
    """Errors of κ* relative to ‖κ*‖, errors of logits as they are."""
    return row[name] / row["norm"] if name in ("error", "floor") else row[name]


def draw(folder: Path) -> Figure:
    """Above: bound, factor, what softmax saves. Below: exp and linear heads for three kernels."""
    ids = ("thm2.positive", "thm2.softmax_factor", "thm2.log_rank")
    positive, factor, rank = (load_record(i, folder).evidence.data for i in ids)
    figure = Figure(figsize=(9.6, 5.9))
    axes = figure.subplots(2, 3)
    _signed_panel(axes[0, 0], positive)
    _factor_panel(axes[0, 1], factor)
    _rank_panel(axes[0, 2], rank, "row_factor", ("exp", "softmax"))
    for axis, name in zip(axes[1], ("edp", "square", "affine"), strict=True):
        _rank_panel(axis, rank, name, ("linear", "exp"))
    shown = {}
    for axis in (axes[0, 2], axes[1, 1]):
        handles, labels = axis.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    shown = {k: v for k, v in shown.items() if k != "h, Adam"}
    shown["floors"] = Line2D([], [], color="0.3", lw=1)
    figure.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=len(shown))
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
