"""Names of points, each beside its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

_SIZE = 7
"""Of the names, in points."""
_MARKER = 8
"""What a marker takes, in points."""
_SAME = 5
"""Points less apart, whose markers cover each other, have one name, from top to bottom."""
_LED = 9
"""Names farther away have a line to their point."""
_LINE = {"arrowstyle": "-", "lw": 0.5, "color": "0.5", "shrinkA": 0.5, "shrinkB": 2.5}
_DISTANCES = (6, 9, 13, 18, 24, 32, 42, 54, 68)
_DIRECTIONS = (20, -20, 45, -45, 75, -75, 0, 10, -10, 30, -30, 60, -60, 105, -105, 135, -135)
"""In degrees from the horizontal, away from the nearer side of the axes; the first are tried first.
"""
_CONFUSED = 15
"""What it costs, in square points covered, that a name could be another point's."""
_STOPS = 8
"""Of a line, at which it is to be over nothing."""


class _Box(NamedTuple):
    x0: float
    y0: float
    x1: float
    y1: float

    def distance(self, place: np.ndarray) -> float:
        """To a point, 0 inside."""
        x = max(self.x0 - place[0], 0, place[0] - self.x1)
        y = max(self.y0 - place[1], 0, place[1] - self.y1)
        return math.hypot(x, y)

    def shared(self, other: _Box) -> float:
        """The area of the intersection."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(width, 0) * max(height, 0)

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def name_points(axis: Axes, points: Iterable[tuple[float, float, str]]) -> None:
    """Write a name beside each point (x, y, name), over no other point or name if there is room.

    Names that stand farther off have a line to their point; those of points that cover each
    other stand together. The
    limits, the scales and the size of the axes are taken as they are now.
    """
    scale = 72 / axis.get_figure(root=True).dpi
    found: list[tuple[tuple[float, float], np.ndarray, list[str]]] = []
    for x, y, name in sorted(points, key=lambda point: -point[1]):
        place = axis.transData.transform((x, y)) * scale
        same = (names for _, other, names in found if math.dist(place, other) < _SAME)
        if (names := next(same, None)) is None:
            found.append(((x, y), place, [name]))
        else:
            names.append(name)
    frame = _Box(*(axis.bbox.extents * scale))
    places = [place for _, place, _ in found]
    taken = [_around(place) for place in places]
    for point, place, names in found:
        text = ", ".join(names)
        others = [other for other in places if other is not place]
        offset, boxes = _free(place, others, _extent(text), frame, taken)
        taken += boxes
        axis.annotate(
            text,
            point,
            xytext=offset,
            textcoords="offset points",
            ha=_side(offset[0], "left", "center", "right"),
            va=_side(offset[1], "bottom", "center", "top"),
            fontsize=_SIZE,
            arrowprops=_LINE if math.hypot(*offset) > _LED else None,
        )


def _around(place: np.ndarray) -> _Box:
    return _Box(*(place - _MARKER / 2), *(place + _MARKER / 2))


def _extent(text: str) -> tuple[float, float]:
    """Width and height in points, with some room around what is inked."""
    path = TextPath((0, 0), text, prop=FontProperties(size=_SIZE))
    return path.get_extents().width + 2, _SIZE + 2


def _side(offset: float, after: str, at: str, before: str) -> str:
    return at if abs(offset) < 2 else after if offset > 0 else before


def _free(
    place: np.ndarray,
    others: Sequence[np.ndarray],
    size: tuple[float, float],
    frame: _Box,
    taken: Sequence[_Box],
) -> tuple[tuple[float, float], list[_Box]]:
    """The offset of the nearest free place for a name, and what it takes with its line.

    Without a line a name is to be nearer to its point than to others. If no place is free, that
    which covers least.
    """
    away = 1 if place[0] < (frame.x0 + frame.x1) / 2 else -1
    best, least = ((0.0, 0.0), [_around(place)]), math.inf
    for distance, degrees in itertools.product(_DISTANCES, _DIRECTIONS):
        angle = math.radians(degrees)
        offset = away * distance * math.cos(angle), distance * math.sin(angle)
        box = _box(place + offset, size, offset)
        line = _stops(place, offset) if distance > _LED else []
        cost = box.area - box.shared(frame)
        cost += sum(part.shared(other) for part in (box, *line) for other in taken)
        nearest = min((box.distance(other) for other in others), default=math.inf)
        if nearest < (_MARKER if line else box.distance(place) + 2):
            cost += _CONFUSED
        if cost < least:
            best, least = (offset, [box, *line]), cost
        if cost == 0:
            break
    return best


def _stops(place: np.ndarray, offset: tuple[float, float]) -> list[_Box]:
    """Small boxes along a line, outside of the marker."""
    first = _MARKER / math.hypot(*offset)
    ways = (place + share * np.array(offset) for share in np.linspace(first, 1, _STOPS))
    return [_Box(*(at - 0.5), *(at + 0.5)) for at in ways]


def _box(at: np.ndarray, size: tuple[float, float], offset: tuple[float, float]) -> _Box:
    """Where a text of this size stands, that begins, is centered or ends at a place."""
    share = {"left": 0.0, "bottom": 0.0, "center": 0.5, "right": 1.0, "top": 1.0}
    left = at[0] - size[0] * share[_side(offset[0], "left", "center", "right")]
    low = at[1] - size[1] * share[_side(offset[1], "bottom", "center", "top")]
    return _Box(left, low, left + size[0], low + size[1])
