"""L3: a Euclidean distance, of infinite dimension in every d, selects two keys at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from flint import arb, fmpq, fmpq_mat

from rkbs._arrays import Array
from rkbs.kernels.base import Kernel
from rkbs.kernels.custom import Custom
from rkbs.kernels.distance import L2Distance
from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import weights as plain
from verify.oracles.exact import certified_pivots, dyadic, mix_first_two, rational_points
from verify.oracles.finite_metrics import Table, broken_quadruples, broken_triangles, star

DIMS = (1, 2, 3, 8, 32)
POWERS = (0.5, 1.0)
"""Of the distance: metrics themselves. 2 and 4 are controls, which are none."""
SMOOTH = 1e-14  # squared: distances below 1e-7 are rounded off


def power_of_distance(power: float) -> Kernel:
    """|q − k|^power to train with: its root rounded off at 0, where it has no derivative."""
    if power == 1:
        return L2Distance()

    def smoothed(x: Array, y: Array) -> Array:
        square = ((x[..., :, None, :] - y[..., None, :, :]) ** 2).sum(-1)
        return (square + SMOOTH) ** (power / 2)

    return Custom(smoothed, is_nonnegative=True)


LARGEST = Custom(
    lambda x, y: abs(x[..., :, None, :] - y[..., None, :, :]).amax(-1), is_nonnegative=True
)
"""max_l |q_l − k_l|, a metric that is not Ptolemaic."""


def row_of(
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray], q: Any, k: Any
) -> dict[str, Any]:
    """The best of the heads (heads, n, d) by plain sums, and how far they pass ρ_i/W."""
    A, among = plain.normalized(distance(q, k)), distance(k, k)
    bounds = among.sum(-1) / (among.sum((-1, -2)) / 2)[..., None]
    return {
        "d": q.shape[-1],
        "n": q.shape[-2],
        "heads": len(q),
        "trace": float(plain.own(A).sum(-1).max()),
        "own": float(np.exp(-plain.mean_log(A)).max()),
        "R": int(plain.selected(A).max()),
        "excess": float((plain.own(A) - bounds).max()),
    }


def most_selected(power: float, n: int) -> int:
    """R: three for powers up to 2; two for a Euclidean metric, and one of four keys or more."""
    return 3 if power > 1 else min(n, 2) if n <= 3 else 1


def cases(run: Run) -> list[tuple[float, int, int]]:
    """Power, d and n of the heads that are trained."""
    metrics = [(power, d) for power in POWERS for d in DIMS]
    others = [(power, d) for power in (1.5, 2.0, 4.0) for d in (1, 2, 8)]
    sizes = run.pick(quick=(3,), full=(2, 3, 4, 6, 12))
    found = [(*case, n) for case in metrics + others for n in sizes]
    if run.profile == "quick":
        found += [(power, d, 12) for power in (0.5, 1.0, 2.0, 4.0) for d in (1, 2, 8)]
    return found


def trained_rows(run: Run) -> tuple[list[dict[str, Any]], list[tuple[np.ndarray, np.ndarray]]]:
    """Trained heads of every power and d, their starts too; and the heads of |q − k| at d = 1."""
    from verify.studies.free_heads import SCALES, starts, trained

    heads, steps = run.pick(quick=(48, 200), full=(216, 600))
    rows, line = [], []
    for power, d, n in run.progress(cases(run), "trained"):
        q, k = trained(power_of_distance(power), n, d, heads, steps, seed=run.seed)
        begun = (x.numpy() for x in starts(heads, n, d, SCALES, run.seed))
        for kind, points in (("trained", (q, k)), ("normal", begun)):
            found = row_of(partial(plain.distances, power=power), *points)
            rows.append({"power": power, "kind": kind} | found)
        line += [(q, k)] if (power, d) == (1, 1) else []
    return rows, line


def largest_coordinate(run: Run) -> dict[str, Any]:
    """max_l |q_l − k_l| of 12 keys of R^12, trained for their trace."""
    from verify.studies.free_heads import arithmetic_mean, geometric_mean, trained

    heads, steps = run.pick(quick=(24, 300), full=(96, 1000))
    objectives = (geometric_mean, arithmetic_mean)
    q, k = trained(LARGEST, 12, 12, heads, steps, seed=run.seed, objectives=objectives)
    return row_of(lambda x, y: abs(x[..., :, None, :] - y[..., None, :, :]).max(-1), q, k)


# ---- in rationals


def exact_excess(line: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The largest A_ii − ρ_i/W of heads on the line, whose floats are rationals."""
    found = []
    for q, k in ((q, k) for heads in line for q, k in zip(*heads, strict=True)):
        x, y = ([Fraction(float(v)) for v in points[:, 0]] for points in (q, k))
        rho = [sum(abs(a - b) for b in y) for a in y]
        total = sum(rho) / 2
        weights = (abs(a - b) / sum(abs(a - c) for c in y) for a, b in zip(x, y, strict=True))
        found += [w - r / total for w, r in zip(weights, rho, strict=True)]
    return float(max(found))


def self_weights(table: Table) -> list[Fraction]:
    """A_ii of a table of κ, in rationals."""
    return [row[i] / sum(row) for i, row in enumerate(table)]


def clusters(sizes: tuple[int, int]) -> list[Fraction]:
    """Keys at 0 and at 1, the queries of each in the other: by distance on the line."""
    keys = [0] * sizes[0] + [1] * sizes[1]
    return self_weights([[Fraction(abs(1 - own - k)) for k in keys] for own in keys])


def library_clusters(n: int, d: int) -> np.ndarray:
    """The same by the library's L2 distance in R^d."""
    import torch

    from verify.studies.free_heads import self_weights as library

    corners = torch.arange(n, dtype=torch.float64).remainder(2)[:, None].expand(n, d)
    return library(L2Distance(), 1 - corners, corners).numpy()


def squares(x: Sequence[Fraction], y: Sequence[Fraction]) -> Fraction:
    """|x − y|²."""
    return sum(((a - b) ** 2 for a, b in zip(x, y, strict=True)), Fraction(0))


def triangle() -> list[Fraction]:
    """|q − k|² of a triangle, its best queries beyond the centroid: A_ii = 1/3 + r_i²/S."""
    keys = [(Fraction(0), Fraction(0)), (Fraction(4), Fraction(0)), (Fraction(2), Fraction(3))]
    center = tuple(sum(column) / 3 for column in zip(*keys, strict=True))
    total = sum(squares(k, center) for k in keys)
    queries = [
        [c - (x - c) * total / (3 * squares(k, center)) for x, c in zip(k, center, strict=True)]
        for k in keys
    ]
    return self_weights([[squares(q, k) for k in keys] for q in queries])


def cross_polytope() -> list[Fraction]:
    """|q − k|⁴ of the keys ±e_1, ±e_2 from the opposite ones: 16/(16 + 2·4) each."""
    keys = [(Fraction(s * (1 - j)), Fraction(s * j)) for j in (0, 1) for s in (1, -1)]
    return self_weights([[squares([-x for x in q], k) ** 2 for k in keys] for q in keys])


def ranks(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Ranks of distance matrices: determinants in rationals on the line, else pivots in balls."""
    on_line = [fmpq(int(x)) for x in rng.permutation(200)[:16]]
    rank = fmpq_mat([[abs(x - y) for y in on_line] for x in on_line]).rank()
    rows = [{"d": 1, "power": 1.0, "n": 16, "rank": rank}]
    for d, power in ((1, 0.5), (2, 1.0), (3, 0.5), (8, 1.0)):
        points = rational_points(dyadic(rng, (12, d), bits=8))

        def build(points: Any = points, power: float = power) -> list[list[arb]]:
            table = [[_ball(x, y, power) for y in points] for x in points]
            return mix_first_two(table)

        rows.append({"d": d, "power": power, "n": 12, "rank": certified_pivots(build).rank})
    return rows


def _ball(x: Sequence[fmpq], y: Sequence[fmpq], power: float) -> arb:
    square = arb(sum(((a - b) ** 2 for a, b in zip(x, y, strict=True)), fmpq(0)))
    return square.sqrt() if power == 1 else square.sqrt().sqrt()


# ---- checks


def law_checks(rows: Sequence[dict[str, Any]], line: Sequence[Any]) -> tuple[Check, ...]:
    """No weight above ρ_i/W for powers up to 2, and what follows."""
    law = [row for row in rows if row["power"] <= 2]
    metric = [row for row in rows if row["power"] in POWERS and row["kind"] == "trained"]
    reached = 6 * max(r["own"] for r in metric if r["n"] == 12)
    traces = [max(r["trace"] for r in metric if r["d"] == d) for d in DIMS]
    return (
        # Sums of some ten distances: rounding of 1e-14.
        Check("A_ii − ρ_i/W, powers ≤ 2, largest", greatest(law, key="excess"), "<=", 1e-9),
        Check("tr A − 2, powers ≤ 2, largest", greatest(law, key="trace") - 2, "<=", 1e-9),
        Check(
            "n/2 × geometric mean, powers ≤ 2, largest",
            greatest(r["own"] * r["n"] / 2 for r in law),
            "<=",
            1 + 1e-9,
        ),
        Check(
            "R − its bound, largest",
            greatest(r["R"] - most_selected(r["power"], r["n"]) for r in law),
            "<=",
            0,
        ),
        Check("d = 1, trained: A_ii − ρ_i/W, exact, largest", exact_excess(line), "<=", 0),
        # Adam in finitely many steps comes within 5 % of what is attained.
        Check("trained metrics, n = 12: n/2 × geometric mean", reached, ">=", 0.95),
        Check("trained metrics: tr A, least over d of the largest", least(traces), ">=", 1.9),
        Check(
            "trained metrics, n = 3: R", greatest(r["R"] for r in metric if r["n"] == 3), "==", 2
        ),
    )


def exact_checks(found: Sequence[dict[str, Any]]) -> tuple[Check, ...]:
    """Attained by two clusters; infinite-dimensional; what is no Euclidean metric does not obey."""
    pairs = {sizes: clusters(sizes) for sizes in ((1, 1), (6, 6), (2, 10))}
    off = max(abs(sum(own) - 2) for own in pairs.values())
    there = [abs(library_clusters(12, d) - 1 / 6).max() for d in DIMS]
    table, cross = star(12)
    own = self_weights(cross)
    return (
        Check("two clusters: |tr A − 2|, exact", float(off), "==", 0),
        Check(
            "two clusters of six: self-weights ≠ 2/n, exact",
            sum(w != Fraction(1, 6) for w in pairs[6, 6]),
            "==",
            0,
        ),
        Check("the same by the library: |A_ii − 2/n|, all d", greatest(there), "<=", 1e-15),
        Check(
            "n − certified rank of the distances",
            greatest(r["n"] - r["rank"] for r in found),
            "==",
            0,
        ),
        Check("a metric that is not Ptolemaic: broken triangles", broken_triangles(table), "==", 0),
        Check("its broken quadruples", broken_quadruples(table), ">=", 1),
        Check("its tr A, exact", float(sum(own)), ">", 2),
        Check("its tr A − (3 − 2/n), exact", float(sum(own) - 3 + Fraction(2, 12)), "<=", 0),
        Check("|q − k|², a triangle: |tr A − 2|, exact", float(abs(sum(triangle()) - 2)), "==", 0),
        Check(
            "|q − k|², a triangle: R, one more than a metric's",
            sum(w > Fraction(1, 2) for w in triangle()),
            "==",
            3,
        ),
        Check(
            "|q − k|⁴, four keys of the plane: tr A, exact", float(sum(cross_polytope())), ">", 2
        ),
        Check("|q − k|⁴, the same: R", sum(w > Fraction(1, 2) for w in cross_polytope()), "==", 4),
    )


@claim(
    title="A Euclidean distance selects two keys at most",
    origin="ours",
    finding={
        Verdict.HOLDS: "The L2 distance gives n keys a mean self-weight of 2/n at most, in every d "
        "and whatever its infinite dimension; two clusters reach it."
    },
    statement="If κ is a power in (0, 2] of a Euclidean distance, A_ii ≤ ρ_i/W, so tr A ≤ 2, the "
    "geometric mean is ≤ 2/n and R ≤ 3, in every dimension; for powers ≤ 1 R ≤ 2, and 1 for "
    "n ≥ 4. Attained by two clusters; the rank of κ is infinite",
    source="Theory §5, L3",
    method="heads of |q − k| and |q − k|^½ trained in d = 1, 2, 3, 8, 32, of the powers 1.5 and 2 "
    "too, judged by plain sums, on the line in rationals; clusters in rationals; ranks by rational "
    "elimination and in balls. A star metric, the largest coordinate and |q − k|⁴ do not obey",
    scope="n ≤ 12, 48 starts a size (full: 216 starts); for all arrangements the proof in "
    "theory §5",
)
def metric(run: Run) -> Evidence:
    """Nothing passes ρ_i/W; two clusters attain 2/n."""
    rows, line = trained_rows(run)
    found, other = ranks(run.rng), largest_coordinate(run)
    fourth = [row for row in rows if row["power"] == 4]
    # What does not obey, by training: above 2 as clearly as 5 %.
    controls = (
        Check("largest coordinate, trained: tr A", other["trace"], ">=", 2.1),
        Check(
            "largest coordinate, trained: tr A − (3 − 2/n)", other["trace"] - 3 + 1 / 6, "<=", 1e-9
        ),
        Check("|q − k|⁴, trained: tr A", greatest(fourth, key="trace"), ">=", 2.1),
    )
    told = ("trace", "own", "excess")
    return Evidence(
        checks=(*law_checks(rows, line), *exact_checks(found), *controls),
        data={
            "rows": [row | {key: drawn(row[key]) for key in told} for row in rows],
            "largest coordinate": other,
            "ranks": found,
        },
    )
