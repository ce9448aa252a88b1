"""Section 5: what infinite dimension buys, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.infinite_dimension",)
CAPTION = (
    "Left: how many keys one head can single out, each with more than half of its query's weight, "
    "against the number of features of its kernel, in the plane unless said otherwise: markers "
    "are attained, bars reach up to the bound of a law, and no kernel is above its own number of "
    "features. Some kernels of infinite dimension single out any number of keys, others two. "
    "Right: accuracy of trained heads in the recall of sixteen keys, pairs of a finite kernel and "
    "an infinite one."
)

ENDLESS, ANY = 1500, 400
"""Where an infinite dimension and an unlimited number of keys are drawn."""
RIGHT_OF = {"L2": 0.62, "EDP, d = 1": 1.6, "RBF, d = 1": 1.6, "EDP": 0.62, "capped ±1": 1.0}
"""Kernels of infinite dimension side by side."""


def _capacity(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        endless = row["D"] is None
        color = plotting.COLORS[1 if endless else 0]
        x = ENDLESS * RIGHT_OF.get(row["kernel"], 1) if endless else row["D"]
        y = ANY if row["attained"] is None else row["attained"]
        bound = ANY if row["bound"] is None else row["bound"]
        axis.plot([x, x], [y, bound], color=color, lw=1)
        axis.plot(x, y, "s" if endless else "o", color=color)
        if row["kernel"] == "T2":  # at the same place as the quadratic kernel
            continue
        (dx, dy), turned = (0, 5 if y == ANY else -5), 90 if endless else 0
        if not endless:
            dx, dy = 4, -4
        axis.annotate(
            {"quadratic": "T2, quadratic"}.get(row["kernel"], row["kernel"]),
            (x, y),
            (dx, dy),
            textcoords="offset points",
            ha="center" if endless else "left",
            va="bottom" if dy > 0 else "top",
            rotation=turned,
            fontsize=7,
        )
    line = np.array([1, ANY])
    axis.plot(line, line, **plotting.LIMIT, label="keys = features (L1)")
    axis.set(xscale="log", yscale="log", xlim=(0.7, 4500), ylim=(0.15, 2200))
    axis.set_xticks([1, 6, 15, 45, 153, ENDLESS], ["1", "6", "15", "45", "153", "∞"])
    axis.set_xticks([], minor=True)
    axis.set_yticks(
        [1, 2, 5, 10, 20, 50, 100, ANY], ["1", "2", "5", "10", "20", "50", "100", "any"]
    )
    axis.set_yticks([], minor=True)
    axis.set(xlabel="features D of the kernel", ylabel="keys that a head singles out")
    axis.legend(loc="upper left")


def _recall(axis: Axes, accuracy: dict[str, list[float]]) -> None:
    pairs = (("T2", "L2"), ("T4", "capped ±1"), ("T16", "EDP"))
    names = [name for pair in pairs for name in pair]
    for place, name in enumerate(names):
        endless = place % 2
        color, marker = plotting.COLORS[endless], "os"[endless]
        x = place + 0.5 * (place // 2)
        axis.plot([x] * len(accuracy[name]), 100 * np.array(accuracy[name]), marker, color=color)
    places = [place + 0.5 * (place // 2) for place in range(len(names))]
    axis.set_xticks(places, names, rotation=90)
    axis.axhline(12.5, **plotting.TOLERANCE | {"label": "chance"})
    axis.plot([], [], "o", color=plotting.COLORS[0], label="finite D")
    axis.plot([], [], "s", color=plotting.COLORS[1], label="infinite D")
    axis.set(ylim=(0, 104), ylabel="recall of 16 keys, % right")
    axis.legend(loc="upper left")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Capacity against dimension, and recall."""
    data = found["sec5.infinite_dimension"].data
    figure = Figure(figsize=(plotting.PAGE, 3.4))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _capacity(left, data["shown"])
    _recall(right, data["accuracy"])
    return figure
