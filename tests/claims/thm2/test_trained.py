"""thm2.trained: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import APART, NO_FLOOR, returned

from verify.claims.thm2 import trained as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies.rows import WIDE


def few(patch):
    """Two targets, one seed, and of the widest heads fewer dimensions and steps."""
    patch.setattr(module, "FEW", ("kink", "oscillating"))
    batches = [batch | {"seeds": [0]} for batch in module._by_adam(Run())]
    batches = [
        batch | {"dims": [2, 4, 8], "method": batch["method"] | {"steps": 500}}
        if batch["width"] == WIDE
        else batch
        for batch in batches
    ]
    patch.setattr(module, "_by_adam", lambda run: batches)


def by(method):
    """All batches by another method."""
    return returned(
        module, "_by_adam", lambda batches: [batch | {"method": method} for batch in batches]
    )


broken = Subject("thm2.trained", few, "slow")
SABOTAGES = [
    broken(
        "variable projection in place of Adam",
        by({"kind": "VariableProjection", "steps": 20}),
        "fast",
        noticed="median trained/floor at d = 8, smallest",
    ),
    broken("Adam of one step", by({"kind": "Adam", "lr": 1e-2, "steps": 1})),
    broken("the floor is 0", NO_FLOOR, noticed=APART),
    broken(
        "rivals' errors × 100",
        returned(module, "_rival_errors", lambda found: tuple(100 * error for error in found)),
        noticed="worst constructive/trained",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)
