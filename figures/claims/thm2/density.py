"""Theorem 2: sup errors along growing heads."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm2.density",)
CAPTION = (
    "The largest error on a fine grid of heads with random hidden layers, as their dimension d and "
    "their width m grow together; a marker per seed, a line through the first. The black lines are "
    "what the claim asks of the head at their end: the lower one of the smooth targets, the upper "
    "one of the kinked target. Every curve falls, and ends below its line."
)

SMOOTH, KINKED = "sup at (16, 128), smooth targets, largest", "sup at (16, 128), kinked"
ASKED = (16, 128)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Sup errors against (d, m)."""
    evidence = found["thm2.density"]
    rows = evidence.data["rows"]
    sizes = sorted({(row["d"], row["width"]) for row in rows})
    figure = Figure(figsize=(plotting.COLUMN, 3.0))
    axis = figure.subplots()
    for name, look in plotting.looks(row["target"] for row in rows).items():
        mine = [row for row in rows if row["target"] == name]
        first = [row for row in mine if row["seed"] == mine[0]["seed"]]
        d, sup = [row["d"] for row in mine], [row["sup"] for row in mine]
        axis.plot(d, sup, ls="none", alpha=0.6, **look)
        line = [row["d"] for row in first], [row["sup"] for row in first]
        axis.plot(*line, label=name.replace("_", " "), **look)
    for name, words in ((SMOOTH, "asked, smooth"), (KINKED, "asked, kinked")):
        level = bound(evidence, name)
        axis.plot([1, ASKED[0]], [level] * 2, **plotting.LIMIT, ls="--")
        axis.annotate(words, (1, level), (0, -3), textcoords="offset points", va="top")
    axis.set(xscale="log", yscale="log", ylabel="sup error on the grid")
    axis.set_xlabel("head dimension d, and below it the width m")
    axis.set_xticks([d for d, _ in sizes], [f"{d}\n{m}" for d, m in sizes])
    axis.set_xticks([], minor=True)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center")
    return figure
