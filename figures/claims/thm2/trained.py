"""Theorem 2: trained heads over the Schmidt floor, and where the rest of the error comes from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record
from verify.studies.rows import MIDDLE, WIDE, errors_by_dimension, like_the_first

Rows = list[dict[str, Any]]


def _panel(axis: Axes, name: str, floors: dict[str, Any], projected: Rows, plain: Rows) -> None:
    """One target: a line per width, Adam's, and the floor as a band."""
    curve = floors["curves"][name]
    widths = sorted({row["width"] for row in projected})
    heads = {
        f"variable projection, m = {m}": errors_by_dimension(projected, name, m) for m in widths
    }
    heads[f"plain Adam, m = {WIDE}"] = errors_by_dimension(plain, name, WIDE)
    floor = (curve["d"], curve["floor"])
    plotting.error_against_dimension(axis, floor, curve["rounding"], heads)
    axis.set_title(f"F = {floors['formulas'][name]}", fontsize=8)
    axis.set(xlabel="head dimension d", ylabel="L² error")


def _split_panel(axis: Axes, name: str, projected: Rows, plain: Rows) -> None:
    """Rank, width and optimization error at one width: their squares add up to Adam's."""
    trained = {d: min(e) for d, e in errors_by_dimension(projected, name, MIDDLE).items()}
    adam = {d: min(e) for d, e in errors_by_dimension(plain, name, MIDDLE).items()}
    dims = [d for d in adam if d in trained]
    there = {row["d"]: row["floor_there"] for row in projected if row["target"] == name}
    parts = {
        "rank: the floor": [there[d] for d in dims],
        "width: best head of m units": [
            np.sqrt(max(trained[d] ** 2 - there[d] ** 2, 0)) for d in dims
        ],
        "optimization: Adam's best": [
            np.sqrt(max(adam[d] ** 2 - trained[d] ** 2, 0)) for d in dims
        ],
    }
    for (label, values), color, marker in zip(
        parts.items(), ("black", "0.4", plotting.COLORS[5]), "xd*", strict=True
    ):
        axis.plot(dims, values, color=color, marker=marker, label=label)
    axis.set(yscale="log", xlabel="head dimension d", ylabel="part of the L² error", xticks=dims)
    axis.set_title(f"{name}, m = {MIDDLE}: where the error comes from", fontsize=8)


def _space_panel(axis: Axes, floors: Rows, projected: Rows) -> None:
    """Floors in two and four dimensions, as sampled brackets, and trained heads on them."""
    for row, color, marker in zip(floors, plotting.COLORS, plotting.MARKERS, strict=False):
        axis.fill_between(row["d"], row["lower"], row["upper"], color=color, alpha=0.25, lw=0)
        known = row.get("known") or row.get("quadrature")
        if known:
            axis.plot(row["d"], known, color=color, lw=0.8)
        errors = errors_by_dimension(projected, row["target"], WIDE)
        axis.plot(list(errors), [min(e) for e in errors.values()], marker, color=color, ms=5)
        axis.plot([], [], (marker if errors else "") + "-", color=color, label=row["target"])
    axis.set(yscale="log", xlabel="head dimension d", ylabel="L² error")
    axis.set_xticks([1, 2, 4, 8, 12, 16])
    axis.set_title("m = 64; floors: sampled (bands), known", fontsize=8)
    axis.legend(fontsize=7)


def draw(folder: Path) -> Figure:
    """A panel per target on the line, three splits of the error, and one of more dimensions."""
    ids = ("thm2.limit", "thm2.trained", "thm2.floor_sampled")
    limit, trained, sampled = (load_record(i, folder).evidence.data["rows"] for i in ids)
    floors = load_record("thm2.floor", folder).evidence.data
    projected = [row for row in limit if row["start"] == "constructive"]
    plain = like_the_first(trained)
    figure = Figure(figsize=(12.5, 8.4))
    axes = figure.subplots(3, 4)
    for axis, name in zip(axes.flat, floors["curves"], strict=False):
        _panel(axis, name, floors, projected, plain)
    middle = [row for row in plain if row["width"] == MIDDLE]
    for axis, name in zip(axes[2], dict.fromkeys(r["target"] for r in middle), strict=False):
        _split_panel(axis, name, projected, middle)
    _space_panel(axes[2, 3], sampled, projected)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    handles, labels = axes[2, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
