"""Proposition 1: the sums Σ_r |φ_r(q)|^ρ converge for every ρ > 0."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

EXPONENTS = (0.1, 0.5, 1.0, 1.25, 2.0, 4.0)


def draw(folder: Path) -> Figure:
    """What a cut at order N misses of the sum, a panel for each dimension."""
    data = load_record("prop1.all_pairs", folder).evidence.data
    dims = [d for d in (1, 2, 3) if any(row["d"] == d for row in data["rows"])]
    figure = Figure(figsize=(2.7 * len(dims), 3.1))
    axes = figure.subplots(1, len(dims), sharey=True, squeeze=False)[0]
    for axis, d in zip(axes, dims, strict=True):
        for rho, color, marker in zip(EXPONENTS, plotting.COLORS, plotting.MARKERS, strict=False):
            row = next(r for r in data["rows"] if (r["d"], r["rho"]) == (d, rho))
            missing = np.array(row["missing"], dtype=float)
            orders = np.arange(len(missing))
            label = f"ρ = {rho:g}"
            axis.plot(orders, missing, color=color, marker=marker, markevery=8, label=label)
        title = f"d = {d}, every $q_l$ = {data['reach']}"
        axis.set(yscale="log", ylim=(1e-16, 2), xlabel="order N", title=title)
    axes[0].set_ylabel(r"share of $\sum_r |\varphi_r(q)|^\rho$ above order N")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
