"""Proposition 1: the sums Σ_r |φ_r(q)|^ρ converge for every ρ > 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.all_pairs",)
CAPTION = (
    "The features of EDP, summed to the power ρ: the share of the whole sum that is still missing "
    "when features above order N are left out, in one, two and three dimensions, at the largest "
    "point that was tried. Every curve bends down: what is missing falls faster and faster, soon "
    "for a large ρ and later for a small one. So the sums are finite, the features lie in every "
    "ℓ^ρ, and every exponent p gives a pair of spaces."
)

EXPONENTS = (0.1, 0.5, 1.0, 1.25, 2.0, 4.0)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """What a cut at order N misses of the sum, a panel for each dimension."""
    data = found["prop1.all_pairs"].data
    figure = Figure(figsize=(plotting.PAGE, 2.6))
    axes = figure.subplots(1, 3, sharey=True)
    for axis, d in zip(axes, (1, 2, 3), strict=True):
        for rho, look in plotting.looks(EXPONENTS).items():
            row = next(r for r in data["rows"] if (r["d"], r["rho"]) == (d, rho))
            missing = np.array(row["missing"], dtype=float)
            label = f"ρ = {rho:g}"
            axis.plot(np.arange(len(missing)), missing, markevery=12, label=label, **look)
        title = f"d = {d}, every $q_l$ = {data['reach']}"
        axis.set(yscale="log", ylim=(1e-16, 2), xlabel="order N of the cut", title=title)
    axes[0].set_ylabel(r"missing share of $\sum_r |\varphi_r(q)|^\rho$")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(EXPONENTS)
    )
    return figure
