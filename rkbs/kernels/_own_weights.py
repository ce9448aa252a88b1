"""Self-weights of queries and keys, their scales, and an ascent on them.

All of it calls the kernel, as a kernel: entry (i, j) of its values depends on query i and key j
alone. Hence 4d calls give the slopes of all entries by central differences, whatever n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rkbs.kernels._arrangements import Pair
from rkbs.kernels.base import Kernel

Goal = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of log A_ii, (..., n): a number to ascend (...), and its slopes (..., n)."""

SCALES = 10.0 ** np.arange(-2, 4.5, 0.5)
RATIOS = (-8.0, -1.0, 0.25, 1.0, 4.0)
"""What the keys, and then the queries relative to them, are multiplied with at first."""
MOVES = 60
"""Of a pattern search on the two factors, at most."""
SHARPNESS = 40.0
"""Of the smooth minimum."""
PRICES = (1e1, 1e3, 1e5)
"""Of logits too far apart, one after the other."""
LOWEST = -1e3
"""A log A_ii below counts as this."""
ROUNDED = 1e-9
"""Of the largest value, how far below 0 rounding may leave one."""


def mean(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of the geometric mean."""
    return logs.mean(-1), np.full_like(logs, 1 / logs.shape[-1])


def smooth_least(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """−log(Σ exp(−t log A_ii))/t, somewhat below the least log A_ii."""
    low = logs.min(-1, keepdims=True)
    shares = np.exp(-SHARPNESS * (logs - low))
    total = shares.sum(-1, keepdims=True)
    return low[..., 0] - np.log(total[..., 0]) / SHARPNESS, shares / total


class Scales(NamedTuple):
    """The logarithm of the keys' factor; that of the queries' relative to it, and its sign."""

    size: float
    ratio: float
    sign: float

    @property
    def key(self) -> float:
        return math.exp(self.size)

    @property
    def query(self) -> float:
        return self.sign * math.exp(self.size + self.ratio)


class OwnWeights:
    """log A_ii of a kernel, for batches of arrangements.

    Where the kernel has a logit, that is what rows are made of; else its values. The logits of a
    row may be ``spread`` apart.
    """

    def __init__(self, kernel: Kernel, spread: float = math.inf) -> None:
        self.kernel, self.spread = kernel, spread
        self.positive = kernel.is_positive is True
        self._call = kernel.log if self.positive else kernel
        self._in_batches: bool | None = None

    def evaluate(self, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Logits or values, (..., n, n), also of a function that knows no leading axes."""
        lead = np.broadcast_shapes(queries.shape[:-2], keys.shape[:-2])
        if not lead or self._in_batches:
            return self._call(queries, keys)
        batch = [np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (queries, keys)]
        one_by_one = np.stack([self._call(*pair) for pair in zip(*batch, strict=True)])
        if self._in_batches is None:
            self._in_batches = self._agrees(one_by_one, queries, keys)
        return one_by_one

    def _agrees(self, values: np.ndarray, queries: np.ndarray, keys: np.ndarray) -> bool:
        """Whether one call gives the same."""
        try:
            found = self._call(queries, keys)
        except (ValueError, IndexError, TypeError):
            return False
        return found.shape == values.shape and np.allclose(found, values, rtol=1e-9, atol=1e-12)

    def logs(self, values: np.ndarray) -> np.ndarray:
        """log A_ii, (..., n); −∞ where the weight is 0, or the whole row.

        Raises
        ------
        ValueError
            For values that no kernel has which is non-negative, as this one says it is.
        """
        if not self.positive and values.min() < -ROUNDED * values.max():
            raise ValueError(
                f"{self.kernel!r} says that it is non-negative, but has the value "
                f"{values.min():.6g}: what it declares of its structure is wrong"
            )
        own = np.diagonal(values, axis1=-2, axis2=-1)
        top = values.max(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.positive:
                return own - top - np.log(np.exp(values - top[..., None]).sum(-1))
            return np.where(
                own > 0, np.log(own / top) - np.log((values / top[..., None]).sum(-1)), -np.inf
            )

    def spreads(self, values: np.ndarray) -> np.ndarray:
        """How far apart the logits of a row are, (..., n)."""
        low, top = values.min(-1), values.max(-1)
        if self.positive:
            return top - low
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(low > 0, np.log(top / low), np.inf)

    def score(self, goal: Goal, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """The goal (...,); −∞ where the logits are too far apart, or leave the range of floats."""
        try:
            values = self.evaluate(queries, keys)
        except OverflowError:
            if queries.ndim == 2:
                return np.array(-np.inf)
            pairs = zip(*np.broadcast_arrays(queries, keys), strict=True)
            return np.array([self.score(goal, *pair) for pair in pairs])
        logs = self.logs(values)
        fits = np.isfinite(logs).all(-1)
        if self.spread < math.inf:
            fits &= (self.spreads(values) <= self.spread).all(-1)
        return np.where(fits, goal(np.maximum(logs, LOWEST))[0], -np.inf)

    def coarse(self, goal: Goal, queries: np.ndarray, keys: np.ndarray) -> tuple[float, Scales]:
        """The best score on a grid of factors, and these factors."""
        ratios = RATIOS if len(keys) <= 64 else RATIOS[1::2]
        grid = [Scales(math.log(s), math.log(abs(r)), np.sign(r)) for s in SCALES for r in ratios]
        scores = self._scores(goal, queries, keys, grid)
        return float(scores.max()), grid[int(scores.argmax())]

    def fine(self, goal: Goal, queries: np.ndarray, keys: np.ndarray, at: Scales) -> Pair:
        """Queries and keys by the best factors that a pattern search from given ones reaches."""
        step, best = math.log(10) / 2, -np.inf
        last = 1e-5 if self.spread == math.inf else 1e-8
        for _ in range(MOVES):
            near = (-step, 0.0, step)
            grid = [Scales(at.size + a, at.ratio + b, at.sign) for a in near for b in near]
            scores = self._scores(goal, queries, keys, grid)
            if scores.max() > best:
                best, at = scores.max(), grid[int(scores.argmax())]
            else:
                step /= 2
            if step < last:
                break
        return at.query * queries, at.key * keys

    def _scores(
        self, goal: Goal, queries: np.ndarray, keys: np.ndarray, grid: list[Scales]
    ) -> np.ndarray:
        factors = np.array([[at.query, at.key] for at in grid])[..., None, None]
        return self.score(goal, factors[:, 0] * queries, factors[:, 1] * keys)

    def ascent(self, goal: Goal, queries: np.ndarray, keys: np.ndarray, steps: int) -> Pair:
        """Queries and keys after L-BFGS steps up the goal, with a growing price of the spread."""
        from scipy.optimize import minimize  # late: rkbs is light to import

        shape = (2, *queries.shape)

        def objective(flat: np.ndarray, price: float) -> tuple[float, np.ndarray]:
            try:
                value, slope = self._slopes(goal, *flat.reshape(shape), price)
            except OverflowError:
                return 1e9, np.zeros_like(flat)
            return -value, -slope.ravel()

        flat, prices = np.stack([queries, keys]).ravel(), PRICES
        if self.spread == math.inf:
            prices = (0.0,)
        options = {"maxiter": max(1, steps // len(prices)), "ftol": 1e-13, "gtol": 1e-10}
        for price in prices:
            found = minimize(
                objective, flat, (price,), method="L-BFGS-B", jac=True, options=options
            )
            flat = found.x
        return self._within(*flat.reshape(shape))

    def _slopes(
        self, goal: Goal, queries: np.ndarray, keys: np.ndarray, price: float
    ) -> tuple[float, np.ndarray]:
        """The goal less its price of the spread, and its slopes (2, n, d)."""
        d = queries.shape[-1]
        steps = [1e-5 * max(1e-3, float(np.abs(x).max())) for x in (queries, keys)]
        moves = np.vstack([np.eye(d), -np.eye(d)])[:, None, :]  # (2d, 1, d)
        base = self.evaluate(queries, keys)
        by_query = self.evaluate(queries + steps[0] * moves, keys)  # (2d, n, n)
        by_key = self.evaluate(queries, keys + steps[1] * moves)
        rows = np.arange(len(base))
        if self.positive:
            weights = np.exp(base - base.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            inner = -weights
            inner[rows, rows] += 1
        else:
            total, own = base.sum(-1), np.maximum(base[rows, rows], 1e-200)
            inner = np.repeat(-1 / np.maximum(total, 1e-200)[:, None], len(base), 1)
            inner[rows, rows] += 1 / own
        value, shares = goal(np.maximum(self.logs(base), LOWEST))
        outer = shares[:, None] * inner  # of the goal by each value
        if price:
            cost, slope = self._cost(base)
            value, outer = value - price * cost, outer - price * slope
        differences = [
            (moved[:d] - moved[d:]) / (2 * step)
            for moved, step in zip((by_query, by_key), steps, strict=True)
        ]
        return float(value), np.stack(
            [(outer * differences[0]).sum(-1).T, (outer * differences[1]).sum(-2).T]
        )

    def _cost(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """The squares of what is too far below the top of its row, and its slopes (n, n)."""
        rows, top = np.arange(len(values)), values.argmax(-1)
        highest = values[rows, top][:, None]
        if self.positive:
            excess = np.maximum(highest - values - self.spread, 0)
            slope, by_top = -2 * excess, 2 * excess
        else:
            unit = np.maximum(highest, 1e-200)
            excess = np.maximum(1 - math.exp(self.spread) * values / unit, 0)
            slope = -2 * excess * math.exp(self.spread) / unit
            by_top = -slope * values / unit
        slope[rows, top] += by_top.sum(-1)
        return float((excess**2).sum()) / len(values), slope / len(values)

    def _within(self, queries: np.ndarray, keys: np.ndarray) -> Pair:
        """The keys brought together until no row's logits are too far apart."""
        center, low, high = keys.mean(0), 0.0, 1.0
        while self.score(mean, queries, keys) == -np.inf and high - low > 1e-12:
            middle = (low + high) / 2
            if self.score(mean, queries, center + middle * (keys - center)) == -np.inf:
                high = middle
            else:
                low = middle
        return queries, keys if high == 1.0 else center + low * (keys - center)
