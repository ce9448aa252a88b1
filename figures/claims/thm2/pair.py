"""One κ, two pairs of spaces, two solutions."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.pair",)
CAPTION = (
    "The minimizer f* of one problem, from two pairs of spaces with the same kernel κ: the second "
    "pair stretches the features of one side and shrinks those of the other. Kernel and data are "
    "equal, and the solutions differ for every exponent p. So κ alone does not tell the solution "
    "of Theorem 1."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """f* of the power features and of stretched ones, a panel for each p."""
    pictures = found["thm2.pair"].data["pictures"]
    figure = Figure(figsize=(plotting.PAGE, 2.4))
    axes = figure.subplots(1, len(pictures), sharey=True, squeeze=False)[0]
    labels = {"f": "features Φ$_X$, Φ$_Y$", "stretched": "features SΦ$_X$, S$^{-T}$Φ$_Y$"}
    for axis, picture in zip(axes, pictures, strict=True):
        for (key, label), look in zip(labels.items(), plotting.looks(labels).values(), strict=True):
            axis.plot(picture["x"], picture[key], markevery=10, label=label, **look)
        axis.set(xlabel="x", title=f"p = {picture['p']:g}", xticks=[-1, 0, 1])
    axes[0].set_ylabel("f*(x)")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2
    )
    return figure
