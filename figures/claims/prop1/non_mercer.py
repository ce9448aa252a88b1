"""Proposition 1: how many points, and how far out, show that a kernel is not Mercer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.non_mercer",)
CAPTION = (
    "Left: for every M = W^Qᵀ W^K that was tried and is not symmetric and positive semi-definite, "
    "two points of the plane with a negative eigenvalue; drawn is how far from zero they lie, "
    "against how asymmetric M is. Two points around zero do where the symmetric part of M has a "
    "negative eigenvalue; where it has none, two points away from zero do, in general farther out "
    "the nearer M is to a symmetric matrix. Right: on the unit circle, with M = I + εJ, the least "
    "number of equispaced points that show a negative eigenvalue. It is where theory predicts, and "
    "grows as ε falls: no fixed number of points would do."
)


def _asymmetry(row: dict[str, Any]) -> float:
    """‖M − Mᵀ‖/(2‖M‖) in the Frobenius norm: 0 if M is symmetric, 1 if it is antisymmetric."""
    M = np.array(row["query"]).T @ np.array(row["key"])
    return float(np.linalg.norm(M - M.T) / (2 * np.linalg.norm(M)))


def _witnesses(axis: Axes, rows: list[dict[str, Any]]) -> None:
    groups: dict[str, list[dict[str, Any]]] = {"around 0: x and −x": [], "away from 0": []}
    for row in rows:
        around = not np.sum(row["witness"], axis=0).any()
        groups["around 0: x and −x" if around else "away from 0"].append(row)
    for label, look in plotting.looks(groups).items():
        x = [_asymmetry(row) for row in groups[label]]
        y = [np.linalg.norm(row["witness"], axis=1).max() for row in groups[label]]
        axis.plot(x, y, ls="none", label=label, alpha=0.8, clip_on=False, **look)
    axis.set(yscale="log", xlim=(0, 1))
    plotting.set_ticks(axis.yaxis, [1, 2, 5, 10])
    axis.set(xlabel="asymmetry ‖M − Mᵀ‖ / 2‖M‖", ylabel="larger |x| of the two points")
    axis.set_title(f"two points, certified for all {len(rows)} M")
    axis.legend(loc="upper right")


def _circle(axis: Axes, rows: list[dict[str, Any]]) -> None:
    epsilons, points = [row["epsilon"] for row in rows], [row["points"] for row in rows]
    axis.plot(epsilons, [row["predicted"] for row in rows], **plotting.LIMIT, label="predicted")
    look = plotting.looks(("found",))["found"]
    axis.plot(epsilons, points, ls="none", ms=6, label="certified in balls", **look)
    for epsilon, count in zip(epsilons, points, strict=True):
        axis.annotate(str(count), (epsilon, count), (5, 2), textcoords="offset points")
    axis.set(xscale="log", ylim=(0, 1.15 * max(points)), xlim=(0.1, 1.3))
    plotting.set_ticks(axis.xaxis, epsilons)
    axis.set(xlabel="ε of M = I + εJ", ylabel="points of the circle")
    axis.set_title("least number with a negative eigenvalue")
    axis.legend(loc="lower left")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Two points of the plane for each M; equispaced points of the circle for each ε."""
    data = found["prop1.non_mercer"].data
    figure = Figure(figsize=(plotting.PAGE, 2.8))
    left, right = figure.subplots(1, 2)
    _witnesses(left, data["others"])
    _circle(right, data["circle"])
    return figure
