"""Proposition 1: certified rank against the number of points, and the decay of eigenvalues."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

SHOWN = ("linear", "quadratic, γ = 0", "quadratic, γ = 1", "Taylor 3", "Taylor 4", "Taylor 5")


def _rank_panel(axis: Axes, data: dict[str, Any]) -> None:
    """Exact ranks in the plane; black: prediction, the diagonal for infinite dimension."""
    d = data["d"]
    finite = {row["kernel"]: row for row in data["finite"] if row["d"] == d}
    infinite = {row["kernel"]: row for row in data["infinite"] if row["d"] == d}
    reached = min(row["rank"] for row in infinite.values())
    top = 30
    axis.plot([0, top], [0, top], color="black", lw=0.8, zorder=1)
    whole = range(2, min(top, reached) + 1)
    axis.plot(whole, whole, ".", color="0.45", zorder=2)
    note = ", ".join(infinite).replace("EI", "\nEI") + f":\nrank n, certified up to n = {reached}"
    axis.annotate(note, (1, top - 0.5), va="top")
    for name, color, marker in zip(SHOWN, plotting.COLORS, plotting.MARKERS, strict=False):
        row = finite[name]
        n, rank = zip(*row["curve"], strict=True)
        axis.plot([0, top], [row["dim"]] * 2, color="black", lw=0.6, ls=":", zorder=1)
        axis.plot(n[row["dim"] - 1 :], rank[row["dim"] - 1 :], marker, color=color, zorder=3)
        below = name == "linear"
        axis.annotate(
            f"{name}: {row['dim']}",
            (top, row["dim"]),
            (0, -1 if below else 1),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color=color,
        )
    axis.set(xlim=(0, top), ylim=(0, top), title=f"rank, d = {d}")
    axis.set(xlabel="points n", ylabel="certified rank of the Gram matrix")


def _decay_panel(axis: Axes, spectra: dict[str, list[float]]) -> None:
    """|λ_i|/|λ_1|; polynomial kernels end at their rank."""
    for (name, sizes), color, marker in zip(
        spectra.items(), plotting.COLORS, plotting.MARKERS, strict=True
    ):
        dashes = "--" if name.startswith("Taylor") else "-"
        index = range(1, len(sizes) + 1)
        label = f"{name} (rank {len(sizes)})" if name.startswith("Taylor") else name
        axis.plot(index, sizes, dashes, color=color, marker=marker, markersize=3, label=label)
    count = max(map(len, spectra.values()))
    axis.set(yscale="log", xlabel="index i", ylabel="|λ$_i$| / |λ$_1$|")
    axis.set_title(f"eigenvalues of the Gram matrix, {count} points")
    axis.legend(loc="lower left")


def draw(folder: Path) -> Figure:
    """Rank against the number of points; decay of eigenvalues."""
    data = load_record("prop1.infinite_dimension", folder).evidence.data
    figure = Figure(figsize=(8.0, 3.8))
    left, right = figure.subplots(1, 2)
    _rank_panel(left, data)
    _decay_panel(right, data["spectra"])
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
