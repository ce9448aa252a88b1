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
    "A trained sentence encoder whose exp is cut at order N of its series after the fact; N = 0 is "
    "uniform attention, the colored line across each panel. Top left: how far vectors are from "
    "those of the exact encoder, which are at zero, off this axis; all layers cut, each row's "
    "logits less their mean or as they stand; arrows show the orders that the logits predict, "
    "hollow markers odd orders, whose weights may be negative. Top right: accuracy on SST-2 of a "
    "probe that was trained on exact vectors, with intervals of 90 % of its change, and of probes "
    "trained on the cut ones; the exact encoder is the black line, gray what counts as no loss. "
    "Bottom left: one layer cut, the others exact. Bottom right: the logits of each layer, less "
    "the mean of their row: all of them, and those between the quantiles 1 % and 99 %; below, the "
    "least order that loses nothing, as measured and as two rules predict from these logits."
)
NAMES = {
    ("sst", "centered"): "SST-2",
    ("multi30k", "centered"): "Multi30k",
    ("sst", "as they stand"): "SST-2, as they stand",
    ("multi30k", "as they stand"): "Multi30k, as they stand",
}
BASELINES = {"bag of tokens": "bag of tokens", "mean of token embeddings": "mean of embeddings"}
ORDERS = range(0, 17, 2)
SMALLEST = 1e-8
"""What is nearer to 0 is rounding."""


def draw(found: Mapping[str, Evidence]) -> Figure:
    """All layers, the task, single layers, and the logits behind them."""
    data = found["sec5.trained_encoder"].data
    figure = Figure(figsize=(plotting.PAGE, 5.6))
    (far, task), (layers, logits) = figure.subplots(2, 2)
    _far(far, data)
    _task(task, data)
    _layers(layers, data)
    _logits(logits, data)
    return figure


def _far(axis: Axes, data: Mapping[str, Any]) -> None:
    """1 − cosine against the order, by text and mode."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {name: [] for name in NAMES}
    for row in data["rows"]:
        groups[row["text"], row["mode"]].append(row)
    looks = plotting.looks(text for text, _ in NAMES)
    for (text, mode), rows in groups.items():
        look, ls = looks[text], "-" if mode == "centered" else ":"
        even = [row for row in rows if row["order"] % 2 == 0]
        odd = [row for row in rows if row["order"] % 2]
        axis.plot(
            [row["order"] for row in even],
            [_distance(row) for row in even],
            ls=ls,
            label=NAMES[text, mode],
            **look,
        )
        axis.plot(
            [row["order"] for row in odd],
            [_distance(row) for row in odd],
            ls="none",
            mfc="white",
            ms=3,
            mew=0.7,
            **look,
        )
        for row in even:
            if row["order"] == 0:
                axis.axhline(_distance(row), color=look["color"], lw=0.7, ls="--", zorder=0)
    axis.set_yscale("log")
    axis.axhline(1 - data["margins"]["cosine"], **plotting.TOLERANCE)
    for mode, said in data["predicted"].get("by total variation", {}).items():
        axis.annotate(
            "predicted" if mode == "centered" else "as they stand",
            (said["all"], 1 - data["margins"]["cosine"]),
            (0, 26),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            arrowprops={"arrowstyle": "->", "lw": 0.7},
        )
    _by_order(axis, "1 − cosine with the exact vector")
    axis.legend(loc="lower left", fontsize=7)


def _distance(row: Mapping[str, Any]) -> float:
    return max(1 - row["cosine"]["mean"], SMALLEST)


def _by_order(axis: Axes, label: str) -> None:
    axis.set_xticks([*ORDERS])
    axis.set(xlabel="order N", ylabel=label)


def _task(axis: Axes, data: Mapping[str, Any]) -> None:
    """Accuracy against the order, with what it is compared with."""
    probes = data["probes"]
    if not probes:
        axis.axis("off")
        axis.text(0.5, 0.5, "accuracy:\nof a full run only", ha="center", va="center")
        return
    exact, margin = 100 * probes["exact"]["accuracy"], 100 * data["margins"]["accuracy"]
    axis.axhspan(exact - margin, exact + margin, **plotting.OUT_OF_REACH, zorder=0)
    axis.axhline(exact, **plotting.LIMIT, label="exact")
    rows = [row for row in data["rows"] if row["accuracy"]]
    looks = plotting.looks(("centered", "as they stand", "retrained"))
    for mode, label in (("centered", "probe of exact vectors"), ("as they stand", "as they stand")):
        mine = [row for row in rows if row["mode"] == mode]
        shift = 0.0 if mode == "centered" else 0.25
        _accuracies(axis, mine, exact, looks[mode], label, shift)
    uniform = next(row for row in rows if row["order"] == 0)
    color = looks["centered"]["color"]
    axis.axhline(100 * uniform["accuracy"]["accuracy"], color=color, lw=0.7, ls="--", zorder=0)
    again = {int(name.split()[-1]): told for name, told in probes.items() if "cut at" in name}
    axis.plot(
        list(again),
        [100 * told["accuracy"] for told in again.values()],
        ls="none",
        label="probe of cut vectors",
        **looks["retrained"],
    )
    for name, label in BASELINES.items():
        height = 100 * probes[name]["accuracy"]
        axis.axhline(height, color=plotting.COLORS[7], lw=0.7, zorder=0)
        axis.annotate(
            label, (16, height), (0, 1), textcoords="offset points", ha="right", fontsize=7
        )
    _by_order(axis, "accuracy on SST-2, %")
    axis.legend(loc="lower right", fontsize=7)


def _accuracies(
    axis: Axes,
    rows: Sequence[Mapping[str, Any]],
    exact: float,
    look: Mapping[str, Any],
    label: str,
    shift: float,
) -> None:
    places = [row["order"] + shift for row in rows]
    for place, row in zip(places, rows, strict=True):
        low, high = (exact + 100 * end for end in row["accuracy"]["interval"])
        axis.vlines(place, low, high, color=look["color"], lw=1)
    heights = [100 * row["accuracy"]["accuracy"] for row in rows]
    face = {"mfc": "white"} if shift else {}
    axis.plot(places, heights, ls=":" if shift else "-", label=label, **look, **face)


def _layers(axis: Axes, data: Mapping[str, Any]) -> None:
    """1 − cosine against the order at which one layer is cut."""
    if not data["layers"]:
        axis.axis("off")
        axis.text(0.5, 0.5, "single layers:\nof a full run only", ha="center", va="center")
        return
    looks = plotting.looks(row["layer"] + 1 for row in data["layers"])
    for row in data["layers"]:
        look = looks[row["layer"] + 1]
        far = [max(1 - cosine, SMALLEST) for cosine in row["cosines"]]
        even = [k for k, order in enumerate(row["orders"]) if order % 2 == 0]
        axis.plot(
            [row["orders"][k] for k in even],
            [far[k] for k in even],
            label=f"layer {row['layer'] + 1}",
            **look,
        )
        odd = [k for k, order in enumerate(row["orders"]) if order % 2]
        axis.plot(
            [row["orders"][k] for k in odd],
            [far[k] for k in odd],
            ls="none",
            mfc="white",
            ms=3,
            mew=0.7,
            **look,
        )
    uniform = next(r for r in data["rows"] if (r["text"], r["order"]) == ("sst", 0))
    axis.axhline(
        _distance(uniform),
        color=plotting.COLORS[7],
        lw=0.7,
        ls="--",
        label="all layers uniform",
        zorder=0,
    )
    axis.axhline(1 - data["margins"]["cosine"], **plotting.TOLERANCE)
    axis.set_yscale("log")
    _by_order(axis, "1 − cosine with the exact vector")
    axis.legend(loc="upper right", fontsize=7, ncols=2)


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
    rules = {"by variation": "by total variation", "by largest": "by the largest logit"}
    for name, rule in rules.items():
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
