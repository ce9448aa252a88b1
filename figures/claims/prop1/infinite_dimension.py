"""Proposition 1: certified rank against the number of points, and the decay of eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.infinite_dimension",)
CAPTION = (
    "Left: the certified rank of the Gram matrix of n random points. The black diagonal, rank n, "
    "is the most that is possible: EDP, RBF, EI, Laplace and the L2 distance stay on it as far as "
    "was tried, while each polynomial kernel stops at the dotted line of its predicted dimension. "
    "Right: the eigenvalues of such a matrix. Those of the polynomial kernels end at their rank; "
    "those of EDP and RBF never end, and fall so fast that floats alone could not tell."
)

SHOWN = ("linear", "quadratic, γ = 0", "quadratic, γ = 1", "Taylor 3", "Taylor 4", "Taylor 5")
TOP = 28


def _rank_panel(axis: Axes, data: dict[str, Any]) -> None:
    """Exact ranks in the plane; black: the diagonal, of infinite dimension."""
    d = data["d"]
    finite = {row["kernel"]: row for row in data["finite"] if row["d"] == d}
    infinite = {row["kernel"]: row for row in data["infinite"] if row["d"] == d}
    reached = min(row["rank"] for row in infinite.values())
    axis.plot([0, TOP], [0, TOP], **plotting.LIMIT, zorder=1)
    whole = range(2, min(TOP, reached) + 1)
    axis.plot(whole, whole, ".", color="0.45", ms=3, zorder=2)
    note = ", ".join(infinite).replace("EI", "\nEI") + f":\nrank n, as far as n = {reached}"
    axis.annotate(note, (0.5, TOP + 1.5), va="top", fontsize=7)
    for name, look in plotting.looks(SHOWN).items():
        row = finite[name]
        n, rank = zip(*row["curve"], strict=True)
        axis.plot([0, TOP], [row["dim"]] * 2, color="black", lw=0.6, ls=":", zorder=1)
        axis.plot(n[row["dim"] - 1 :], rank[row["dim"] - 1 :], ls="none", zorder=3, **look)
        below = name == "linear"
        at = row["dim"] - 1 if row["dim"] > TOP / 2 else TOP  # left of the markers, or right
        axis.annotate(
            f"{name}: {row['dim']}",
            (at, row["dim"]),
            (0, -1 if below else 1),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color=look["color"],
            fontsize=7,
        )
    axis.set(xlim=(0, TOP), ylim=(0, TOP + 2), title=f"rank, d = {d}")
    axis.set(xlabel="points n", ylabel="certified rank of the Gram matrix")


def _decay_panel(axis: Axes, spectra: dict[str, list[float]]) -> None:
    """|λ_i|/|λ_1|; polynomial kernels end at their rank."""
    for name, look in plotting.looks(spectra).items():
        sizes = spectra[name]
        finite = name.startswith("Taylor")
        label = f"{name} (rank {len(sizes)})" if finite else name
        line = "--" if finite else "-"
        axis.plot(range(1, len(sizes) + 1), sizes, line, markevery=3, label=label, **look)
    count = max(map(len, spectra.values()))
    axis.set(yscale="log", xlabel="index i", ylabel="|λ$_i$| / |λ$_1$|")
    axis.set_title(f"eigenvalues of the Gram matrix, {count} points")
    axis.legend(loc="lower left")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Rank against the number of points; decay of eigenvalues."""
    data = found["prop1.infinite_dimension"].data
    figure = Figure(figsize=(plotting.PAGE, 3.3))
    left, right = figure.subplots(1, 2)
    _rank_panel(left, data)
    _decay_panel(right, data["spectra"])
    return figure
