"""Theorem 1: the printed problem, read literally, has the solution 0."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.literal",)
CAPTION = (
    "The largest norm of a solution that was found from many starts, for each exponent and loss. "
    "As the problem is printed, its loss does not depend on f and g at all: every start ends at "
    "zero, as near as the solver's stopping rule takes it, below the tolerance in black. With f(x) "
    "+ g(y) in the loss instead, the solutions are of order one."
)

TOLERANCE = "largest ‖(f*, g*)‖, either responses"


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Sizes of the solutions as printed, and in the separable reading."""
    evidence = found["thm1.literal"]
    rows = evidence.data["table"]
    figure = Figure(figsize=(plotting.COLUMN, 2.4))
    axis = figure.subplots()
    sizes = {"f(x) + g(y) in its place": "separable: size", "as printed": "printed: size"}
    for label, look in plotting.looks(sizes).items():
        found_sizes = [row[sizes[label]] for row in rows]
        axis.plot(range(len(rows)), found_sizes, ls="none", ms=5, label=label, **look)
    axis.axhline(bound(evidence, TOLERANCE), **plotting.TOLERANCE, zorder=0)
    labels = [f"p = {row['p']:g}\n{row['loss'].split('(')[0].lower()}" for row in rows]
    axis.set(yscale="log", ylim=(1e-10, 1e3), ylabel="‖(f*, g*)‖, largest found")
    axis.set_xticks(range(len(rows)), labels)
    axis.set_xlabel("exponent and loss")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
