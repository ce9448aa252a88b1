"""Proposition 1: when the exponentiated dot product is a Mercer kernel on X = Y, and when not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, ctx, fmpq

from rkbs.kernels.dot_product import EDP
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import exact
from verify.oracles.circle import fewest, predicted
from verify.oracles.exact import dyadic

HEAD = 4
"""Head dimension d: √d = 2 keeps logits rational, and W^Q, W^K are 4 × 2 matrices."""
_BASE = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
_EMBED = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])


_FOUND = {
    "negative": "a certified negative eigenvalue of the symmetric part",
    "negative_in_floats": "one in rkbs's own float Gram matrix, exactly",
    "as_symmetric_as_m": "asymmetry exactly where M ≠ Mᵀ",
}


def form(query: np.ndarray, key: np.ndarray) -> list[list[fmpq]]:
    """M = W^Qᵀ W^K, exactly: the logit is xᵀ M y/√d."""
    return [
        [exact.dot(a, b) for b in exact.rational_points(key.T)]
        for a in exact.rational_points(query.T)
    ]


def symmetric_psd(m: list[list[fmpq]]) -> bool:
    """Whether M = Mᵀ without negative eigenvalues, exactly."""
    return m == [list(row) for row in zip(*m, strict=True)] and exact.rational_inertia(m)[1] == 0


def mercer_pairs(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """W^Q ≠ W^K whose M is symmetric PSD: a multiple, and one that is no multiple of W^K."""
    key = dyadic(rng, (HEAD, 2))
    # _BASEᵀ _BASE = [[2, 1], [1, 2]], whose inverse is [[2, −1], [−1, 2]]/3: so M = 3P.
    adjugate, positive = np.array([[2.0, -1.0], [-1.0, 2.0]]), np.array([[1.0, 0.5], [0.5, 0.5]])
    return {
        "W^Q = 2 W^K": (2 * key, key),
        "W^Qᵀ W^K = 3P": (_BASE @ adjugate @ positive, _BASE),
    }


def other_pairs(rng: np.random.Generator, draws: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """W^Q, W^K whose M is not symmetric PSD: chosen to be hard, and at random."""
    chosen = {
        "rotation": [[0.0, 1.0], [-1.0, 0.0]],
        "identity + small rotation": [[1.0, 0.125], [-0.125, 1.0]],
        "shear (real eigenvalues)": [[1.0, 0.5], [0.0, 1.0]],
        "symmetric, indefinite": [[1.0, 0.0], [0.0, -1.0]],
        "symmetric, negative": [[-1.0, 0.0], [0.0, -1.0]],
    }
    found = {name: (_EMBED @ np.array(m).T, _EMBED) for name, m in chosen.items()}
    while len(found) < len(chosen) + draws:
        query, key = dyadic(rng, (HEAD, 2)), dyadic(rng, (HEAD, 2))
        if np.abs(witness(form(query, key))).max() < 8:  # else exp leaves floats: M too near Mᵀ
            found[f"random {len(found) - len(chosen) + 1}"] = query, key
    return found


def witness(m: list[list[fmpq]]) -> np.ndarray:
    """Two points x_0 ± h in the plane where the symmetric part of exp(xᵀMy/2) is indefinite.

    It is iff 2 hᵀMh/√d < log cosh(2 hᵀA x_0/√d), A = (M − Mᵀ)/2 (``_identities``). Where some
    hᵀMh < 0, x_0 = 0 does; otherwise A ≠ 0 lets h = A x_0/|A x_0|² shrink as x_0 grows while
    hᵀA x_0 stays 1 (√d = 2). The points are multiples of 2^{−20}.
    """
    matrix = np.array([[float(entry.p) / float(entry.q) for entry in row] for row in m])
    eigenvalues, eigenvectors = np.linalg.eigh((matrix + matrix.T) / 2)
    center, step = np.zeros(2), eigenvectors[:, 0]
    if eigenvalues[0] >= 0:
        turn = (matrix - matrix.T) / 2
        # h is an eigenvector, so hᵀMh = eigenvalues[0]/|A x_0|² ≤ 1/3 < log cosh 1 = 0.43.
        size = math.sqrt(3 * max(eigenvalues[0], 0.1))
        center = eigenvectors[:, 1] * size / max(abs(turn[0, 1]), 1e-9)
        step = turn @ center / max(np.sum((turn @ center) ** 2), 1e-9)
    return np.round(np.array([center + step, center - step]) * 2.0**20) / 2.0**20


def _identities(d_x: int) -> tuple[bool, bool]:
    """Exact, for symbolic M, x_0, h: what decides the sign of the two-point determinant.

    ℓ(x,y) = xᵀMy, x± = x_0 ± h:  ℓ(x+,x+) + ℓ(x−,x−) − ℓ(x+,x−) − ℓ(x−,x+) = 4 hᵀMh  and
    ℓ(x+,x−) − ℓ(x−,x+) = 4 hᵀA x_0, A = (M − Mᵀ)/2.
    """
    m = sp.Matrix(d_x, d_x, sp.symbols(f"m0:{d_x * d_x}"))
    center, h = (sp.Matrix(sp.symbols(f"{name}0:{d_x}")) for name in "xh")

    def logit(x: sp.Matrix, y: sp.Matrix) -> sp.Expr:
        return (x.T * m * y)[0]

    plus, minus = center + h, center - h
    cross = logit(plus, minus), logit(minus, plus)
    first = logit(plus, plus) + logit(minus, minus) - sum(cross) - 4 * logit(h, h)
    second = cross[0] - cross[1] - 2 * (h.T * (m - m.T) * center)[0]
    return sp.expand(first) == 0, sp.expand(second) == 0


def _ball_gram(query: np.ndarray, key: np.ndarray, points: np.ndarray) -> list[list[arb]]:
    x = exact.rational_points(points)
    return exact.gram(EDP(), exact.image(query, x), exact.image(key, x))


def _gram_error(query: np.ndarray, key: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float]:
    """rkbs's Gram matrix of EDP().pullback(W^Q, W^K), and its relative error against balls."""
    floats = EDP().pullback(query, key)(points, points)
    x = exact.rational_points(points)
    return floats, exact.gram_error(EDP(), exact.image(query, x), exact.image(key, x), floats)


def _mercer_case(
    name: str, query: np.ndarray, key: np.ndarray, points: np.ndarray
) -> dict[str, Any]:
    """A pair W^Q ≠ W^K with a Mercer kernel: M symmetric PSD exactly, Gram certified definite."""
    found = exact.certified_pivots(lambda: _ball_gram(query, key, points))
    return {
        "name": name,
        "query": query,
        "key": key,
        "different": bool((query != key).any()),
        "symmetric_psd": symmetric_psd(form(query, key)),
        "definite": found.positive_definite,
        "smallest_pivot": least(map(exact.lower, found.diagonal)),
        "error": _gram_error(query, key, points)[1],
    }


def _other_case(
    name: str, query: np.ndarray, key: np.ndarray, points: np.ndarray
) -> dict[str, Any]:
    """M not symmetric PSD: asymmetry at the points, and two points with a negative eigenvalue."""
    m = form(query, key)
    symmetric = m[0][1] == m[1][0]
    pair = witness(m)
    floats, error = _gram_error(query, key, pair)
    rows = [[exact.rational(float(value)) for value in row] for row in floats]
    with ctx.workprec(128):
        asymmetric = exact.certainly_asymmetric(_ball_gram(query, key, points))
    found = exact.certified_pivots(lambda: exact.symmetric_part(_ball_gram(query, key, pair)))
    return {
        "name": name,
        "query": query,
        "key": key,
        "as_symmetric_as_m": asymmetric != symmetric,
        "witness": pair,
        "negative": found.inertia[1] == 1,
        "negative_in_floats": exact.rational_inertia(exact.symmetric_part(rows))[1] == 1,
        "second_pivot": exact.upper(found.diagonal[-1]),
        "error": error,
    }


EPSILONS = (fmpq(1), fmpq(1, 2), fmpq(1, 4), fmpq(1, 8))


def turned(epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """W^Q, W^K of d = 2 with W^Qᵀ W^K = I + εJ."""
    return np.array([[1.0, -epsilon], [epsilon, 1.0]]), np.eye(2)


def circle_case(epsilon: fmpq) -> dict[str, Any]:
    """The least number of equispaced points with a negative eigenvalue; rkbs's spectrum of them."""
    found, value = fewest(epsilon, 2), float(epsilon.p) / float(epsilon.q)
    angles = 2 * np.pi * np.arange(found.n) / found.n
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    gram = EDP().pullback(*turned(value))(points, points)
    spectrum = np.linalg.eigvalsh((gram + gram.T) / 2)
    return {
        "epsilon": value,
        "points": found.n,
        "predicted": predicted(epsilon),
        "share": found.share,
        "fewer are definite": found.definite,
        "modes agree": found.agree,
        "float share": float(spectrum[0] / spectrum[-1]),
    }


def two_points(rng: np.random.Generator, count: int) -> dict[str, float]:
    """M = I + J/8 on the unit disc: no two points show it. The proof's ratio, and random pairs.

    As log cosh u ≤ u²/2, x_0 ± h are indefinite only if |hᵀA x_0|² > √d hᵀSh. Here S = I and
    |hᵀA x_0| ≤ ε |h| |x_0|, |x_0| ≤ 1: the ratio is ε²/√d at most.
    """
    query, key = turned(1 / 8)
    M = query.T @ key
    S, A = (M + M.T) / 2, (M - M.T) / 2
    ratio = np.linalg.norm(A, 2) ** 2 / (math.sqrt(2) * np.linalg.eigvalsh(S)[0])
    angles, radii = 2 * np.pi * rng.random((count, 2)), np.sqrt(rng.random((count, 2)))
    points = radii[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)  # (count, 2, 2)
    gram = EDP().pullback(query, key)(points, points)
    (a, b), (c, d) = gram[:, 0].T, gram[:, 1].T
    determinants = (a * d - ((b + c) / 2) ** 2) / (a * d)
    return {"ratio": float(ratio), "pairs": count, "least": float(determinants.min())}


def _circle_checks(rows: list[dict[str, Any]], pairs: dict[str, float]) -> tuple[Check, ...]:
    """Finitely many points, but no number of them for all M."""
    wrong = sum(row["points"] != row["predicted"] for row in rows)
    lacking = sum(not (row["fewer are definite"] and row["modes agree"]) for row in rows)
    off = greatest(abs(row["float share"] - row["share"]) for row in rows)
    return (
        Check("circle: numbers of points that are not the first negative mode's", wrong, "==", 0),
        Check("circle: numbers not certainly least, or modes that differ", lacking, "==", 0),
        # Balls: the sign is certain, however small.
        Check("circle: least over largest eigenvalue, worst", greatest(rows, key="share"), "<", 0),
        # Weyl: rounding of 26 × 26 entries moves eigenvalues by some units of roundoff each.
        Check("circle: rkbs's least over largest, error", off, "<=", 1e-14),
        Check("M = I + J/8, unit disc: |hᵀA x_0|²/(√d hᵀSh)", pairs["ratio"], "<", 1),
        # The determinant is ≥ 0, over the diagonal's product; at distance h it is of order h².
        Check("the same, random pairs: least determinant", pairs["least"], ">=", -1e-14),
    )


@claim(
    title="W^Q ≠ W^K makes attention's kernel non-Mercer",
    origin="paper",
    finding={
        Verdict.HOLDS_IF: "Not by itself: the kernel is Mercer exactly if W^Qᵀ W^K is symmetric "
        "positive semi-definite, as for W^Q = 2 W^K."
    },
    statement="On X = Y, exp(W^Q x·W^K y/√d) with W^Q ≠ W^K is not a Mercer kernel",
    source="Paper Proposition 1 and title; theory §2",
    method="Counterexamples: W^Q ≠ W^K with W^Qᵀ W^K symmetric PSD, exactly, and Gram matrices "
    "certified positive definite in balls. Condition: for every other M = W^Qᵀ W^K tried, two "
    "points of the plane, far out where they must be, where the symmetric part has a negative "
    "eigenvalue, certified in balls and exactly in rkbs's float Gram; asymmetry by disjoint balls "
    "iff M ≠ Mᵀ; polynomial identities (sympy) that give such points for all M. An entire kernel "
    "that is PSD on an open set is PSD everywhere, so finitely many such points are in every X "
    "with interior, not two: for M = I + εJ equispaced points of the unit circle, certified in "
    "balls from their entries and from Bessel functions; no two points of the unit disc for "
    "ε = ⅛, by an inequality",
    scope="counterexamples: two pairs of maps, at 12 points. Condition: five chosen M and "
    "10 drawn ones (full: 60), 2 × 2, d = 4; for every M the identities (exact for 1 to 4 input "
    "dimensions) and the argument in the method, on paper. Circle: ε = 1, ½, ¼, ⅛, d = 2, which "
    "take 5, 8, 14 and 26 points",
)
def non_mercer(run: Run) -> Evidence:
    """M is chosen and drawn; the identities hold for all M in the dimensions listed."""
    rng = run.rng
    points = dyadic(rng, (12, 2), bits=8) * 2
    mercer = [_mercer_case(name, *pair, points) for name, pair in mercer_pairs(rng).items()]
    drawn = other_pairs(rng, run.pick(quick=10, full=60))
    pairs = [(name, *pair) for name, pair in drawn.items() if not symmetric_psd(form(*pair))]
    others = [_other_case(*pair, points) for pair in run.progress(pairs, "W^Q ≠ W^K")]
    identities = [_identities(d_x) for d_x in (1, 2, 3, 4)]
    missed = {key: sum(not case[key] for case in others) for key in _FOUND}
    worst = greatest(others, key="error") if others else math.inf
    circle = [circle_case(epsilon) for epsilon in EPSILONS]
    near = two_points(rng, run.pick(quick=20_000, full=200_000))
    proven = [case for case in mercer if case["different"] and case["symmetric_psd"]]
    return Evidence(
        counterexamples=(
            Check("pairs W^Q ≠ W^K with M symmetric PSD", len(proven), "==", 2),
            Check("certified definite", sum(case["definite"] for case in proven), "==", 2),
            Check("rkbs's Gram, error", greatest(mercer, key="error"), "<=", 1e-13),
        ),
        checks=(
            Check("other M: cases", len(others), ">=", run.pick(quick=12, full=60)),
            *(Check(f"without {what}", missed[key], "==", 0) for key, what in _FOUND.items()),
            Check("identities that fail", sum(not all(pair) for pair in identities), "==", 0),
            Check("rkbs's Gram, error", worst, "<=", 1e-13),
            *_circle_checks(circle, near),
        ),
        condition="W^Qᵀ W^K is not symmetric positive semi-definite (X with interior points)",
        data={"mercer": mercer, "others": others, "circle": circle, "two points": near},
    )
