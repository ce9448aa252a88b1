"""Proposition 1: partial sums of the right and of the misprinted features."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.misprint",)
CAPTION = (
    "Partial sums of the products of features, at two values of q·k. The black line is the kernel "
    "that they should sum to. The features of Proposition 1 are there after a few orders; those of "
    "a form that is often printed settle elsewhere for the smaller value of q·k, and grow without "
    "end for the larger one."
)

LABELS = {"right": r"$\varphi_r$ of Proposition 1", "misprint": r"misprinted $\varphi_r$"}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each q·k."""
    data = found["prop1.misprint"].data
    figure = Figure(figsize=(plotting.COLUMN, 2.5))
    axes = figure.subplots(1, 2)
    for axis, curve in zip(axes, data["curves"], strict=True):
        axis.axhline(curve["edp"], **plotting.LIMIT, label="EDP, exp(q·k/√d)")
        for (key, label), look in zip(LABELS.items(), plotting.looks(LABELS).values(), strict=True):
            axis.plot(data["orders"], curve[key], markevery=6, label=label, **look)
        axis.set(xlabel="order N", title=f"q·k = {curve['product']:g}, d = {data['d']}")
    axes[1].set_yscale("log")  # there the misprinted sums grow beyond any linear axis
    axes[0].set_ylim(0, None)
    axes[0].set_ylabel(r"$\sum_{|r| \leq N} \varphi_r(q)\,\varphi_r(k)$")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=3
    )
    return figure
