"""Theorem 2 through other kernels: what a distance cannot."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.kernels_obstruction",)
CAPTION = (
    "Sup errors where descents over the points q and k end, for a surface whose values at four "
    "points are those of no distance; two starts for each dimension. The black line is the bound, "
    "certified in balls and attained on a line, and no kernel of this kind can be in the gray "
    "below it. More dimensions bring the best descents down to the bound, and none through it."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each kernel."""
    rows = found["thm2.kernels_obstruction"].data["rows"]
    figure = Figure(figsize=(plotting.COLUMN, 2.6))
    axes = figure.subplots(1, len(rows), sharey=True)
    looks = plotting.looks(row["kernel"] for row in rows)
    for axis, row in zip(axes, rows, strict=True):
        dims = sorted(set(row["dims"]))
        places = [dims.index(d) for d in row["dims"]]
        look = looks[row["kernel"]]
        axis.plot(places, row["descents"], ls="none", ms=5, label="descents", **look)
        axis.axhline(row["distance"], **plotting.LIMIT)
        axis.axhspan(0, row["distance"], **plotting.OUT_OF_REACH, zorder=0)
        note = f"no {row['kernel']} can be here"
        axis.annotate(note, (1, row["distance"] / 2), ha="center", va="center")
        axis.set(xlim=(-0.5, len(dims) - 0.5), ylim=(0, 1.1), title=row["kernel"])
        axis.set_xticks(range(len(dims)), dims)
        axis.set_xlabel("dimension d of q and k")
    axes[0].set_ylabel("sup error on the grid")
    return figure
