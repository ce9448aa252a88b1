"""Which heads are short of dimension, and what a dimension more does to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("deep.head_dimension",)
CAPTION = (
    "Left: singular values of C over λ of each head that is not zero, trained (rings) and with a "
    "dimension more (dots): those of its rank lie on the line, and what is above it goes there, "
    "but where the new dimension is used up. Middle: the slope of the objective in a² along the "
    "direction that the certificate names, against the predicted one. Right: a head's regression "
    "of surfaces, its loss over the certified optimum against σ/λ; left of the line the bound is "
    "met to rounding, drawn at the bottom."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Spectra, slopes, and surfaces."""
    data = found["deep.head_dimension"].data
    heads = [head for row in data["networks"] for head in row["heads"] if head["told"] != "idle"]
    figure = Figure(figsize=(plotting.PAGE, 2.7))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
    _spectra(left, heads)
    _slopes(middle, heads)
    _surfaces(right, data["surfaces"])
    return figure


def _spectra(axis: Axes, heads: list[dict[str, Any]]) -> None:
    heads = sorted(heads, key=lambda head: head["ratios"][0])
    for part, look in enumerate(
        (
            {"marker": "o", "ms": 4, "mfc": "none", "mew": 0.7, "label": "dimension d"},
            {"marker": ".", "ms": 3, "label": "dimension d + 1"},
        )
    ):
        places = [place for place, head in enumerate(heads) for _ in head["spectra"][part]]
        values = [value for head in heads for value in head["spectra"][part]]
        axis.plot(places, values, ls="none", color=plotting.COLORS[part], **look)
    axis.axhline(1, **plotting.LIMIT)
    axis.set(yscale="log", ylim=(0.05, 60), xlabel="heads, by σ/λ", ylabel="singular values of C/λ")
    axis.legend(loc="upper left")


def _slopes(axis: Axes, heads: list[dict[str, Any]]) -> None:
    groups = {
        name: [head for head in heads if head["told"] == name]
        for name in ("starved", "enough", "undecided")
    }
    groups = {name: rows for name, rows in groups.items() if rows}
    for (name, rows), look in zip(groups.items(), plotting.looks(groups).values(), strict=True):
        x = [1 - head["ratios"][0] for head in rows]
        y = [head["ratios"][2] for head in rows]
        axis.plot(x, y, **(look | {"ls": "none"}), ms=3, alpha=0.8, label=name)
    low = min(1 - head["ratios"][0] for head in heads)
    axis.plot([low, 1], [low, 1], **plotting.LIMIT)
    axis.set_xscale("symlog", linthresh=2)
    axis.set_yscale("symlog", linthresh=2)
    for one in (axis.xaxis, axis.yaxis):
        plotting.set_ticks(one, (-20, -5, -2, -1, 0, 1))
    axis.set(xlabel="predicted slope 1 − σ/λ", ylabel="measured slope in a²/λ")
    axis.legend(loc="upper left")


def _surfaces(axis: Axes, rows: list[list[Any]]) -> None:
    names = list(dict.fromkeys(row[0] for row in rows))
    for name, look in plotting.looks(names).items():
        x = [row[3] for row in rows if row[0] == name]
        y = [max(row[5], 1e-15) for row in rows if row[0] == name]
        axis.plot(x, y, **(look | {"ls": "none"}), ms=3, alpha=0.8, label=name)
    axis.axvline(1, **plotting.LIMIT)
    axis.set(xscale="log", yscale="log", xlabel="σ/λ", ylabel="J over the optimum − 1")
    axis.legend(loc="lower right")
