"""sec5.sharpness: its verdict, and what changes it."""

from flint import fmpq
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, in_short, returned, swept_once

from rkbs.kernels import TaylorEDP
from verify.claims.sec5 import sharpness as module
from verify.harness.evidence import Verdict
from verify.oracles import equispaced
from verify.oracles.equispaced import selection, selects
from verify.studies import free_heads

trained_once = swept_once(module)


def found(change):
    """What the searches found, changed."""
    return returned(module, "searched", lambda rows: [row | change(row) for row in rows])


def fresh(patch):
    """Without what the oracle has kept."""
    for kept in (selects, selection, equispaced.moment):
        patch.setattr(equispaced, kept.__name__, kept.__wrapped__)
    patch.setattr(module, "selection", selection.__wrapped__)
    patch.setattr(module, "selects", selects.__wrapped__)


def moments(wrong):
    """Other means of powers of cosines."""

    def patch(monkeypatch):
        fresh(monkeypatch)
        right = equispaced.moment
        monkeypatch.setattr(equispaced, "moment", lambda n, k: wrong(right, n, k))

    return patch


SHORT = {(2, 4, 8): (2, 4), 24: 8, 300: 200}
broken = Subject("sec5.sharpness", in_short(SHORT, trained_once))
retrained = Subject("sec5.sharpness", kind="slow")
SABOTAGES = [
    broken(
        "means of the powers of cosines of n + 1 points",
        moments(lambda right, n, k: right(n + 1, k)),
        noticed="attention",
    ),
    broken(
        "means without aliases",
        moments(lambda right, n, k: right(10**6, k)),
        noticed="attention",
    ),
    broken(
        "means × 0.99 from the second on",
        moments(lambda right, n, k: right(n, k) * (fmpq(99, 100) if k else 1)),
    ),
    broken(
        "Taylor cuts of order N + 2 in attention",
        constants(module, TaylorEDP=lambda order: TaylorEDP(order + 2)),
        noticed="attention",
    ),
    broken("capacities one larger than told", constants(module, CAPACITIES={2: 6, 4: 8, 8: 12})),
    broken("scores × 1.001", found(lambda r: {"score": 1.001 * r["score"]}), noticed="best found"),
    broken("scores × 0.99", found(lambda r: {"score": 0.99 * r["score"]}), noticed="geometric"),
    broken(
        "traces as of D instead of M",
        found(lambda r: {"trace": float(module.features(r["order"]))}),
        noticed="Σ A_ii",
    ),
    retrained(
        "heads that ascend the arithmetic mean",
        attribute(
            free_heads,
            "geometric_mean",
            lambda f: lambda own: free_heads.arithmetic_mean(own).log(),
        ),
        noticed="trained",
    ),
    retrained(
        "EDP in place of its cuts in training",
        attribute(
            free_heads,
            "weights",
            lambda f: lambda kernel, q, k: f(TaylorEDP(24), q, k),
        ),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_dimensions():
    assert [module.features(order) for order in (2, 4, 8, 16)] == [6, 15, 45, 153]
    assert [2 * module.squares(order) - 1 for order in (2, 4, 8, 16)] == [5, 11, 29, 89]


def test_a_full_run_starts_each_search_from_two_hundred_heads():
    cells = module.configurations(module.Run("full"))
    thorough = [cell for cell in cells if cell["starts"] >= 200]
    steps = {(c["order"], c["n"]) for c in thorough if c["objective"] == "least"}
    expected = {(order, n + more) for order, n in module.CAPACITIES.items() for more in (0, 1)}
    assert expected <= steps
    assert len(cells) == len({repr(cell) for cell in cells})


def test_a_trapezoid_of_four_keys_beats_the_square_exactly():
    """T4, in rationals: the geometric mean of the self-weights, to its fourth power."""
    queries = [(-4, -11), (11, 3), (-5, 39), (-39, 8)]
    keys = [(-13, -21), (22, 12), (-8, 30), (-29, 10)]  # tenths, as the queries; a = q·k
    product = fmpq(1)
    for i, (x, y) in enumerate(queries):
        row = [equispaced.cut(4)(fmpq(x * u + y * v, 100)) for u, v in keys]
        product *= row[i] / sum(row, fmpq(0))
    assert product > fmpq(853, 1000) ** 4
    assert selection(4, 4).weight < fmpq(836, 1000)
