"""Proposition 1: partial sums of the right and of the misprinted features, and their rounding."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

UNIT = 2.0**-53
NOTE = {"textcoords": "offset points", "ha": "right", "color": "0.4", "fontsize": 7}
EXACT = UNIT / 8
"""Where errors of exactly 0 are drawn."""


def _sums_panel(axis: Axes, orders: list[int], curve: dict[str, Any]) -> None:
    """Partial sums at one q·k, over EDP's value."""
    axis.axhline(curve["edp"], color="black", lw=1, label="EDP, exp(q·k/√d)")
    labels = {"right": r"$\varphi_r$ of Proposition 1", "misprint": r"misprinted $\varphi_r$"}
    for (key, label), color, marker in zip(
        labels.items(), plotting.COLORS, plotting.MARKERS, strict=False
    ):
        values = curve[key]
        axis.plot(orders, values, color=color, marker=marker, markevery=6, label=label)
    scale = "log" if max(curve["misprint"]) > 100 else "linear"
    axis.set(yscale=scale, xlabel="order N", title=f"q·k = {curve['product']:g}, d = 2")


def _rounding_panel(axis: Axes, table: list[dict[str, Any]]) -> None:
    """Largest relative error of float features, against what their operations allow.

    Exact features have no place on a logarithmic axis: they are shown on a line of their own.
    """
    taylor = [row for row in table if row["kernel"].startswith("TaylorEDP")]
    dims = sorted({row["d"] for row in taylor})
    for d, color, marker in zip(dims, plotting.COLORS, plotting.MARKERS, strict=False):
        rows = [row for row in taylor if row["d"] == d]
        errors = [row["error"] or EXACT for row in rows]
        axis.plot([row["order"] for row in rows], errors, marker, color=color, label=f"d = {d}")
    axis.axhline(EXACT, color="0.6", lw=0.6, ls=":", zorder=0)
    axis.annotate("exact: error 0", (1, EXACT), (-2, 2), xycoords=("axes fraction", "data"), **NOTE)
    orders = sorted({row["order"] for row in taylor})
    allowed = [(6 * n + dims[-1] + 2) * UNIT for n in orders]
    axis.plot(orders, allowed, color="black", lw=1, label=f"allowed, d = {dims[-1]}")
    axis.set(yscale="log", xlabel="order N", ylabel="relative error", title="rkbs's float features")
    axis.set(xticks=orders[::2], ylim=(UNIT / 16, 1e-12))
    axis.legend(loc="upper left", ncols=2)


def draw(folder: Path) -> Figure:
    """A panel for each q·k, and one of rounding errors."""
    features, misprint = (
        load_record(name, folder).evidence.data for name in ("prop1.features", "prop1.misprint")
    )
    figure = Figure(figsize=(8.4, 2.9))
    axes = figure.subplots(1, 3)
    for axis, curve in zip(axes, misprint["curves"], strict=False):
        _sums_panel(axis, misprint["orders"], curve)
    axes[0].set_ylabel(r"$\sum_{|r| \leq N} \varphi_r(q)\,\varphi_r(k)$")
    axes[1].legend()
    _rounding_panel(axes[2], features["table"])
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
