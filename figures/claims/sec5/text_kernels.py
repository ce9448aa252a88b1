"""Language models: NLL of twelve kernels against what they single out, and against dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.text_kernels",)
CAPTION = (
    "Language models that differ in the kernel; NLL of a token, a mean over seeds; broken lines "
    "on top and the line below are uniform attention. Top: cuts of the series of exp, above EDP, "
    "the line at zero; uniform attention is order zero. Below, at each head dimension (rows): all "
    "kernels, above the best, against the weight that one can give to each of fifteen keys, "
    "logits bounded (left), and against its feature dimension, infinite at the right (right), "
    "with Spearman's ρ and its interval over kernels drawn anew. Filled: infinite dimension."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Taylor cuts; then a row for each head dimension, a column for each predictor."""
    tables = found["sec5.text_kernels"].data["tables"]
    figure = Figure(figsize=(plotting.PAGE, 2.4 + 2.4 * len(tables)), layout="constrained")
    top, below = figure.subfigures(2, 1, height_ratios=(1, len(tables)))
    _by_order(top.subplots(), tables)
    axes = below.subplots(len(tables), 2, sharey="row", squeeze=False)
    for row, (d, table) in zip(axes, tables.items(), strict=True):
        for axis, name in zip(row, table["predictors"], strict=True):
            _panel(axis, table, name)
            axis.set_title(_told(d, table["ranked"][name]), fontsize=8)
        row[0].set_ylabel("NLL − the best, nats")
    for axis, label in zip(axes[-1], ("self-weight", "feature dimension D"), strict=True):
        axis.set_xlabel(label)
    return figure


def _by_order(axis: Axes, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """NLL of the cuts of EDP's series, uniform attention being that of order 0."""
    for number, (d, look) in enumerate(plotting.looks(tables).items()):
        outcome = tables[d]["outcome"]
        orders = {0: outcome["uniform"]} | {
            int(name[1:]): outcome[name] for name in outcome if name[0] == "T"
        }
        limit = outcome.get("EDP", min(outcome.values()))
        places = sorted(orders)
        face = {"mfc": "white"} if number else {}
        heights = [orders[order] - limit for order in places]
        axis.plot(places, heights, label=f"d = {d}", **look, **face, lw=0.9)
        style = ("--", ":")[number % 2]
        axis.axhline(heights[0], color=look["color"], ls=style, lw=1, zorder=0)
    axis.axhline(0, **plotting.LIMIT, zorder=0)
    axis.set(xlabel="order N of the Taylor cut", ylabel="NLL − EDP's, nats")
    axis.set_xticks(sorted({order for line in axis.lines[:1] for order in line.get_xdata()}))
    axis.legend()


def _panel(axis: Axes, table: Mapping[str, Any], name: str) -> None:
    """Each kernel as a point, at its value of the predictor."""
    outcome, sizes = table["outcome"], table["predictors"]["feature dimension"]
    best = min(outcome.values())
    x: dict[str, float] = dict(table["predictors"][name])
    if name == "feature dimension":
        finite = [size for size in sizes.values() if size is not None]
        infinite = 30 * max(finite)
        x = {kernel: infinite if size is None else size for kernel, size in sizes.items()}
        axis.set_xscale("log")
        powers = [power for power in range(0, 10, 2) if 10**power < infinite / 5]
        labels = ["1" if power == 0 else f"$10^{power}$" for power in powers]
        axis.set_xticks([*(10**power for power in powers), infinite], [*labels, "∞"])
        axis.set_xticks([], minor=True)
        axis.set_xlim(0.5, 4 * infinite)
    else:
        axis.set_xlim(-0.03, 1.1)
    axis.axhline(outcome["uniform"] - best, **plotting.LIMIT, zorder=0)
    look = plotting.looks(("finite", "infinite"))
    for kernel, value in outcome.items():
        kind = "infinite" if sizes[kernel] is None else "finite"
        face = {} if kind == "infinite" else {"mfc": "white"}
        axis.plot([x[kernel]], [value - best], ls="none", **look[kind], **face)
    span = max(outcome.values()) - best
    axis.set_ylim(-0.15 * span, 1.15 * span)
    plotting.name_points(axis, [(x[name], outcome[name] - best, name) for name in outcome])


def _told(d: str, ranked: Mapping[str, Any]) -> str:
    low, high = ranked["interval"]
    return f"d = {d}: ρ = {ranked['rho']:.2f} ({low:.2f}, {high:.2f})".replace("-", "−")
