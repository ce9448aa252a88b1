"""Theorem 1, product reading: stationary points are expansions, minimizers are never unique."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.kernels.dot_product import TaylorEDP
from rkbs.laws import negativity, relative
from rkbs.problems.product import ProductProblem
from rkbs.solvers.base import Solution, solve
from rkbs.solvers.functions.alternating import Alternating
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.terms.losses import DualLoss
from rkbs.terms.margin_losses import Logistic
from rkbs.terms.residual_losses import Huber, Squared
from verify.harness.evidence import greatest, least
from verify.harness.run import Run
from verify.studies.separable import EXPONENTS, off_span

HEAD, ORDER = 2, 5  # 21 features, more than the points of a domain: the spans are proper subspaces
ALPHA = 0.05
TOLERANCE = 1e-9
MOVES = tuple(10 ** (-k / 2) for k in range(4, 15))
"""From 1e-2 to 1e-7, two a decade: a slope b gains most, b²/2a at curvature a, by the step b/a."""
AWAY = (1e-2, 1e-5)
"""Relative errors of f whose slopes the moves must see."""


def make_problem(
    rng: np.random.Generator, p: float, loss: DualLoss, alpha: float = ALPHA
) -> ProductProblem:
    """7 targets, 6 sources, W^Q ≠ W^K, R = t²/2."""
    WQ, WK = rng.standard_normal((2, HEAD, 3)) / 2
    spaces = RKBSPair.from_kernel(TaylorEDP(ORDER), HEAD, ORDER, p, WQ, WK)
    pairs = Pairs.grid(rng.uniform(-1, 1, (7, 3)), rng.uniform(-1, 1, (6, 3)))
    z = rng.standard_normal(len(pairs))
    z = np.sign(z) if loss.labels else z
    return ProductProblem(spaces, pairs, z, alpha, alpha, loss)


def by_hand(
    problem: ProductProblem,
) -> Callable[[np.ndarray, np.ndarray], tuple[float, float]]:
    """(v, u) → data term and penalties of Theorem 1.B, written out from the features."""
    pairs, p, q = problem.pairs, problem.spaces.p, problem.spaces.p_conjugate
    phi_x, phi_y = problem.spaces.features_x(pairs.X), problem.spaces.features_y(pairs.Y)

    def terms(v: np.ndarray, u: np.ndarray) -> tuple[float, float]:
        h = (phi_x @ v)[pairs.i] * (phi_y @ u)[pairs.j]
        squares = (np.abs(v) ** p).sum() ** (2 / p) + (np.abs(u) ** q).sum() ** (2 / q)
        penalties = problem.alpha_x * squares / 2
        return float(problem.loss.value(h, problem.z).sum()), float(penalties)

    return terms


def gain_by_moves(problem: ProductProblem, v: np.ndarray, u: np.ndarray) -> float:
    """The most that a move of one coordinate of (v, u) lowers the objective, relative to it.

    By up to 1e-2 and down to 1e-7, either way. The objective is written out here: neither ι nor an
    expansion enters. It is convex and differentiable in each coordinate, so no gain means that the
    derivative vanishes. (Differences cannot show that: |v_k|^p, p < 2, bends sharply at 0.)
    """
    D, terms = problem.spaces.dim, by_hand(problem)

    def objective(point: np.ndarray) -> float:
        return sum(terms(point[:D], point[D:]))

    point = np.concatenate([v, u])
    moves = [step * unit for step in MOVES for unit in np.eye(2 * D)]
    lowest = least(objective(point + sign * move) for move in moves for sign in (1, -1))
    return 1 - lowest / objective(point)


def _stationary(run: Run, k: int, p: float, loss: DualLoss) -> dict[str, Any]:
    """Stationary points from several starts: expansions, slopes, values."""
    rng = np.random.default_rng([run.seed, k])
    problem = make_problem(rng, p, loss)
    found = [solve(problem, Alternating(TOLERANCE, seed=s)) for s in range(run.pick(2, 5))]
    lefts = [problem.left_sides(*one.value) for one in found]
    phi_x, phi_y = problem.sections_x.phi, problem.sections_y.phi
    new_x, new_y = rng.uniform(-1, 1, (2, 20, 3))
    common = problem.spaces.features_x(new_x) @ problem.spaces.features_y(new_x).T
    return {
        "p": p,
        "loss": repr(loss),
        "residual": greatest(one.certificate.residual for one in found),
        "gain": greatest(gain_by_moves(problem, *one.value) for one in found),
        "off span": greatest(greatest(off_span(x, phi_x), off_span(y, phi_y)) for x, y in lefts),
        "without ι": least(
            least(off_span(one.value.v, phi_x), off_span(one.value.u, phi_y)) for one in found
        ),
        "gains away": [
            gain_by_moves(problem, (1 + part) * found[0].value.v, found[0].value.u) for part in AWAY
        ],
        "size": least(least(np.abs(one.value.v).max(), np.abs(one.value.u).max()) for one in found),
        "objectives": [one.stats["objectives"][-1] for one in found],
        "rounds": [one.stats["iterations"] for one in found],
        "negativity": negativity(common),
        "of zero": greatest(one.stats["objectives"][-1] for one in found)
        / problem.objective(0 * found[0].value.v, 0 * found[0].value.u),
        "mirror": _mirror(problem, found[0], new_x, new_y),
    }


def _mirror(
    problem: ProductProblem, found: Solution, new_x: np.ndarray, new_y: np.ndarray
) -> dict[str, float]:
    """(−f, −g) beside (f, g), and (3f, g/3): objectives and functions at new points.

    rkbs's objective at the one point against the one by hand at the other; likewise the data term;
    and the values of rkbs's functions −f, −g against features times coefficients of f, g.
    """
    v, u = found.value
    spaces, (data, penalty) = problem.spaces, by_hand(problem)(v, u)
    f, g = spaces.features_x(new_x) @ v, spaces.features_y(new_y) @ u
    mirrored = spaces.f(-v)(new_x), spaces.g(-u)(new_y)
    moved = problem.loss.value(problem.at_pairs(3 * v, u / 3), problem.z).sum()
    return {
        "objective": abs(problem.objective(-v, -u) / (data + penalty) - 1),
        "apart": least(relative(mirrored[0], f), relative(mirrored[1], g)),
        "same data": abs(moved / data - 1),
        "rescaled": problem.objective(3 * v, u / 3) / (data + penalty) - 1,
        "same product": relative(np.multiply.outer(*mirrored), np.multiply.outer(f, g)),
    }


def stationary_rows(run: Run) -> list[dict[str, Any]]:
    """What alternating solves end at, and its mirror image, for each exponent and loss."""
    losses = run.pick(quick=(Squared(), Logistic()), full=(Squared(), Logistic(), Huber(0.5)))
    cases = [(p, loss) for p in EXPONENTS for loss in losses]
    return [
        _stationary(run, k, *case)
        for k, case in enumerate(run.progress(cases, "alternating solves"))
    ]
