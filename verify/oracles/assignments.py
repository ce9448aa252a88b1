"""Associative recall by enumeration: all ways in which n keys can share values, without sampling.

Which value is which does not matter, only which keys share one: an assignment is a partition of
the keys. Of n = 8 keys there are 4140, where there are 8⁸ assignments of eight values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np


def _growth_strings(n: int, most: int) -> Iterator[list[int]]:
    """Each partition of n keys into at most ``most`` blocks, once: the block of each key."""
    if n == 0:
        yield []
        return
    for start in _growth_strings(n - 1, most):
        for block in range(min(max(start, default=-1) + 2, most)):
            yield [*start, block]


@cache
def partitions(n: int, values: int) -> tuple[np.ndarray, np.ndarray]:
    """The partitions (P, n) and their probabilities (P,) under uniform independent values."""
    found = np.array(list(_growth_strings(n, values)))
    blocks = found.max(1) + 1
    share = [math.perm(values, int(count)) / values**n for count in blocks]
    return found, np.array(share)


def accuracy(weights: np.ndarray, values: int, tie: float) -> float:
    """How often the value of the greatest weight is the own key's, A (n, n), all queries alike.

    Of several values within ``tie`` of the greatest weight one is taken at random.
    """
    n = len(weights)
    found, share = partitions(n, values)
    scores = np.stack([(found == block) @ weights.T for block in range(min(n, values))], 1)
    near = scores >= scores.max(1, keepdims=True) - tie  # (partition, block, query)
    own = np.take_along_axis(near, found[:, None, :], 1)[:, 0]
    return float(share @ (own / near.sum(1)).mean(1))
