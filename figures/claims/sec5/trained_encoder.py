"""A trained encoder with exp's series cut: cosines, accuracy, single layers, and logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.trained_encoder",)
CAPTION = (
    "Left: how far the vectors of a trained encoder are from the exact ones, which are at zero, "
    "below these axes, where exp is cut at order N of its series after the fact, above in all "
    "layers, of logits less the mean of their row or as they stand, below in one; order zero is "
    "uniform attention, also the dashed line above, black triangles mark the orders that the "
    "logits predict, and small hollow markers are odd orders, whose weights may be negative. Top "
    "right: accuracy of a probe of exact vectors on the cut ones, with intervals of its change, "
    "and of probes that were trained on cut vectors, beside two baselines that know no order of "
    "the tokens; gray is what counts as no loss. Bottom right: logits of each layer less the mean "
    "of their row, all of them and without the outermost percent on either side, and under them "
    "the least order that loses nothing, as measured, and as predicted by the total variation of "
    "rows and by the largest logit."
)
NAMES = {
    ("sst", "centered"): "SST-2",
    ("multi30k", "centered"): "Multi30k",
    ("sst", "as they stand"): "SST-2, as they stand",
    ("multi30k", "as they stand"): "Multi30k, as they stand",
}
BASELINES = {
    "mean of token embeddings": ("mean of embeddings", "-."),
    "bag of tokens": ("bag of tokens", ":"),
}
RULES = {"by variation": "by total variation", "by largest": "by the largest logit"}
ORDERS = range(0, 17, 2)
SMALLEST = 1e-8
"""What is nearer to 0 is rounding."""
THIN = {"lw": 0.8, "ls": "--", "zorder": 0}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """All layers, the task, single layers, and the logits behind them."""
    data = found["sec5.trained_encoder"].data
    figure = Figure(figsize=(plotting.PAGE, 6.2))
    (far, task), (layers, logits) = figure.subplots(2, 2)
    _far(far, data)
    if data["probes"]:
        _task(task, data)
    else:
        _absent(task, "accuracy")
    if data["layers"]:
        _layers(layers, data)
    else:
        _absent(layers, "single layers")
    _logits(logits, data)
    return figure


def _absent(axis: Axes, what: str) -> None:
    axis.axis("off")
    axis.text(0.5, 0.5, f"{what}:\nof a full run only", ha="center", va="center")


def _far(axis: Axes, data: Mapping[str, Any]) -> None:
    """1 − cosine against the order, by text and mode."""
    looks = plotting.looks(NAMES)
    for (text, mode), label in NAMES.items():
        rows = [row for row in data["rows"] if (row["text"], row["mode"]) == (text, mode)]
        far = {row["order"]: 1 - row["cosine"]["mean"] for row in rows}
        look = looks[text, mode]
        _against_order(axis, far, look, label, "-" if mode == "centered" else ":")
        if 0 in far:
            axis.axhline(far[0], color=look["color"], **THIN)
    for mode, said in data["predicted"].get(RULES["by variation"], {}).items():
        centered = mode == "centered"
        axis.plot(
            [said["all"]],
            [0.02],
            "k^",
            mfc="black" if centered else "white",
            transform=axis.get_xaxis_transform(),
            label="predicted" if centered else "predicted, as they stand",
        )
    _finish(axis, 1 - data["margins"]["cosine"])


def _against_order(
    axis: Axes, far: Mapping[int, float], look: Mapping[str, str], label: str, ls: str = "-"
) -> None:
    """Even orders as a line, odd ones as small hollow markers."""
    even, odd = ([n for n in far if n % 2 == rest] for rest in (0, 1))
    axis.plot(even, [max(far[n], SMALLEST) for n in even], ls=ls, label=label, **look)
    small = {"ls": "none", "mfc": "white", "ms": 3, "mew": 0.7}
    axis.plot(odd, [max(far[n], SMALLEST) for n in odd], **small, **look)


def _finish(axis: Axes, margin: float) -> None:
    axis.axhline(margin, **plotting.TOLERANCE, zorder=0)
    axis.set_yscale("log")
    axis.set_xticks([*ORDERS])
    axis.set(xlabel="order N", ylabel="1 − cosine with the exact vector")
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2)


def _task(axis: Axes, data: Mapping[str, Any]) -> None:
    """Accuracy against the order, with what it is compared with."""
    probes = data["probes"]
    exact, margin = 100 * probes["exact"]["accuracy"], 100 * data["margins"]["accuracy"]
    axis.axhspan(exact - margin, exact + margin, **plotting.OUT_OF_REACH, zorder=0)
    axis.axhline(exact, **plotting.LIMIT, label="exact", zorder=1)
    looks = plotting.looks((*NAMES, "retrained"))
    for mode, label in (("centered", "probe of exact vectors"), ("as they stand", "as they stand")):
        rows = [row for row in data["rows"] if row["accuracy"] and row["mode"] == mode]
        _accuracies(axis, rows, exact, looks["sst", mode], label, 0.25 * (mode != "centered"))
    uniform = next(row for row in data["rows"] if row["accuracy"] and row["order"] == 0)
    height = 100 * uniform["accuracy"]["accuracy"]
    axis.axhline(height, color=looks["sst", "centered"]["color"], **THIN)
    again = {int(name.split()[-1]): told for name, told in probes.items() if "cut at" in name}
    heights = [100 * told["accuracy"] for told in again.values()]
    axis.plot(list(again), heights, ls="none", label="probe of cut vectors", **looks["retrained"])
    for name, (label, ls) in BASELINES.items():
        height = 100 * probes[name]["accuracy"]
        axis.axhline(height, color=plotting.COLORS[7], lw=0.9, ls=ls, label=label, zorder=1)
    axis.set_xticks([*ORDERS])
    axis.set(xlabel="order N", ylabel="accuracy on SST-2, %")
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2)


def _accuracies(
    axis: Axes,
    rows: Sequence[Mapping[str, Any]],
    exact: float,
    look: Mapping[str, Any],
    label: str,
    shift: float,
) -> None:
    """Markers with the intervals of their change."""
    for row in rows:
        ends = (exact + 100 * end for end in row["accuracy"]["interval"])
        axis.vlines(row["order"] + shift, *ends, color=look["color"], lw=1)
    places = [row["order"] + shift for row in rows]
    heights = [100 * row["accuracy"]["accuracy"] for row in rows]
    axis.plot(places, heights, ls=":" if shift else "-", label=label, **look)


def _layers(axis: Axes, data: Mapping[str, Any]) -> None:
    """1 − cosine against the order at which one layer is cut."""
    looks = plotting.looks(row["layer"] for row in data["layers"])
    for row in data["layers"]:
        far = {n: 1 - c for n, c in zip(row["orders"], row["cosines"], strict=True)}
        _against_order(axis, far, looks[row["layer"]], f"layer {row['layer'] + 1}")
    uniform = next(r for r in data["rows"] if (r["text"], r["order"]) == ("sst", 0))
    far_off = 1 - uniform["cosine"]["mean"]
    axis.axhline(far_off, color=plotting.COLORS[7], label="all layers uniform", **THIN)
    _finish(axis, 1 - data["margins"]["cosine"])


def _logits(axis: Axes, data: Mapping[str, Any]) -> None:
    """How the logits of each layer are distributed, over the orders that it needs."""
    for number, told in enumerate(data["logits"]):
        values = dict(zip(told["probabilities"], told["quantiles"], strict=True))
        color = plotting.COLORS[number]
        axis.vlines(number, values[0], values[1], color=color, lw=0.8)
        axis.vlines(number, values[0.01], values[0.99], color=color, lw=4)
        axis.plot([number], [values[0.5]], "o", color="white", mec=color, ms=3, zorder=3)
    table = {"layer": [number + 1 for number in range(len(data["logits"]))]}
    table["needs"] = [row["least"] for row in data["layers"]]
    for name, rule in RULES.items():
        table[name] = data["predicted"].get(rule, {}).get("centered", {}).get("layers", [])
    table = {name: column for name, column in table.items() if column}
    columns = zip(*table.values(), strict=True)
    labels = ["\n".join("–" if x is None else str(x) for x in column) for column in columns]
    axis.set_xticks(range(len(labels)), labels, fontsize=7)
    axis.annotate(
        "\n".join(table),
        (0, 0),
        (-4, -3.5),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=7,
    )
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-0.6, len(labels) - 0.4)
    axis.axhline(0, **plotting.LIMIT | {"lw": 0.5}, zorder=0)
    axis.set_ylabel("logit − mean of its row")
