"""Theorem 1, separable reading: the dual Newton method closes the Fenchel gap; a picture in 1-D."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import entr

from rkbs.data.pairs import Pairs
from rkbs.kernels.dot_product import EDP
from rkbs.laws import relative
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers.base import Solution, solve
from rkbs.solvers.functions.dual_newton import DualNewton
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.terms.losses import DualLoss
from rkbs.terms.residual_losses import Squared
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles.whole_space import blocks_of
from verify.studies.separable import EXPONENTS, LOSSES, off_span

ORDER = 12
ALPHA = 0.05
WQ, WK = np.array([[1.5], [0.5]]), np.array([[0.5], [-1.5]])
TOLERANCE = {True: 1e-10, False: 1e-6}
"""By whether the loss is smooth: the solver's own tolerances."""


def make_problem(rng: np.random.Generator, p: float, loss: DualLoss) -> SeparableProblem:
    """8 targets and 7 sources on the line, z_ij = sin 3x_i + y_j² + noise; or its sign for labels.

    The same points and noise for each p and loss, if ``rng`` is.
    """
    spaces = RKBSPair.from_kernel(EDP(), len(WQ), ORDER, p, WQ, WK)
    x, y = np.sort(rng.uniform(-1, 1, 8)), np.sort(rng.uniform(-1, 1, 7))
    z = np.sin(3 * x)[:, None] + y**2 + 0.2 * rng.standard_normal((8, 7))
    if loss.labels:
        z = np.sign(z - np.median(z) - 1e-9)
    pairs = Pairs.grid(x[:, None], y[:, None])
    return SeparableProblem(spaces, pairs, z, ALPHA, ALPHA, loss)


# ℓ(h; z) and ℓ*(u; z), written out: nothing of rkbs computes the gaps of this claim.
FORMULAS = {
    "Squared()": (lambda h, z: (h - z) ** 2 / 2, lambda u, z: u**2 / 2 + u * z),
    "Logistic()": (
        lambda h, z: np.log1p(np.exp(-z * h)),
        lambda u, z: -entr(-u * z) - entr(1 + u * z),
    ),
    "Huber(delta=0.5)": (
        lambda h, z: np.where(abs(h - z) < 0.5, (h - z) ** 2 / 2, abs(h - z) / 2 - 0.125),
        lambda u, z: u**2 / 2 + u * z + np.where(abs(u) <= 0.5, 0, np.inf),
    ),
    "Hinge()": (
        lambda h, z: np.maximum(1 - z * h, 0),
        lambda u, z: u * z + np.where((u * z <= 0) & (u * z >= -1), 0, np.inf),
    ),
    "EpsilonInsensitive(epsilon=0.2)": (
        lambda h, z: np.maximum(abs(h - z) - 0.2, 0),
        lambda u, z: u * z + 0.2 * abs(u) + np.where(abs(u) <= 1, 0, np.inf),
    ),
}


def gap_by_hand(problem: SeparableProblem, v: np.ndarray, u: np.ndarray, c: np.ndarray) -> float:
    """The relative gap for R = t²/2 from the features, by the definitions."""
    value, conjugate = FORMULAS[repr(problem.loss)]
    i, j, p, q = problem.pairs.i, problem.pairs.j, problem.spaces.p, problem.spaces.p_conjugate
    x, y = problem.spaces.features_x(problem.pairs.X), problem.spaces.features_y(problem.pairs.Y)

    def square(vector: np.ndarray, exponent: float) -> float:
        return float((abs(vector) ** exponent).sum() ** (2 / exponent))

    penalty = ALPHA / 2 * (square(v, p) + square(u, q))
    primal = value(x[i] @ v + y[j] @ u, problem.z).sum() + penalty
    dual = -conjugate(-c, problem.z).sum() - (square(c @ x[i], q) + square(c @ y[j], p)) / (
        2 * ALPHA
    )
    return float((primal - dual) / primal)


def convergence(problem: SeparableProblem, solution: Solution) -> dict[str, Any]:
    """Gaps by Newton steps, the last by hand from the solution; distance of ι from the spans."""
    tolerance = TOLERANCE[problem.loss.smooth]
    gap = gap_by_hand(problem, *solution.value.functions, solution.value.c)
    told = solution.certificate.relative_gap
    return {
        "p": problem.spaces.p,
        "loss": repr(problem.loss),
        "tolerance": tolerance,
        "history": solution.stats["history"],
        "start": solution.stats["history"][0][1],
        "gap": abs(gap),
        "closed": bool(abs(gap) <= tolerance),
        "told": bool(abs(gap - told) <= max(1e-12, 1e-6 * abs(gap))),
        "smooth": problem.loss.smooth,
        "off span": [
            off_span(block.left(vector), block.phi) if vector.any() else None
            for block, vector in zip(blocks_of(problem), solution.value.functions, strict=True)
        ],
    }


def picture(problem: SeparableProblem, solution: Solution, grid: np.ndarray) -> dict[str, Any]:
    """f*, g* on a grid, the coefficients of their expansions, and what the data leave for each."""
    functions, c = solution.value
    xi, zeta = problem.expansion(c)
    residuals = problem.pairs.matrix(problem.z - problem.at_pairs(*functions))
    return {
        "p": problem.spaces.p,
        "f": solution.f(grid[:, None]),
        "g": solution.g(grid[:, None]),
        "xi": xi,
        "zeta": zeta,
        "partial f": solution.f(problem.pairs.X) + residuals.mean(1),
        "partial g": solution.g(problem.pairs.Y) + residuals.mean(0),
    }


@claim(
    title="Newton's method certifies the separable reading",
    origin="ours",
    finding={
        Verdict.HOLDS: "Every smooth problem is solved to a gap of 1e-10, and all but 1 in 50 with "
        "kinks to 1e-6; what stays open is reported."
    },
    statement="Separable reading: for p ∈ {1.25, 1.5, 2, 3, 4} Newton's method brings the Fenchel "
    "gap to 1e-10 of the objective in every problem with a squared, logistic or Huber loss, and to "
    "1e-6 with a hinge or ε-insensitive loss in all but at most 1 of 50; there it reports the gap "
    "that it leaves open",
    source="Paper Theorem 1; theory §3, reading A",
    method="Primal and dual objective of the returned (f, g) and c, written out here; the gap at "
    "f = g = 0 is large, so that there is something to close. ι(f*), ι(g*) lie in the spans of the "
    "kernel sections, and functions of different p differ on a grid. (f or g is 0 where that, too, "
    "is within the tolerance.)",
    scope="4 random draws (full: 20) of 8 × 7 points on the line, EDP cut at order 12 in d = 2 "
    "(91 features), R = t²/2, λ = 0.05, five losses. What is left open is left by the barrier that "
    "losses with kinks need, and was met at p = 1.25 only, where g has the exponent 5",
)
def separable_gap(run: Run) -> Evidence:
    """Solve draws of one problem for every p and loss; keep the gaps, and one draw's functions."""
    grid, rows, pictures = np.linspace(-1, 1, 101), [], []
    draws = range(run.pick(4, 20))
    cases = [(draw, p, loss) for draw in draws for p in EXPONENTS for loss in LOSSES]
    for draw, p, loss in run.progress(cases, "problems"):
        problem = make_problem(np.random.default_rng([run.seed, draw]), p, loss)
        solution = solve(problem, DualNewton())
        rows.append(convergence(problem, solution))
        if draw == 0 and isinstance(loss, Squared):
            pictures.append(picture(problem, solution, grid))
    points = make_problem(np.random.default_rng([run.seed, 0]), 2.0, Squared()).pairs
    return Evidence(
        checks=_checks(rows, pictures),
        data={
            "alpha": ALPHA,
            "grid": grid,
            "x": points.X[:, 0],
            "y": points.Y[:, 0],
            "pictures": pictures,
            "table": rows[: len(EXPONENTS) * len(LOSSES)],
            "left open": [row for row in rows if not row["closed"]],
        },
    )


def _checks(rows: list[dict[str, Any]], pictures: list[dict[str, Any]]) -> tuple[Check, ...]:
    changes = [
        relative(np.stack([a["f"], a["g"]]), np.stack([b["f"], b["g"]]))
        for a, b in combinations(pictures, 2)
    ]
    closed = {
        smooth: [r["closed"] for r in rows if r["smooth"] is smooth] for smooth in (True, False)
    }
    spans = [distance for row in rows for distance in row["off span"]]
    return (
        Check("smooth losses: share of gaps closed", np.mean(closed[True]), "==", 1),
        # The barrier's last steps fail where p is far from 2 and a slope is on its kink: rare.
        Check("losses with kinks: share of gaps closed", np.mean(closed[False]), ">=", 0.98),
        Check(
            "share whose certificate says what it is",
            np.mean([row["told"] for row in rows]),
            "==",
            1,
        ),
        # Four decades and more above both tolerances: there is something to close.
        Check("least gap at f = g = 0", least(rows, key="start"), ">=", 0.01),
        # DualNewton's functions are ι⁻¹ of points of the span: only rounding takes them off it,
        # which powers down to p − 1 = 1/4 enlarge, to half of the digits at most.
        Check(
            "worst distance of ι(f*), ι(g*) from the span",
            greatest(distance for distance in spans if distance is not None),
            "<=",
            1e-7,
        ),
        # With a hinge g = 0 may be within the tolerance; more than that would leave nothing to see.
        Check(
            "share of f*, g* that are not 0",
            np.mean([one is not None for one in spans]),
            ">=",
            0.99,
        ),
        # A thousand times what the gaps of 1e-10 leave of the functions, (2 gap/λ)^{1/2} ~ 1e-6.
        Check("least difference between functions of two p", least(changes), ">=", 1e-3),
    )
