"""thm2.trained: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import APART, NO_FLOOR, returned

from verify.claims.thm2 import trained as module
from verify.harness.evidence import Verdict
from verify.studies.rows import MIDDLE, NARROW, WIDE
from verify.studies.trained_heads import ADAM, configuration


def few(patch):
    """Two targets, one seed, and fewer dimensions and steps."""
    names = ("kink", "oscillating")
    batches = [
        configuration(names, (2, 4, 8), WIDE, [0], ADAM | {"steps": 200}),
        configuration(names[1:], (1, 4), NARROW, [0], {"kind": "Adam", "lr": 5e-2, "steps": 300}),
        configuration(names, (1, 4), MIDDLE, [0], ADAM | {"steps": 20}),
    ]
    patch.setattr(module, "FEW", names)
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
