"""Section 5: how many of 12 points select their target, tied and untied."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.mercer",)
CAPTION = (
    "Twelve points that are to select each other in cycles of two, three and four: how many do, "
    "the best of trained heads (bars), and at most by the law (black). Tied EDP, a Mercer kernel, "
    "makes half of all pairs; a symmetric kernel that is not positive semi-definite makes all of "
    "them, and loses one of each longer cycle, with a bias per key too. Untied EDP, neither "
    "symmetric nor Mercer, makes all."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A group of bars for each length."""
    data = found["sec5.mercer"].data
    rows, points = data["rows"], data["points"]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    lengths = sorted({row["length"] for row in rows})
    width = 0.8 / len(arms)
    figure = Figure(figsize=(plotting.COLUMN, 2.9))
    axis = figure.subplots()
    for place, (arm, look) in enumerate(plotting.looks(arms).items()):
        mine = {row["length"]: row for row in rows if row["arm"] == arm}
        left = [group - 0.4 + width * place for group in range(len(lengths))]
        best = [mine[length]["best"] for length in lengths]
        axis.bar(left, best, 0.9 * width, align="edge", color=look["color"], label=arm)
        laws = [mine[length]["law"] for length in lengths]
        axis.hlines(laws, left, [x + 0.9 * width for x in left], color="black", lw=2)
    axis.plot([], [], color="black", lw=2, label="law")
    axis.set_xticks(range(len(lengths)), [f"cycles of {length}" for length in lengths])
    axis.set(ylabel=f"selected, of {points}", ylim=(0, points + 0.5))
    plotting.set_ticks(axis.yaxis, (0, 6, 8, 9, 12))
    figure.legend(loc="outside lower center", ncols=3)
    return figure
