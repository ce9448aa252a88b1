"""Language models: NLL by kernel, declared differences, and NLL against two predictors."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.text",)
CAPTION = (
    "Language models that differ in the kernel alone: how far the NLL of a token is above that of "
    "EDP with the same seed, which is the line at zero; bars are t intervals of the paired "
    "differences (of a quick run, the range of its seeds), colored lines with bands those of "
    "uniform attention. Top: uniform attention and Taylor cuts up to EDP, and two kernels of "
    "another kind; beside them the differences that were declared beforehand, the first kernel "
    "said to be the worse, with p by Holm, squares being those that were said to be within the "
    "gray margin. Middle: losses in training above EDP's on the same batches, means over seeds and "
    "a twentieth of the steps. Below: the same NLL against attainable self-weight and against "
    "feature dimension, infinite at the right end; six kernels can rank these two, and prove "
    "neither."
)

ORDER = ("uniform", "T2", "T4", "EDP", "quadratic", "L2")
"""Cuts of EDP's series, uniform attention being that of order zero, and then the others."""
PREDICTORS = ("self-weight, logits ±8", "feature dimension")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """One outcome by kernel, by hypothesis, and against each predictor."""
    data = found["sec5.text"].data
    rows = data["kernels"]
    figure = Figure(figsize=(plotting.PAGE, 7.8))
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1.15, 0.9, 1))
    by_name, declared = top.subplots(1, 2, width_ratios=(1, 0.75))
    names = [name for name in ORDER if any(row["kernel"] == name for row in rows)]
    plotting.excess_by_kernel(by_name, rows, lambda row: names.index(row["kernel"]), shift=0.15)
    by_name.set_xticks(range(len(names)), names, fontsize=7)
    by_name.set(ylabel="NLL − EDP's, nats", xlabel="kernel")
    by_name.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    plotting.declared_differences(
        declared, data["hypotheses"], "difference of NLL, nats", data["margin"]
    )
    plotting.learning_curves(middle, data["curves"], ORDER, "EDP", "loss − EDP's, nats")
    plotting.against_predictors(bottom, data, PREDICTORS, "NLL − EDP's, nats")
    return figure
