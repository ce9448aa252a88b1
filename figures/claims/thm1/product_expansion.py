"""Theorem 1, product reading: ι of a stationary point is in the span of the sections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.product_expansion",)
CAPTION = (
    "The product reading: how far f, g and their images under the duality map ι are from the span "
    "of the kernel sections, at stationary points that were found without assuming an expansion. "
    "Markers are medians over the losses, bars go from the least to the largest. With ι the "
    "distance is rounding for every p, below the tolerance, the black line; without it there is no "
    "expansion unless p = 2, where ι changes nothing but the length."
)

TOLERANCE = "worst distance of ι(f), ι(g) from the span"
KEYS = {"ι(f), ι(g)": "off span", "f, g themselves": "without ι"}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Distances from the span by p."""
    evidence = found["thm1.product_expansion"]
    groups: dict[str, dict[float, list[float]]] = {label: defaultdict(list) for label in KEYS}
    for row in evidence.data["table"]:
        for label, key in KEYS.items():
            groups[label][row["p"]].append(row[key])
    figure = Figure(figsize=(plotting.COLUMN, 2.7))
    axis = figure.subplots()
    plotting.ranges(axis, groups)
    tolerance = bound(evidence, TOLERANCE)
    axis.axhline(tolerance, **plotting.TOLERANCE)
    axis.set(yscale="log", ylim=(1e-16, 10), xlabel="exponent p")
    axis.set_ylabel("distance from the span, relative")
    plotting.set_ticks(axis.xaxis, groups["f, g themselves"])
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
