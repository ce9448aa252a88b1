"""One κ, two pairs of spaces, two solutions."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record


def draw(folder: Path) -> Figure:
    """f* of the power features and of stretched ones, a panel for each p."""
    data = load_record("thm2.pair", folder).evidence.data
    pictures = data["pictures"]
    figure = Figure(figsize=(2.9 * len(pictures), 2.9))
    axes = figure.subplots(1, len(pictures), sharey=True, squeeze=False)[0]
    for axis, picture in zip(axes, pictures, strict=True):
        axis.plot(picture["x"], picture["f"], color=plotting.COLORS[0], label="Φ$_X$, Φ$_Y$")
        axis.plot(
            picture["x"],
            picture["stretched"],
            color=plotting.COLORS[1],
            ls="--",
            label="SΦ$_X$, S$^{-T}$Φ$_Y$",
        )
        axis.set(xlabel="x", title=f"p = {picture['p']:g}", xticks=[-1, 0, 1])
    axes[0].set_ylabel("f*(x), the same κ and data")
    axes[0].legend(loc="upper left", fontsize=7)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
