"""Theorem 2: the Schmidt floor of each target, and the heads that attain it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.floor", "thm2.limit", "thm2.constructive")
CAPTION = (
    "L² errors of attention logits of dimension d, for each target on the line. The black line is "
    "the Schmidt floor, and no logit can be in the gray below it. Schmidt's own functions attain "
    "it; of all heads that were built or trained, of every width, the best is on it as far as its "
    "width and training go, and none is below; heads made by interpolation stay above. What is "
    "lost in rounding is drawn at its edge."
)

Errors = dict[int, list[float]]


def _errors(rows: Iterable[dict[str, Any]], target: str, rounding: float) -> Errors:
    """The errors of a target's heads by d; what is lost in rounding is drawn at its edge."""
    errors: Errors = defaultdict(list)
    for row in rows:
        if row["target"] == target:
            errors[row["d"]].append(max(row["error"], rounding))
    return dict(sorted(errors.items()))


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel per target: the floor, what attains it, the best of all heads, interpolation."""
    floor, limit, frozen = (found[name].data for name in RECORDS)
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in floor["rows"]:
        kinds[row["kind"]].append(row)
    built = [*limit["rows"], *frozen["rows"], *kinds["random, m = 64"]]
    figure = Figure(figsize=(plotting.PAGE, 3.9))
    axes = figure.subplots(2, 4, sharex=True)
    for axis, (name, curve) in zip(axes.flat, floor["curves"].items(), strict=True):
        rounding = curve["rounding"]
        best = {d: [min(errors)] for d, errors in _errors(built, name, rounding).items()}
        heads = {
            "interpolation": _errors(kinds["interpolation"], name, rounding),
            "best head of all": best,
            "Schmidt's functions": _errors(kinds["schmidt"], name, rounding),
        }
        line = (curve["d"], curve["floor"])
        plotting.error_against_dimension(axis, line, rounding, heads)
        axis.set_title(name.replace("_", " "))
    for axis in axes[1]:
        axis.set_xlabel("head dimension d")
    for axis in axes[:, 0]:
        axis.set_ylabel("L² error")
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=5,
        columnspacing=1,
    )  # fmt: skip
    return figure
