"""Section 5: what powers of a Euclidean distance select, in every dimension."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.metric",)
CAPTION = (
    "The best of trained heads, queries and keys free, in dimension d. Left: the geometric-mean "
    "self-weight of |q − k| (its root hollow) in units of the law, against the number of keys; "
    "two equal clusters reach it, and three keys do not make two. Right: the largest sum of all "
    "self-weights, against the power of the distance, with the law for powers that are squared "
    "distances in a Hilbert space. Beyond them it does not hold, nor for the largest coordinate "
    "(star), a metric that is not Euclidean."
)

DIMS = (1, 2, 3, 8, 32)


def _by_keys(axis: Axes, rows: list[dict]) -> None:
    for d, look in plotting.looks(DIMS).items():
        for power, face in ((1.0, {"ms": 4}), (0.5, {"mfc": "none", "ms": 8})):
            mine = [r for r in rows if (r["d"], r["power"]) == (d, power)]
            label = f"d = {d}" if power == 1 else None
            ratios = [r["own"] * r["n"] / 2 for r in mine]
            axis.plot(
                [r["n"] for r in mine], ratios, ls="none", label=label, zorder=3, **look, **face
            )
    axis.axhline(1, **plotting.LIMIT, label="law")
    axis.set(xlabel="keys n", xscale="log")
    axis.set(ylabel="n/2 × geometric-mean self-weight", ylim=(0.82, 1.02))
    plotting.set_ticks(axis.xaxis, sorted({row["n"] for row in rows}))
    axis.legend(loc="lower right", ncols=2)


def _by_power(axis: Axes, rows: list[dict], other: dict) -> None:
    powers = sorted({row["power"] for row in rows})
    for d, look in plotting.looks(DIMS).items():
        best = {
            p: max((r["trace"] for r in rows if (r["d"], r["power"]) == (d, p)), default=None)
            for p in powers
        }
        told = {p: value for p, value in best.items() if value is not None}
        axis.plot(list(told), list(told.values()), ls="none", zorder=3, **look)
    axis.plot([0.4, 2], [2, 2], **plotting.LIMIT)
    axis.plot(1, other["trace"], "*", color="black", ms=8, zorder=3)
    axis.set(xlabel="power of the distance", ylabel="largest tr A", xscale="log", ylim=(1.8, None))
    plotting.set_ticks(axis.xaxis, powers)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Self-weight against n; tr A against the power."""
    data = found["sec5.metric"].data
    rows = [row for row in data["rows"] if row["kind"] == "trained"]
    figure = Figure(figsize=(plotting.PAGE, 3.0))
    left, right = figure.subplots(1, 2)
    _by_keys(left, rows)
    _by_power(right, rows, data["largest coordinate"])
    return figure
