"""thm2.certified: its verdict, and what changes it."""

from dataclasses import replace

from sabotage import Subject, is_noticed
from sabotage.patches import APART, NO_FLOOR, returned, scaled, without_outputs

from verify.claims.thm2 import certified as module
from verify.claims.thm2.certified import FROZEN
from verify.harness.evidence import Verdict
from verify.studies.trained_heads import configuration


def few(patch):
    """A smooth and a kinked target, one head each by variable projection, and constructive ones."""
    projection = {"kind": "VariableProjection", "steps": 20}
    batches = [
        configuration([name], [d], width, [0], method, FROZEN) | {"cells": 1}
        for name, d, width, method in (
            ("ridge", 16, 32, projection),
            ("kink", 16, 24, projection),
            ("ridge", 16, 64, {"kind": FROZEN}),
            ("kink", 18, 64, {"kind": FROZEN}),
        )
    ]
    patch.setattr(module, "_batches", lambda run: batches)
    patch.setattr(module, "PICTURES", ())


def bracket(**factors):
    """Ends of the brackets multiplied."""
    return returned(
        module,
        "certified_sup_error",
        lambda found: replace(
            found, **{key: factor * getattr(found, key) for key, factor in factors.items()}
        ),
    )


broken = Subject("thm2.certified", few, "slow")
SABOTAGES = [
    broken("brackets × 0.9", bracket(lower=0.9, upper=0.9), "fast", "worst cells balls confirm"),
    broken(
        "lower ends × 1.04 of the upper",
        bracket(lower=1.045, upper=1.045),
        noticed="witness balls confirm",
    ),
    broken("upper ends × 1.5", bracket(upper=1.5), noticed="upper/lower"),
    broken(
        "heads zero",
        returned(module, "_heads", lambda heads: list(map(without_outputs, heads))),
        noticed="certified sup error",
    ),
    broken("grid maxima × 0.6", scaled(module, "sup_error", 0.6), noticed="grid maximum"),
    broken("grid maxima × 1.2", scaled(module, "sup_error", 1.2), noticed="grid maximum"),
    broken("the floor is 0", NO_FLOOR, noticed=APART),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)
