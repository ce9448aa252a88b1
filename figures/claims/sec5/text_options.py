"""Language models: how far two kernels are above EDP, with one option changed at a time."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.text_options",)
CAPTION = (
    "Language models with one option changed at a time: how far the NLL of a token with uniform "
    "attention and with the L2 distance is above that of EDP with the same seed, which is the line "
    "at zero. Small: each seed; large: their mean, with its t interval (in a full run)."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A line for each option, a look for each kernel."""
    rows = found["sec5.text_options"].data["table"]
    options = list(dict.fromkeys(row["option"] for row in rows))
    kernels = plotting.looks(dict.fromkeys(row["worse"] for row in rows))
    figure = Figure(figsize=(plotting.COLUMN, 0.9 + 0.5 * len(options)))
    axis = figure.add_subplot()
    axis.axvline(0, **plotting.LIMIT)
    for row in rows:
        look = kernels[row["worse"]]
        height = options.index(row["option"]) + 0.3 * (list(kernels).index(row["worse"]) - 0.5)
        values = row["differences"]
        axis.plot(values, [height] * len(values), ls="none", **look, ms=2.5, alpha=0.6)
        if "interval" in row:
            axis.hlines(height, *row["interval"], color=look["color"], lw=1)
        axis.plot([sum(values) / len(values)], [height], ls="none", **look)
    for name, look in kernels.items():
        axis.plot([], [], ls="none", label=f"{name} − EDP", **look)
    axis.set_yticks(
        range(len(options)), [option.replace("W^Q = W^K", "$W^Q = W^K$") for option in options]
    )
    axis.set_ylim(len(options) - 0.5, -0.5)
    axis.set_xlabel("difference of NLL, nats")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure
