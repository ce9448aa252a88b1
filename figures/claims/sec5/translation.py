"""Translators: the outcome by kernel, declared differences, predictors, and what is attended."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.translation",)
CAPTION = (
    "Translators that differ in the kernel alone: how far the outcome is above that of EDP with "
    "the same seed, which is the line at zero; bars are t intervals of the paired differences (of "
    "a quick run, the range of its seeds), colored lines with bands those of uniform attention. "
    "Top: by kernel, and the differences that were declared beforehand, the first kernel said to "
    "be the worse, with p by Holm. Middle: against attainable self-weight and against feature "
    "dimension, infinite at the right end; few kernels can rank these two, and prove neither. "
    "Below: losses in training above those of EDP, at the largest head dimension, and what the "
    "right source saves of the NLL (another sentence's in its place), against the share of the "
    "source's words that the trained model attends to, all of them where attention is uniform."
)

ORDER = ("uniform", "T2", "EDP", "quadratic", "L2")
"""Cuts of EDP's series, uniform attention being that of order zero, and then the others."""
PREDICTORS = ("self-weight, logits ±8", "feature dimension")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """One outcome by kernel, by hypothesis, against predictors; curves and attention."""
    data = found["sec5.translation"].data
    rows, unit = data["kernels"], {"NLL": ", nats"}.get(data["measure"], "")
    label = f"{data['measure']} − EDP's{unit}"
    figure = Figure(figsize=(plotting.PAGE, 8.2))
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1.15, 1, 1))
    by_name, declared = top.subplots(1, 2, width_ratios=(1, 0.75))
    names = [name for name in ORDER if any(row["kernel"] == name for row in rows)]
    plotting.excess_by_kernel(by_name, rows, lambda row: names.index(row["kernel"]), shift=0.15)
    by_name.set_xticks(range(len(names)), names, fontsize=7)
    by_name.set(ylabel=label, xlabel="kernel")
    by_name.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    plotting.declared_differences(
        declared, data["hypotheses"], f"difference of {data['measure']}{unit}"
    )
    plotting.against_predictors(middle, data, PREDICTORS, label)
    left, right = bottom.subfigures(1, 2)
    widest = max(row["d"] for row in rows)
    wide = [curve for curve in data["curves"] if curve["d"] == widest]
    plotting.learning_curves(left, wide, names, "EDP", "loss − EDP's, nats a token")
    attended = right.subplots()
    dims = sorted({row["d"] for row in rows})
    for number, (d, look) in enumerate(plotting.looks(dims).items()):
        mine = [row for row in rows if row["d"] == d]
        face = {"mfc": "white"} if number else {}
        shares, saved = ([row[what] for row in mine] for what in ("cross", "saved"))
        attended.plot(shares, saved, ls="none", label=f"d = {d}", **look, **face)
    attended.set(xlabel="source words attended to, share", ylabel="saved by the source, nats")
    attended.legend()
    named = (row for row in rows if row["d"] == widest)
    plotting.name_points(attended, [(row["cross"], row["saved"], row["kernel"]) for row in named])
    return figure
