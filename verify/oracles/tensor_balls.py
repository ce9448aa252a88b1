"""The tensor problem's objective and dual once more, in ball arithmetic and from the definitions.

For p' = q = 2m, R(t) = t²/2 and dual coefficients c, w = Σ c_i Φ(x_i) in EDP's whole space:
‖w‖_q^q = Σ c_{i_1} … c_{i_q} K(x_{i_1}, …, x_{i_q}), and the candidate f = J(w)/λ with
J_r = ‖w‖_q^{2−q} |w_r|^{q−1} sign w_r has λ ‖f‖_p = ‖w‖_q and the values
f(x) = ‖w‖_q^{2−q} Σ c_{i_1} … c_{i_{q−1}} K(x_{i_1}, …, x_{i_{q−1}}, x)/λ.
K is symmetric, so each multiset of points is summed once. The sums cancel by many digits, which at
``BITS`` bits is nothing; no formula of rkbs is used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement

import numpy as np
from flint import arb, ctx

from verify.oracles.exact import rational, rational_points, upper

BITS = 320
HUBER = 0.5
"""The Huber loss's threshold, as the claim takes it."""

LOSSES: dict[str, tuple[Callable[[arb, arb], arb], Callable[[arb, arb], arb]]] = {
    "Squared()": (lambda h, z: (h - z) ** 2 / 2, lambda c, z: c * z - c**2 / 2),
    "Huber(delta=0.5)": (
        lambda h, z: (
            (h - z) ** 2 / 2 if abs(h - z) < HUBER else HUBER * abs(h - z) - arb(HUBER) ** 2 / 2
        ),
        lambda c, z: c * z - c**2 / 2 if abs(c) <= HUBER else arb("-inf"),
    ),
    "Logistic()": (
        lambda h, z: (1 + (-z * h).exp()).log(),
        lambda c, z: _entropy(c * z) + _entropy(1 - c * z),
    ),
}
"""ℓ(h; z) and −ℓ*(−c; z), by the loss's ``repr``."""


def _entropy(x: arb) -> arb:
    """−x log x."""
    return -x * x.log()


def hypergeometric(t: arb, m: int) -> arb:
    """F_m(t) = Σ_n tⁿ/(n!)^m, with the rest of the series in the radius."""
    total, term, n = arb(1), arb(1), 0
    while True:
        n += 1
        term *= t / n**m
        total += term
        # Terms fall by |t|/(n + 1)^m ≤ 1/2 from here on, so the rest is below this one.
        if abs(t) <= (n + 1) ** m / 2 and abs(term) < arb(2) ** -BITS:
            return total + abs(term).union(-abs(term))


class TensorBalls:
    """K of all multisets of q of the points, summed with any coefficients."""

    def __init__(self, X: np.ndarray, m: int) -> None:
        self.m, self.points, self._kernel = m, rational_points(X), {}

    def kernel(self, chosen: tuple[int, ...]) -> arb:
        """∏_l F_m(∏_a x^a_l/d^{m/2}) of the points with these numbers, in increasing order."""
        if chosen not in self._kernel:
            d = len(self.points[0])
            scale, value = arb(d).sqrt() ** self.m, arb(1)
            for axis in range(d):
                product = math.prod((self.points[i][axis] for i in chosen), start=arb(1))
                value *= hypergeometric(product / scale, self.m)
            self._kernel[chosen] = value
        return self._kernel[chosen]

    def sum(self, c: Sequence[arb], order: int, at: tuple[int, ...] = ()) -> arb:
        """Σ c_{i_1} … c_{i_order} K(x_{i_1}, …, x_{i_order}, x_at)."""
        total = arb(0)
        for chosen in combinations_with_replacement(range(len(c)), order):
            counts = Counter(chosen)
            times = math.factorial(order) // math.prod(map(math.factorial, counts.values()))
            product = math.prod((c[i] ** k for i, k in counts.items()), start=arb(times))
            total += product * self.kernel(tuple(sorted((*chosen, *at))))
        return total


def gap(X: np.ndarray, m: int, z: np.ndarray, alpha: float, loss: str, c: np.ndarray) -> float:
    """(primal − dual)/primal of the dual point c in infinite dimension, an upper bound."""
    with ctx.workprec(BITS):
        tensor, q = TensorBalls(X, m), 2 * m
        (C, Z), lam = ([arb(rational(float(v))) for v in row] for row in (c, z)), arb(alpha)
        size = tensor.sum(C, q) ** (arb(1) / q)
        at = [tensor.sum(C, q - 1, (i,)) for i in range(len(C))]
        h = [value * size ** (2 - q) / lam for value in at]
        value, dual_value = LOSSES[loss]
        penalty = size**2 / (2 * lam)
        primal = sum((value(a, b) for a, b in zip(h, Z, strict=True)), penalty)
        dual = sum((dual_value(a, b) for a, b in zip(C, Z, strict=True)), -penalty)
        return upper(abs(primal - dual) / primal)
