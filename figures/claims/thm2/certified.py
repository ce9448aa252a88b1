"""Theorem 2, uniformly: certified sup errors against d, and where the errors are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

_COLORS, _MARKERS = (*plotting.COLORS, "0.5"), (*plotting.MARKERS, "*")
_METHODS = {"VariableProjection": ("variable projection", "-"), "Adam": ("plain Adam", ":")}


def _brackets(axis: Axes, rows: list[dict[str, Any]]) -> None:
    """Upper ends against d; the lower ones are within a line's width, so they are shown apart."""
    names = list(dict.fromkeys(row["target"] for row in rows))
    for name, color, marker in zip(names, _COLORS, _MARKERS, strict=False):
        for method, (_, line) in _METHODS.items():
            mine = [r for r in rows if (r["target"], r["method"]) == (name, method)]
            d = [row["d"] for row in mine]
            axis.fill_between(
                d, [r["lower"] for r in mine], [r["upper"] for r in mine], color=color, alpha=0.4
            )
            axis.plot(d, [row["upper"] for row in mine], line, color=color, marker=marker, ms=3)
        frozen = [r for r in rows if (r["target"], r["method"]) == (name, "constructive")]
        where = [r["d"] for r in frozen], [r["upper"] for r in frozen]
        axis.plot(*where, marker, color=color, fillstyle="none", ms=6)
        axis.plot([], [], color=color, marker=marker, ls="none", label=name)
    for label, line in _METHODS.values():
        axis.plot([], [], line, color="0.3", label=label)
    axis.set(yscale="log", xlabel="head dimension d", ylabel="certified sup |F − G|")
    axis.set_xticks(sorted({row["d"] for row in rows}))
    axis.set_title("m = 64: brackets (open: constructive)")


def _ratios(axis: Axes, rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(row["target"] for row in rows))
    for name, color, marker in zip(names, _COLORS, _MARKERS, strict=False):
        mine = [row for row in rows if row["target"] == name]
        upper, ratio = ([row[key] for row in mine] for key in ("upper", "ratio"))
        axis.plot(upper, np.array(ratio) - 1, marker, color=color, alpha=0.7)
    axis.axhline(0.05, color="black", lw=1)
    axis.annotate("5 %", (1, 0.05), (-2, 3), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right")  # fmt: skip
    axis.set(xscale="log", yscale="log", xlabel="upper", ylabel="upper/lower − 1")
    axis.set_title("width of the brackets")


def _needed(axis: Axes, table: list[dict[str, Any]], levels: list[float], method: str) -> None:
    """A table: the least d certified below each ε."""
    mine = [entry for entry in table if entry["method"] == method]
    shown = [[np.nan if d is None else d for d in entry["d"]] for entry in mine]
    axis.imshow(np.array(shown, float), cmap="viridis_r", vmin=0, vmax=40, aspect="auto")
    for y, entry in enumerate(mine):
        for x, d in enumerate(entry["d"]):
            axis.text(x, y, "–" if d is None else d, ha="center", va="center", fontsize=8)
    axis.set_xticks(
        range(len(levels)), [f"$10^{{{round(np.log10(e))}}}$" for e in levels], fontsize=7
    )
    axis.set_yticks(range(len(mine)), [entry["target"] for entry in mine])
    axis.set_xlabel("ε")
    axis.set_title(f"least d with sup error < ε: {_METHODS[method][0]}")


def _maps(
    axes: list[Axes],
    pictures: list[dict[str, Any]],
    surface: dict[str, Any],
    rows: list[dict[str, Any]],
) -> None:
    """F, the fit of variable projection, and the residuals of it and of Adam."""
    by_method = {picture["method"]: picture for picture in pictures}
    first = by_method["VariableProjection"]
    name, d = first["target"], first["d"]
    F = np.array(surface["values"])
    size = np.abs(F).max()
    panels = [
        (F, f"F = {surface['formula']}"),
        (np.array(first["fit"]), f"variable projection, d = {d}"),
    ]
    for axis, (values, title) in zip(axes, panels, strict=False):
        _map(axis, values, title, {"vmin": -size, "vmax": size})
    for axis, method in zip(axes[2:], _METHODS, strict=True):
        residual = F - np.array(by_method[method]["fit"])
        top = np.abs(residual).max()
        _map(
            axis,
            residual,
            f"residual: {_METHODS[method][0]}",
            {"vmin": -top, "vmax": top},
        )
        row = next(r for r in rows if (r["target"], r["d"], r["method"]) == (name, d, method))
        axis.plot(*row["where"][::-1], "kx", ms=6, clip_on=False)
        axis.set_xlabel("s  (×: largest)")


def _map(axis: Axes, values: np.ndarray, title: str, limits: dict[str, float]) -> None:
    image = axis.imshow(
        values, origin="lower", extent=(-1, 1, -1, 1), cmap=plotting.SIGNED_MAP, **limits
    )
    axis.figure.colorbar(image, ax=axis, shrink=0.85)
    axis.set(xlabel="s", ylabel="t", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    axis.set_title(title)


def draw(folder: Path) -> Figure:
    """Brackets, their widths and the table, then heat maps of two targets."""
    data = load_record("thm2.certified", folder).evidence.data
    rows, pictures = data["rows"], data["pictures"]
    figure = Figure(figsize=(12.5, 8.6))
    axes = figure.subplots(3, 4)
    _brackets(axes[0, 0], rows)
    _ratios(axes[0, 1], rows)
    for axis, method in zip(axes[0, 2:], _METHODS, strict=True):
        _needed(axis, data["table"], data["levels"], method)
    for line, name in zip(axes[1:], dict.fromkeys(p["target"] for p in pictures), strict=True):
        mine = [picture for picture in pictures if picture["target"] == name]
        _maps(list(line), mine, data["surfaces"][name], rows)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
