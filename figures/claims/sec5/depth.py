"""Depth: what a key inside the others can weigh, on the line and in the plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.depth",)
CAPTION = (
    "Left: self-weights of trained heads for twelve keys of the line, in order: EDP stays below "
    "one over the number of keys on the key's emptier side, itself included, and EI below one "
    "over the number of keys from it on, whatever is trained, while RBF, and EDP with the key- "
    "norm bias that makes it RBF, select all keys. Right: the largest self-weight of any head "
    "found at a key of given halfspace depth in the plane, below one over the depth for kernels "
    "quasi-convex in k; RBF (hollow) is not bound."
)

LINE = {
    "EDP": "arithmetic_mean",
    "EI": "arithmetic_mean",
    "RBF": "geometric_mean",
    "EDP, key-norm bias": "geometric_mean",
}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """The line, the plane."""
    data = found["sec5.depth"].data
    figure = Figure(figsize=(plotting.PAGE, 3.0))
    left, right = figure.subplots(1, 2)
    _line(left, data)
    _plane(right, data["searches"])
    return figure


def _line(axis: Axes, data: Mapping[str, Any]) -> None:
    places = list(range(1, len(data["bound"]) + 1))
    axis.plot(places, data["bound"], **plotting.LIMIT, label="1/min(i, n−i+1)")
    axis.plot(places, data["one_sided"], **plotting.LIMIT, ls="--", label="1/(n−i+1)")
    looks = plotting.looks(LINE)
    for name, objective in LINE.items():
        rows = [
            row
            for row in data["searches"]
            if (row["kernel"], row["d"], row["n"]) == (name, 1, len(places))
        ]
        row = next((row for row in rows if row["objective"] == objective), rows[0])
        axis.plot(places, row["own"], ls="none", label=name, **looks[name])
    axis.set(ylim=(0, 1.5), xticks=places, yticks=[0, 0.5, 1])
    axis.set(xlabel="key i of twelve, in order", ylabel="self-weight, d = 1")
    axis.legend(loc="upper center", ncols=2)


def _plane(axis: Axes, searches: list[dict[str, Any]]) -> None:
    plane = [row for row in searches if row["d"] == 2]
    names = list(dict.fromkeys(row["kernel"] for row in plane))
    depths = sorted({int(depth) for row in plane for depth in row["by_depth"]})
    axis.plot(depths, [1 / depth for depth in depths], **plotting.LIMIT, label="1/depth")
    shift = {name: 0.07 * (place - (len(names) - 1) / 2) for place, name in enumerate(names)}
    for name, look in plotting.looks(names).items():
        rows = [row for row in plane if row["kernel"] == name]
        largest = {
            depth: max(row["by_depth"].get(str(depth), 0) for row in rows) for depth in depths
        }
        face = {"mfc": "white"} if name == "RBF" else {}
        at = [depth + shift[name] for depth in depths]
        axis.plot(at, [largest[depth] for depth in depths], ls="none", label=name, **look, **face)
    axis.set(ylim=(0, 1.5), xticks=depths, yticks=[0, 0.5, 1])
    axis.set(xlabel="halfspace depth of the key", ylabel="largest self-weight, d = 2")
    axis.legend(loc="upper center", ncols=3)
