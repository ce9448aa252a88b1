"""Rows of heads on Theorem 2's targets, as records keep them: which to compare, and by what.

Figures and tables read records with these alone; nothing here computes a head, a target or a floor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from statistics import median
from typing import Any

Row = dict[str, Any]

NARROW, MIDDLE, WIDE = 4, 16, 64
"""Hidden units: too few for frozen layers to resolve the targets, enough for some, for all."""
NEGLIGIBLE = 1e-6
"""Share of ‖F‖ under which a floor need not be followed."""
AT_A_GLANCE = ("edp", "oscillating", "kink")
"""The targets of the figure that opens README, with ``MIDDLE`` hidden units."""


def resolved(row: Row) -> bool:
    """Whether the floor stands ten times above its own error, so that a ratio means something."""
    return row["floor"] > 10 * max(row["allowance"], row["rounding"])


def ratio(row: Row, name: str = "error") -> float:
    """Error over the floor of the measure in which the error was measured."""
    return row[name] / row["floor_there"]


def excess(row: Row) -> float:
    """Error over that floor, or over ``NEGLIGIBLE`` ‖F‖ where the floor is below."""
    return row["error"] / max(row["floor_there"], NEGLIGIBLE * row["norm"])


def best(rows: Iterable[Row]) -> list[Row]:
    """Of each (target, d, width), the row whose seed has the least error where it was trained."""
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["target"], row["d"], row["width"]].append(row)
    return [min(group, key=itemgetter("fit_error")) for group in groups.values()]


def like_the_first(rows: Sequence[Row]) -> list[Row]:
    """The rows of the first row's method and start: of the plain budget, without its variations."""
    first = rows[0]["method"], rows[0]["start"]
    return [row for row in rows if (row["method"], row["start"]) == first]


def errors_by_dimension(rows: Iterable[Row], target: str, width: int) -> dict[int, list[float]]:
    """The errors of a target's heads of one width, by their dimensions."""
    errors: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if (row["target"], row["width"]) == (target, width):
            errors[row["d"]].append(row["error"])
    return dict(sorted(errors.items()))


def at_a_glance(data: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the figure that opens README shows, by target: the floor's curve and heads' errors.

    Parameters
    ----------
    data : mapping
        The data of the records thm2.floor, thm2.limit, thm2.trained and thm2.constructive, by id.
    """
    limit, trained, frozen = (
        data[f"thm2.{name}"]["rows"] for name in ("limit", "trained", "constructive")
    )
    projected = [row for row in limit if row["start"] == "constructive"]
    methods = {
        "plain Adam": like_the_first(trained),
        "random hidden layers": frozen,
        "variable projection": projected,
    }
    return {
        name: {
            "curve": data["thm2.floor"]["curves"][name],
            "heads": {
                label: errors_by_dimension(rows, name, MIDDLE) for label, rows in methods.items()
            },
        }
        for name in AT_A_GLANCE
    }


def median_excess(panel: Mapping[str, Any], method: str) -> dict[int, float]:
    """Median error of a panel's heads by d, over the floor, or over rounding where that is more."""
    curve = panel["curve"]
    floors = dict(zip(curve["d"], curve["floor"], strict=True))
    return {
        d: median(errors) / max(floors[d], curve["rounding"])
        for d, errors in panel["heads"][method].items()
    }
