"""Proposition 1: the pair reproduces, its span is there, and what fails for W^Q of rank 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.reproducing", "prop1.span")
CAPTION = (
    "Left: identities of the pair of spaces, each tried with many kernels, dimensions and "
    "exponents. Drawn is the error over what the cut of the features and rounding allow, of which "
    "the black line is the whole: values and pairings come near it, because the bound on the cut "
    "is tight, and nothing passes it. Right: for a W^Q of deficient rank, an element whose "
    "function is zero everywhere; its norm stays above one for every p, and it pairs to one with "
    "another element, so that the pairing is none of functions."
)

IDENTITIES = {
    "f": "f(x) = Σ b$_j$ κ(x, y$_j$)",
    "f_paired": "⟨f, κ(x, ·)⟩ = f(x)",
    "g": "g(y) = Σ c$_i$ κ(x$_i$, y)",
    "g_paired": "⟨κ(·, y), g⟩ = g(y)",
    "holder": "|⟨f, g⟩| ≤ ‖f‖ ‖g‖",
    "norm": "‖v‖$_p$",
    "dual_norm": "‖ι(v)‖$_{p′}$ = 1",
    "dual_value": "⟨ι(v), v⟩ = ‖v‖$_p$",
    "inverse": "ι of p′ inverts ι",
    "derivative": "ι is the norm's derivative",
}
SMALL = 1e-5
"""Smaller shares are drawn here."""
SPAN = {
    "combination": "Σ c$_j$ κ(·, k$_j$) = f$_v$",
    "additive": "c f$_v$ + c′ f$_w$ = f of cv + c′w",
}


def _identities(axis: Axes, rows: list[dict[str, Any]], span: list[dict[str, Any]]) -> None:
    lines = [(label, [row[key] for row in rows]) for key, label in IDENTITIES.items()]
    lines += [(label, [row[key] for row in span]) for key, label in SPAN.items()]
    looks = plotting.looks(("pair", "span"))
    for place, (_, shares) in enumerate(lines):
        look = looks["pair" if place < len(IDENTITIES) else "span"]
        shares = np.maximum(shares, SMALL)
        axis.plot(shares, [place] * len(shares), ls="none", alpha=0.35, ms=3.5, mew=0, **look)
    axis.axvline(1, **plotting.LIMIT)
    axis.set_yticks(range(len(lines)), [label for label, _ in lines])
    axis.set(xscale="log", xlim=(SMALL / 1.5, 2), ylim=(len(lines) - 0.4, -0.6))
    axis.set(xlabel="error / allowed error (Hölder: share of the bound)")
    axis.set_title("identities of the pair")


def _vanishing(axis: Axes, rows: list[dict[str, Any]]) -> None:
    p = [row["p"] for row in rows]
    curves = {
        "norm of f": [row["norm"] for row in rows],
        "⟨f, g⟩ for some g": [row["pairing"] for row in rows],
        "|f| on a grid, largest": [row["largest"] for row in rows],
    }
    for name, look in plotting.looks(curves).items():
        axis.plot(p, curves[name], label=name, clip_on=False, **look)
    axis.set(xlabel="exponent p", ylabel="size", ylim=(0, 1.1 * np.max(curves["norm of f"])))
    plotting.set_ticks(axis.xaxis, [1.25, 2, 3, 4])
    axis.set_title("$W^Q$ of rank 1")
    axis.legend(loc="center right", bbox_to_anchor=(1, 0.6))


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Shares of the allowed error, identity by identity; the counterexample by p."""
    data, span = (found[name].data for name in RECORDS)
    figure = Figure(figsize=(plotting.PAGE, 3.2))
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    _identities(left, data["pairs"], span["cases"])
    _vanishing(right, data["vanishing"])
    return figure
