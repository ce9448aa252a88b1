"""Theorem 1, operator reading: singular values of T* along the regularization path."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

SHOWN = 7
LOWEST = 1e-4


def _panel(axis: Axes, path: dict[str, Any]) -> None:
    """The seven largest singular values against α; for p = 1 they vanish one by one.

    They need not be monotone in α. The dips of σ_6 and σ_7 are smooth minima on a finer path, where
    the singular vectors turn.
    """
    fractions, sigma = np.array(path["fractions"]), np.array(path["singular values"])
    scale = sigma.max()
    for k, color, marker in zip(range(SHOWN), plotting.COLORS, plotting.MARKERS, strict=True):
        values = sigma[:, k] / scale
        there = values > LOWEST
        axis.plot(
            fractions[there],
            values[there],
            color=color,
            marker=marker,
            markevery=4,
            label=rf"$\sigma_{k + 1}$",
        )
    if path["p"] == 1:
        axis.axvline(1, color="black", lw=0.8, ls="--")
        axis.annotate("T* = 0 from\n" r"$\alpha_{\max}$ on", (0.85, 2e-4), ha="right")
        gone = [rf"$\sigma_{k + 1}$" for k in range(max(path["rank"]), SHOWN)]
        if gone:
            axis.annotate(f"{', '.join(gone)} = 0 at every α", (fractions.min(), 2e-3))
    axis.set(
        xscale="log",
        yscale="log",
        ylim=(LOWEST, 2),
        xlabel=r"$\alpha$ / $\alpha_{\max}$ of p = 1",
        title=f"p = {path['p']:g}: numerical rank {min(path['rank'])}–{max(path['rank'])}",
    )


def draw(folder: Path) -> Figure:
    """One panel for each p."""
    paths = load_record("thm1.schatten_expansion", folder).evidence.data["paths"]
    figure = Figure(figsize=(8.6, 3.6))
    axes = figure.subplots(1, len(paths), sharey=True)
    for axis, path in zip(axes, paths, strict=True):
        _panel(axis, path)
    axes[0].set_ylabel("$\\sigma_k$ / the largest $\\sigma_1$ of the path")
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(
        "k-th largest singular values of T*; not monotone in α, because its singular vectors turn",
        fontsize="medium",
    )
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
