"""Which teachers an optimizer's norm suits: errors of heads, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.declared import digest
from verify.studies.findings import Found, differences, judged
from verify.studies.geometry_contest import DECLARED, RANKS, configurations, work
from verify.studies.paired import interval

Rows = Sequence[Mapping[str, Any]]
MEANS = ("error", "least_error", "effective_rank", "rank", "radius")
FIRST, COUNT, STEPS = 500, 8, 300
"""Seeds of the quick profile, none of which was declared, and its steps."""
QUICK = {
    "rank one": ("normalized gradient", "Lion", "Muon"),
    "orthogonal": ("normalized gradient", "Muon"),
    "sign vectors": ("normalized gradient", "Lion"),
    "sign maps": ("normalized gradient", "Lion"),
}
"""Teachers and optimizers of the quick profile."""


def cells(run: Run) -> list[dict[str, Any]]:
    """What was declared; or few teachers and optimizers, other seeds, fewer steps."""
    if run.profile == "full":
        return configurations(DECLARED["seeds"], DECLARED["steps"])
    few = [(teacher, name) for teacher, names in QUICK.items() for name in names]
    first = FIRST + COUNT * run.seed
    return configurations(list(range(first, first + COUNT)), STEPS, few)


def outcomes(asked: Rows, results: Rows, key: str) -> Found:
    """(optimizer, teacher) ↦ seed ↦ what was found."""
    return {
        (cell["optimizer"], cell["teacher"]): dict(zip(cell["seeds"], result[key], strict=True))
        for cell, result in zip(asked, results, strict=True)
    }


def difference_checks(block: Mapping[str, Any], found: Found, what: str, whole: bool) -> list:
    """The declared differences: significant and of the sign that was said; or just the sign."""
    rows = {row["name"]: row for row in judged(block, found, {})}
    checks = []
    for more, less, teacher in block["differences"]:
        row, name = rows[f"{more} − {less}, d = {teacher}"], f"{teacher}: {what}, {more} − {less}"
        if whole:
            low, p = row.get("interval", [math.nan])[0], row.get("p", math.nan)
            checks += [
                Check(f"{name}, lower end of the t interval", low, ">", 0),
                Check(f"{name}, p by Holm", p, "<", block["level"]),
            ]
        elif row["seeds"]:
            checks.append(Check(f"{name}, mean", row["mean"], ">", 0))
    return checks


def not_ahead(errors: Found, whole: bool) -> tuple[Check, ...]:
    """That Lion does not gain on teachers whose maps, and not whose M, are corners of its ball."""
    more, less, teacher = DECLARED["not_ahead"]
    found = differences(errors, more, less, teacher)
    end = "upper end of the t interval" if whole else "mean"
    gain = interval(found, DECLARED["level"])[1] if whole else float(np.mean(found))
    return (Check(f"{teacher}: error, {more} − {less}, {end}", gain, "<", DECLARED["margin"]),)


def table(asked: Rows, results: Rows) -> list[dict[str, Any]]:
    """A row for each teacher and optimizer: means over the seeds, an interval of the error."""
    return [
        {
            **{key: cell[key] for key in ("teacher", "optimizer")},
            "interval": list(interval(result["error"], DECLARED["level"])),
            **{key: float(np.mean(result[key])) for key in MEANS},
        }
        for cell, result in zip(asked, results, strict=True)
    ]


@claim(
    title="Which teachers an optimizer's norm suits",
    finding={
        Verdict.HOLDS_IF: "Muon errs least where M is orthogonal; Lion gains on gradient descent "
        "where M is s tᵀ of signs, and nothing where only the maps are signs.",
    },
    statement="On pointers with noisy labels by a teacher W_QᵀW_K the head errs less whose "
    "optimizer has the norm that the teacher's maps suit: of rank one rank-one descent than "
    "gradient descent, and this than Lion and Muon; orthogonal Muon than gradient descent, Lion "
    "and rank-one descent; signs Lion than gradient descent and Muon; few entries coordinate "
    "descent than gradient descent, Lion and rank-one descent",
    source="Theory, Which space training chooses: what the norm of the maps says of M",
    method="One head, full batch, eight radii 1/λ, of which held-out noisy pointers choose; error "
    "on pointers without noise. Hypotheses were declared before the runs, after runs of other "
    "seeds; paired by seed, t intervals, Holm over all. That Lion is not ahead on square maps of "
    "signs: the upper end of an interval against half of its gain on sign vectors in those "
    "other runs",
    scope="d = D = 8, 128 queries of 4 tokens, 15 % noise, 24 seeds, 6 optimizers, 5 teachers; "
    "normalized gradients stand for gradient descent, whose space they share. The condition is "
    "what theory offers for the exception; it was not varied on its own. Quick: 4 teachers, 8 "
    "other seeds, 300 steps: signs of means",
)
def geometry_errors(run: Run) -> Evidence:
    """Errors, and effective ranks of M, of all teachers and optimizers."""
    asked, whole = cells(run), run.pick(quick=False, full=True)
    results = sweep(run, work, asked, "deep.geometry_errors")
    stray = sum(result["declared"] != digest(DECLARED) for result in results)
    sound = Check("runs of another declaration", stray, "==", 0)
    errors, ranks = (outcomes(asked, results, key) for key in ("error", "effective_rank"))
    return Evidence(
        checks=(
            sound,
            *difference_checks(DECLARED, errors, "error", whole),
            *difference_checks(RANKS, ranks, "effective rank of M", whole),
        ),
        counterexamples=not_ahead(errors, whole),
        condition="M itself, not only its maps, is a corner or lies on a small face of the set "
        "that the maps of the ball make (theory)",
        data={"declared": digest(DECLARED), "table": table(asked, results)},
    )
