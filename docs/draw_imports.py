"""Draw docs/imports.svg: which folder imports which, counted in the code.

Run ``python docs/draw_imports.py`` from the checkout; a test asks whether the picture is current.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rkbs import plotting
from verify.harness.paths import ROOT
from verify.harness.provenance import Sources

PICTURE = Path(__file__).with_name("imports.svg")
LIBRARY = (
    *("data", "terms", "kernels", "spaces", "problems", "solvers", "machines"),
    *("approximation", "attention", "transformer", "laws", "plotting"),
)
VERIFICATION = ("harness", "studies", "oracles", "claims")


def counted(package: str, folders: tuple[str, ...]) -> Counter[tuple[str, str]]:
    """(importer, imported) ↦ how many modules of the one import a module of the other."""
    sources, found = Sources(), Counter()
    for module in sources.modules:
        mine = module.split(".")[:2]
        if mine[0] != package or mine[-1] not in folders or sources.passes_on(module):
            continue
        theirs = {home.split(".")[1] for home in sources.imported_by(module) if "." in home}
        found.update((mine[1], other) for other in theirs if other in folders and other != mine[1])
    return found


def draw(axis: Axes, package: str, folders: tuple[str, ...]) -> None:
    """A square for each folder (row) that imports another (column): below the diagonal, if any."""
    place = {name: k for k, name in enumerate(folders)}
    for (importer, imported), count in sorted(counted(package, folders).items()):
        x, y = place[imported], place[importer]
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=plotting.COLORS[5], lw=0))
        axis.text(x, y, str(count), ha="center", va="center")
    for k in range(len(folders)):
        axis.add_patch(Rectangle((k - 0.5, k - 0.5), 1, 1, color="0.85", lw=0))
    axis.set(
        xlim=(-0.5, len(folders) - 0.5),
        ylim=(len(folders) - 0.5, -0.5),
        xticks=range(len(folders)),
        yticks=range(len(folders)),
        aspect="equal",
        title=f"{package}/",
    )
    axis.set_xticklabels(folders, rotation=90)
    axis.set_yticklabels(folders)
    axis.grid(visible=False)


def picture() -> Figure:
    """The library on the left, the verification on the right."""
    figure = Figure(figsize=(6.75, 4.1), layout="constrained")
    figure.suptitle("How many modules of a row's folder import the column's folder", fontsize=8)
    left, right = figure.subplots(1, 2, width_ratios=(len(LIBRARY), len(VERIFICATION) + 2))
    draw(left, "rkbs", LIBRARY)
    draw(right, "verify", VERIFICATION)
    return figure


def text() -> str:
    """The picture as SVG, the same on every run."""
    with plotting.style(), matplotlib.rc_context({"svg.hashsalt": "rkbs", "svg.fonttype": "none"}):
        file = io.StringIO()
        picture().savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


if __name__ == "__main__":
    PICTURE.write_text(text(), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: drawn", file=sys.stderr)
