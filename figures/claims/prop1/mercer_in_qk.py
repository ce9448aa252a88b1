"""Proposition 1: the paper's kernels, their Gram matrices and spectra, W^Q = W^K and not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from rkbs import plotting
from verify.harness.records import load_record

TITLES = {
    "edp": "EDP",
    "rbf": "RBF",
    "ei": "EI",
    "quadratic": "quadratic, γ = 1",
    "taylor-3": "Taylor, N = 3",
    "taylor-4": "Taylor, N = 4",
    "quadratic, γ = −1": "quadratic, γ = −1\n(not Mercer)",
    "l2": "L2 distance\n(not Mercer)",
}
STYLES = (
    ("positive", plotting.COLORS[0], "|", 0.0),
    ("negative", plotting.COLORS[1], "v", 0.2),
    ("zero", "0.5", "x", 0.0),
)
SMALL = 1e-10
"""Eigenvalues smaller than this share the linear part of the axis around 0."""


def _image(axis: Axes, matrix: list[list[float]], extent: tuple[float, ...] | None) -> AxesImage:
    """A map over its largest size, with colors diverging from 0."""
    values = np.array(matrix, dtype=float)
    axis.spines[:].set_visible(True)
    axis.tick_params(labelsize=7, length=2)
    if extent is None:
        axis.set(xticks=[], yticks=[])
    return axis.imshow(
        values / np.abs(values).max(),
        cmap=plotting.SIGNED_MAP,
        vmin=-1,
        vmax=1,
        extent=extent,
        origin="lower" if extent else "upper",
        interpolation="nearest",
    )


def _spectrum(axis: Axes, picture: dict[str, Any]) -> None:
    """Eigenvalues of the symmetric part: above, W^Q = W^K; below, W^Q ≠ W^K."""
    for row, key in ((1, "spectrum_same"), (0, "spectrum_different")):
        values = np.array(picture[key], dtype=float)
        chosen = {"positive": values > 0, "negative": values < 0, "zero": values == 0}
        for sign, color, marker, lift in STYLES:
            found = values[chosen[sign]]
            axis.plot(found, np.full(len(found), row + lift), marker, color=color, ms=5)
        axis.vlines(0, row - 0.25, row + 0.33, color="black", lw=0.6)  # not through the words above
        count = int(chosen["negative"].sum())
        axis.annotate(
            f"{count or 'none'} negative",
            (0.02, row + 0.4),
            xycoords=("axes fraction", "data"),
            fontsize=7,
            color=STYLES[1][1] if count else "0.4",
        )
    axis.set_xscale("symlog", linthresh=SMALL)
    axis.set(ylim=(-0.4, 1.7), yticks=[], xlim=(-3e3, 3e3), xticks=[-1e2, -1e-6, 0, 1e-6, 1e2])
    axis.set_xticklabels(["−10²", "", "0", "", "10²"], fontsize=7)
    axis.minorticks_off()


def draw(folder: Path) -> Figure:
    """A column per kernel: κ(q, k), the two Gram matrices, eigenvalues of the symmetric part."""
    pictures = load_record("prop1.mercer_in_qk", folder).evidence.data["pictures"]
    size = (11.5, 6.0)
    figure = Figure(figsize=size)
    axes = figure.subplots(4, len(TITLES), height_ratios=(1, 1, 1, 0.8))
    for column, (name, title) in zip(axes.T, TITLES.items(), strict=True):
        picture = pictures[name]
        image = _image(column[0], picture["map"], (-2, 2, -2, 2))
        _image(column[1], picture["gram_same"], None)
        _image(column[2], picture["gram_different"], None)
        _spectrum(column[3], picture)
        column[0].set_title(title, fontsize=8)
        column[0].set_xlabel("k", labelpad=1)
        column[3].set_xlabel("λ (symlog)", labelpad=1, fontsize=8)
    labels = ("κ(q, k), d = 1\nq", "Gram matrix\n$W^Q = W^K$", "Gram matrix\n$W^Q \\neq W^K$")
    for axis, label in zip(axes[:, 0], labels, strict=False):
        axis.set_ylabel(label)
    axes[3, 0].set_yticks([1.1, 0.1], ["$=$", "$\\neq$"])
    axes[3, 0].set_ylabel("eigenvalues,\nsymmetric part")
    figure.colorbar(
        image,
        ax=axes[:3, :],
        shrink=0.6,
        fraction=0.02,
        pad=0.01,
        label="value / largest size in the map",
    )
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
