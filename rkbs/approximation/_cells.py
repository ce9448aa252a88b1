"""Cells of [−1, 1]², halved along an axis wherever interpolation misses too much along it.

All decisions rest on bounds, not on samples: a bump between the nodes of a coarse panel makes its
bounds large, so that it is cut until they are small. Each panel of an axis is tabulated once, for
all the cells that have it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rkbs.approximation._panels import LEBESGUE, MAX_LEVEL, SAFE, SHIFTED, Axis, Panels, Tower

WIDEN = SAFE * (1 + 2 * LEBESGUE**2 / SHIFTED)
"""|E| − |I E| at the exact points over what interpolation at the nodes misses, at most.

Their shift changes E by no more than 2 missed + K² SHIFT |I E|, by Markov's inequality.
"""


@dataclass(eq=False)
class Tree:
    """All panels of an axis that cells have had, numbered, and what is known on each.

    ``left[n]`` is the number of the left half of panel n, or −1; the right half follows it.
    """

    tower: Tower
    surface: Callable[[float], float]
    axis: Axis = field(init=False)
    left: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.axis = Axis.on(Panels(np.zeros(1), np.ones(1)), self.tower, self.surface)
        self.left = np.array([-1])

    def cut(self, some: np.ndarray) -> np.ndarray:
        """The numbers of the left halves of panels."""
        new = np.unique(some[self.left[some] < 0])
        if len(new):
            self.left[new] = len(self.left) + 2 * np.arange(len(new))
            self.left = np.append(self.left, np.full(2 * len(new), -1))
            halves = Axis.on(self.axis.panels[new].cut(), self.tower, self.surface)
            self.axis = self.axis.joined(halves)
        return self.left[some]


@dataclass(eq=False)
class Cells:
    """Products of the panels x[i] and y[j] that cover the square.

    Parameters
    ----------
    x, y : Tree
    creased : bool
        Cells on the diagonal, where a crease runs, are squares and cut into four.
    noise : callable
        Rounding of F − q·k from |q_l|, |k_l| and their own rounding, each (c, d).
    """

    x: Tree
    y: Tree
    creased: bool
    noise: Callable[..., np.ndarray]
    i: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=int))
    j: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=int))

    def __len__(self) -> int:
        return len(self.i)

    def refine(self, goal: float, limit: int) -> None:
        """Cut cells until none misses more than ``goal``, or there are ``limit``.

        While all that miss too much can be cut, they are; else the worst first, half of what is
        left at a time. What is below rounding is left alone.
        """
        along, floor = self._measured(self.i, self.j, goal)
        while True:
            chosen = np.flatnonzero(along.sum(0) > floor)
            chosen = chosen[np.argsort(-along[:, chosen].sum(0), kind="stable")]
            along_t = along[0] >= along[1]
            cuts = np.stack([along_t, ~along_t])
            if self.creased:
                cuts[:, self.sides() == 0] = True
            prices = np.cumsum(2 ** cuts[:, chosen].sum(0) - 1)
            room = limit - len(self)
            if len(prices) and prices[-1] > room:
                chosen = chosen[prices <= max(room // 2, min(room, 3))]
            if not len(chosen):
                return
            i, j = self._halves(chosen, cuts[:, chosen])
            new = self._measured(i, j, goal)
            kept = np.ones(len(self), dtype=bool)
            kept[chosen] = False
            self.i, self.j = np.append(self.i[kept], i), np.append(self.j[kept], j)
            along = np.append(along[:, kept], new[0], axis=1)
            floor = np.append(floor[kept], new[1])

    def _halves(self, chosen: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The parts of the chosen cells, cut along t, along s or along both."""
        i, j, along_s = self.i[chosen], self.j[chosen], cuts[1]
        i, (j, along_s) = _halved(self.x, i, cuts[0], j, along_s)
        j, (i,) = _halved(self.y, j, along_s, i)
        return i, j

    def _measured(self, i: np.ndarray, j: np.ndarray, goal: float) -> tuple[np.ndarray, np.ndarray]:
        """What cells miss along t and along s, (2, c), and what need not be undercut, (c,).

        Nothing is below half the rounding, or below what is missed along an axis whose panels
        are the smallest there are.
        """
        x, y = self.x.axis, self.y.axis
        along = WIDEN * np.stack(missed(x, y, i, j))
        finest = np.stack([x.panels.halves[i], y.panels.halves[j]]) <= 2.0**-MAX_LEVEL
        stuck = np.where(finest, along, 0).max(0)
        along[finest] = 0
        noise = self.noise(x.sizes[i], y.sizes[j], x.noise[i], y.noise[j])
        return along, np.maximum(np.maximum(goal, stuck), noise / 2)

    def sides(self) -> np.ndarray:
        """With a crease: 1 for cells where t ≥ s, −1 where t ≤ s, 0 for those that it halves."""
        return np.sign(self.x.axis.panels.centers[self.i] - self.y.axis.panels.centers[self.j])


def missed(x: Axis, y: Axis, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What interpolation at the nodes misses of E along t and along s, on the cells x[i] × y[j]."""
    along_t = x.surface[i] + np.vecdot(y.full[j], x.missed[i])
    return along_t, 1.01 * LEBESGUE * y.surface[j] + np.vecdot(y.missed[j], x.full[i])


def _halved(
    tree: Tree, panels: np.ndarray, cut: np.ndarray, *others: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Panels, those with ``cut`` by their halves, and what goes with each."""
    left = tree.cut(panels[cut])
    whole = [np.concatenate([other[~cut], other[cut], other[cut]]) for other in others]
    return np.concatenate([panels[~cut], left, left + 1]), whole
