"""thm2.limit: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import APART, NO_FLOOR, constants, returned, scaled

from rkbs.attention.heads import variable_projection
from verify.claims.thm2 import limit as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import yardsticks
from verify.studies.yardsticks import Yardstick

PROJECTION = variable_projection.VariableProjection


def few(patch):
    """One target on the line, fewer dimensions, seeds and steps."""
    patch.setattr(module, "LINE", ("oscillating",))
    batches = [
        batch
        | {"seeds": [0], "dims": [2] if batch["targets"] == ["waves_2d"] else [2, 8]}
        | {"method": batch["method"] | {"steps": 20}}
        for batch in module._by_projection(Run())
    ]
    patch.setattr(module, "_by_projection", lambda run: batches)


RANDOM_START = "on the line, m = 16, random start: best/floor, d ≤ 8, largest"
broken = Subject("thm2.limit", few)
SABOTAGES = [
    broken(
        "variable projection that does not move",
        constants(PROJECTION, _move=lambda *a: None),
        "fast",
        RANDOM_START,
    ),
    broken(
        "output weights × 0.9",
        returned(PROJECTION, "_state", lambda found: found._replace(sizes=0.9 * found.sizes)),
        "slow",
        RANDOM_START,
    ),
    broken(
        "the floor × 1.01",
        returned(Yardstick, "row", lambda row: row | {"floor": 1.01 * row["floor"]}),
        "slow",
        "quadrature error",
    ),
    broken("the floor is 0", NO_FLOOR, "slow", APART),
    broken("errors × 0.9", scaled(yardsticks, "l2_error", 0.9), "slow", "(floor − error)"),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_what_is_told_of_the_batches():
    data = broken.evidence().data
    assert {row["width"] for row in data["rows"]} == {16, 64}
    assert all(row["models"] for row in data["batches"])
