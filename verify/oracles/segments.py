"""Two separable problems with a segment of minimizers at p = 1 or p = ∞, the segments in balls.

Both have R(t) = t²/2, the squared loss, two targets and one source, on EDP's power features in
d = 2, written for u = q/d^{1/4}. With equal dual coefficients c_1 = c_2 = γ:

* "tie" (p = 1): w = γ(Φ(u_1) + Φ(u_2)), and 1, u¹, u² of the two points lie on one line, so that
  three coordinates of w attain ‖w‖_∞. Mass moves between them along a segment.
* "zero" (p = ∞): u_2 = −u_1, so w vanishes at the odd features. Their two coordinates are free
  in [−‖f‖, ‖f‖], up to the one equation f(x_1) − f(x_2) = z_1 − z_2.

Both happen for an open set of responses z. Nothing but the floats of ``Case.problem`` is rkbs's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, fmpq
from scipy.optimize import minimize_scalar, root

from rkbs.data.pairs import Pairs
from rkbs.kernels.dot_product import TaylorEDP
from rkbs.kernels.features import multi_indices
from rkbs.problems.separable import SeparableProblem
from rkbs.spaces.banach_pair import RKBSPair
from verify.oracles import exact

WQ, WK = np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([[1.0, -1.0], [0.0, 1.0]])
SOURCE = (fmpq(1, 2), fmpq(-1, 4))
ALPHA_X, ALPHA_Y = fmpq(1, 2), fmpq(2)


@dataclass(frozen=True, eq=False)
class Case:
    """Points u = q/d^{1/4} and responses, the exponent p with a segment, and p on the way to it."""

    order: int
    targets: tuple[tuple[fmpq, fmpq], tuple[fmpq, fmpq]]
    z: tuple[fmpq, fmpq]
    p: float
    path: tuple[float, ...]

    def problem(self, p: float) -> SeparableProblem:
        """The problem in rkbs, for 1 < p < ∞: x and y are the preimages under W^Q ≠ W^K."""
        X, Y = preimages(WQ, self.targets), preimages(WK, (SOURCE,))
        spaces = RKBSPair.from_kernel(TaylorEDP(self.order), 2, self.order, p, WQ, WK)
        z = np.array(self.z, dtype=float)[:, None]
        return SeparableProblem(spaces, Pairs.grid(X, Y), z, float(ALPHA_X), float(ALPHA_Y))

    def beyond_cut(self) -> float:
        """Σ_i |u_i|^n/√n! at n = N + 1: no |w_r|/γ with |r| > N is larger in EDP's whole series.

        Σ_{|r| = n} φ_r(u)² = |u|^{2n}/n!, which decreases in n as |u|² < N + 2 here.
        """
        n = self.order + 1
        return (
            sum(float(a * a + b * b) ** (n / 2) for a, b in self.targets) / math.factorial(n) ** 0.5
        )


def preimages(W: np.ndarray, u: Sequence[Sequence[fmpq]] | np.ndarray) -> np.ndarray:
    """The points x with W x = 2^{1/4} u."""
    return 2**0.25 * np.linalg.solve(W, np.array(u, dtype=float).T).T


CASES = {
    "tie, p = 1": Case(
        5,
        ((fmpq(5, 4), fmpq(1, 2)), (fmpq(3, 4), fmpq(3, 2))),
        (fmpq(2), fmpq(19, 10)),
        1.0,
        tuple(1 + 2.0**-k for k in range(0, 21, 2)),
    ),
    "zero, p = ∞": Case(
        2,
        ((fmpq(1), fmpq(1, 2)), (fmpq(-1), fmpq(-1, 2))),
        (fmpq(2), fmpq(1)),
        math.inf,
        tuple(2.0**k for k in range(1, 11)),
    ),
}


def dual_exponent(p: float) -> float:
    """p' with 1/p + 1/p' = 1, the ends included."""
    return math.inf if p == 1 else 1.0 if p == math.inf else p / (p - 1)


def norm(v: np.ndarray, p: float) -> float:
    """‖v‖_p, 1 ≤ p ≤ ∞, which rkbs has for 1 < p < ∞ only."""
    largest = np.abs(v).max()
    return float(largest * np.linalg.norm(v / largest, p))


def objective(problem: SeparableProblem, v: np.ndarray, u: np.ndarray, p: float) -> float:
    """½ Σ (h_n − z_n)² + (λ_X/2)‖v‖_p² + (λ_Y/2)‖u‖_{p'}², at any p ∈ [1, ∞]."""
    penalty = problem.alpha_x * norm(v, p) ** 2 + problem.alpha_y * norm(u, dual_exponent(p)) ** 2
    return float(((problem.at_pairs(v, u) - problem.z) ** 2).sum() + penalty) / 2


@dataclass(frozen=True, eq=False)
class Segment:
    """Ends of a segment of f at the exponent p = 1 or ∞, the g that goes with it, and γ."""

    phi: list[list[arb]]
    psi: list[arb]
    ends: tuple[list[arb], list[arb]]
    u: list[arb]
    gamma: arb


def floats(values: list[arb]) -> np.ndarray:
    """The middles of the balls."""
    return np.array([float(value.mid()) for value in values])


def features(u: tuple[fmpq, fmpq], order: int) -> list[arb]:
    """u^r / √∏ r_l!, |r| ≤ N."""
    return [
        arb(u[0] ** a * u[1] ** b) / arb(math.factorial(a) * math.factorial(b)).sqrt()
        for a, b in multi_indices(2, order).tolist()
    ]


def ball_norm(v: list[arb], p: float) -> arb:
    """‖v‖_p for p ∈ {1, ∞}."""
    sizes = [abs(value) for value in v]
    if p == 1:
        return sum(sizes, arb(0))
    largest = arb(0)
    for size in sizes:
        largest = largest.max(size)
    return largest


def segment(case: Case) -> Segment:
    """γ from Σ (h_i + γ − z_i) = 0, with λ_X‖v‖ = ‖w‖ and λ_Y‖u‖ = ‖w'‖; then the two ends.

    f(x_1) + f(x_2) = ‖v‖‖w‖/γ and g(y) = ‖u‖‖w'‖/(2γ), whichever point of the segment v is.
    """
    phi = [features(u, case.order) for u in case.targets]
    psi = features(SOURCE, case.order)
    w = [a + b for a, b in zip(*phi, strict=True)]  # over γ
    size_w, size_psi = ball_norm(w, dual_exponent(case.p)), ball_norm(psi, case.p)
    slope = 2 + size_w**2 / ALPHA_X + 4 * size_psi**2 / ALPHA_Y
    gamma = (case.z[0] + case.z[1]) / slope
    length, gap = gamma * size_w / ALPHA_X, case.z[0] - case.z[1]
    if case.p == 1:
        # Features 1, u², u¹: v = length · (weights of two of them) with f(x_1) − f(x_2) = gap.
        difference = [a - b for a, b in zip(phi[0][:3], phi[1][:3], strict=True)]
        ends = tuple(_mixture(len(w), length, gap, difference, *two) for two in ((0, 2), (2, 1)))
        signs = [-1 if value < 0 else 1 for value in psi]
        u = [2 * gamma * size_psi / ALPHA_Y * sign for sign in signs]
    else:
        # Even features at ‖v‖; the odd ones u², u¹ keep f(x_1) − f(x_2) = gap, one of them at ‖v‖.
        even = [length * (-1 if value < 0 else 1 if value > 0 else 0) for value in w]
        a, b = phi[0][1], phi[0][2]
        ends = tuple([even[0], *odd, *even[3:]] for odd in _corners(length, gap / 2, a, b))
        u = [2 * gamma * size_psi / ALPHA_Y, *[arb(0)] * (len(psi) - 1)]
    return Segment(phi, psi, ends, u, gamma)


def _mixture(size: int, length: arb, gap: fmpq, difference: list[arb], j: int, k: int) -> list[arb]:
    weight = (gap / length - difference[j]) / (difference[k] - difference[j])
    v = [arb(0)] * size
    v[j], v[k] = length * (1 - weight), length * weight
    return v


def _corners(length: arb, half: fmpq, a: arb, b: arb) -> tuple[tuple[arb, arb], ...]:
    return ((half - b * length) / a, length), (length, (half - a * length) / b)


def ball_gap(case: Case, found: Segment, t: fmpq) -> float:
    """|primal − dual| at the point t of the segment, an upper bound."""
    v = [(1 - t) * a + t * b for a, b in zip(*found.ends, strict=True)]
    g = _dot(found.psi, found.u)
    losses = [(_dot(phi, v) + g - z) ** 2 for phi, z in zip(found.phi, case.z, strict=True)]
    q = dual_exponent(case.p)
    sizes = ball_norm(v, case.p), ball_norm(found.u, q)
    primal = (sum(losses, arb(0)) + ALPHA_X * sizes[0] ** 2 + ALPHA_Y * sizes[1] ** 2) / 2
    w = [found.gamma * (a + b) for a, b in zip(*found.phi, strict=True)]
    duals = ball_norm(w, q), 2 * found.gamma * ball_norm(found.psi, case.p)
    conjugates = sum((found.gamma**2 / 2 - found.gamma * z for z in case.z), arb(0))
    dual = -conjugates - duals[0] ** 2 / (2 * ALPHA_X) - duals[1] ** 2 / (2 * ALPHA_Y)
    return exact.upper(abs(primal - dual))


def _dot(a: list[arb], b: list[arb]) -> arb:
    return sum((x * y for x, y in zip(a, b, strict=True)), arb(0))


def minimizers(case: Case) -> Iterator[tuple[SeparableProblem, np.ndarray, np.ndarray, np.ndarray]]:
    """Problem, v, u and c = (γ + δ, γ − δ) along the path, from c_i = z_i − h_i by MINPACK.

    As p → ∞, δ is smaller than γ's rounding. The unknown is its root, and w = γ(Φ_1 + Φ_2) +
    δ(Φ_1 − Φ_2) keeps it, where ``problem.primal(c)`` cannot. So v is exact for z moved by the
    residual, also where a gap at rounding would leave v almost free.
    """
    unknown = np.array([0.1, 0.1])
    for p in case.path:
        problem = case.problem(p)
        unknown = root(_residual, unknown, (problem,), options={"xtol": 1e-15}).x
        yield problem, *_candidate(unknown, problem)


def _candidate(
    unknown: np.ndarray, problem: SeparableProblem
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p, (gamma, small) = problem.spaces.p, unknown
    delta = np.sign(small) * abs(small) ** max(p - 1, 1)
    first, second = problem.phi_x
    w, w_y = gamma * (first + second) + delta * (first - second), 2 * gamma * problem.phi_y[0]
    v, u = (
        size / alpha * np.sign(vector) * (np.abs(vector) / size) ** (dual - 1)
        for vector, alpha, dual in (
            (w, problem.alpha_x, dual_exponent(p)),
            (w_y, problem.alpha_y, p),
        )
        for size in [norm(vector, dual)]
    )
    return v, u, gamma + delta * np.array([1.0, -1.0])


def _residual(unknown: np.ndarray, problem: SeparableProblem) -> np.ndarray:
    v, u, c = _candidate(unknown, problem)
    return problem.at_pairs(v, u) - problem.z + c


def limit_point(case: Case, start: np.ndarray, end: np.ndarray) -> float:
    """Where on the segment (0 to 1) the minimizers go: where the penalty near case.p is least.

    As p → 1 the largest entropy of |v|/‖v‖_1; as p → ∞ the smallest largest free coordinate (the
    two odd ones).
    """

    def cost(t: float) -> float:
        v = (1 - t) * start + t * end
        if case.p == math.inf:
            return float(np.abs(v[1:3]).max())
        shares = np.abs(v[v != 0]) / np.abs(v).sum()
        return float(shares @ np.log(shares))

    return float(minimize_scalar(cost, bounds=(0, 1), method="bounded", options={"xatol": 1e-12}).x)
