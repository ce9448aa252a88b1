"""Language models: whether the differences of kernels are found with other options, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rkbs.data.gdsc import DataNotFoundError
from verify.harness.evidence import Check, Evidence, Verdict, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies import text, text_options
from verify.studies.declared import digest
from verify.studies.findings import Found, differences, judged, outcomes, sound
from verify.studies.text_options import DECLARED, OPTIONS

STEPS = 60
FIRST = 400
"""Seeds of the quick profile begin here: none is among those that were declared."""
QUICK = "W^Q = W^K"
"""The option that the quick profile tries, for ``STEPS``."""

HYPOTHESES = {
    "differences": [[*two, option] for option in OPTIONS for two in DECLARED["differences"]],
    "equivalences": [],
    "margin": 0.0,
    "level": DECLARED["level"],
}
"""What was declared, an option in place of a head dimension."""


def cells(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The runs with an option, and those of uniform attention, which most options do not change."""
    seed = FIRST + run.seed
    few = [
        {"option": QUICK, "kernel": kernel, "seed": seed, "steps": STEPS}
        for kernel in DECLARED["kernels"][QUICK]
    ]
    return run.pick(quick=few, full=text_options.configurations()), run.pick(
        quick=text.configurations([seed], STEPS, ["uniform"], [16]),
        full=text.configurations(DECLARED["seeds"], None, ["uniform"]),
    )


def by_option(found: Found, uniform: Found) -> Found:
    """(kernel, option) ↦ seed ↦ outcome, with uniform attention where it has no run of its own."""
    options = {option for _, option in found}
    runs = uniform["uniform", 16]
    return {("uniform", option): runs for option in options} | found


def table(found: Found, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each declared difference of which there are runs."""
    return [
        {
            "option": option,
            "worse": worse,
            "better": better,
            "differences": differences(found, worse, better, option),
            **rows.get(f"{worse} − {better}, d = {option}", {}),
        }
        for worse, better, option in HYPOTHESES["differences"]
        if differences(found, worse, better, option)
    ]


@claim(
    title="Language models: the differences with other options",
    finding={
        Verdict.HOLDS: "Uniform attention and the L2 distance predict a text worse than EDP also "
        "with tied maps, points of one norm, d = 4, and after three epochs.",
        Verdict.UNCONFIRMED: "With some option a difference was not found: the table tells which.",
    },
    statement="Uniform attention and the L2 distance predict a text worse than EDP with W^Q = W^K, "
    "with queries and keys of one norm, at head dimension 4, and after three epochs",
    source="Theory §5, What infinite dimension buys",
    method="The language models of sec5.text with one option changed at a time; paired by seed, "
    "Holm over all options and both differences",
    scope="as of sec5.text; 3 seeds; one option at a time. Quick: tied maps, 60 steps, one other "
    "seed: the signs",
    on_device=True,
)
def text_option_differences(run: Run) -> Evidence:
    """Two differences at each option."""
    try:
        text.encoded()
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    whole, (mine, uniform) = run.pick(quick=False, full=True), cells(run)
    first = sweep(run, text_options.work, mine, "sec5.text_options")
    second = sweep(run, text.work, uniform, "sec5.text")
    named = [{**cell, "d": cell["option"]} for cell in mine]
    every, results = [*named, *uniform], [*first, *second]
    checks = sound((text.DECLARED, DECLARED), every, results, whole, "tokens")
    if not all(check.passed for check in checks):
        return Evidence(checks=checks)
    plain = outcomes(text.DECLARED, uniform, second, whole)
    found = by_option(outcomes(DECLARED, named, first, whole), plain)
    rows = {row["name"]: row for row in judged(HYPOTHESES, found, {})} if whole else {}
    told = table(found, rows)
    return Evidence(
        checks=(
            *checks,
            *(
                check
                for row in told
                for check in (interval_checks(row) if whole else sign_checks(row))
            ),
        ),
        data={"declared": digest(DECLARED), "table": told},
    )


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['worse']} − {row['better']}, {row['option']}"


def sign_checks(row: Mapping[str, Any]) -> tuple[Check, ...]:
    """Of a few runs: the sign that was said, and no more."""
    return (
        Check(f"{_name(row)}: NLL, the smallest of the seeds", least(row["differences"]), ">", 0),
    )


def interval_checks(row: Mapping[str, Any]) -> tuple[Check, ...]:
    """Significant, and of the sign that was said."""
    return (
        Check(f"{_name(row)}: NLL, lower end of the t interval", row["interval"][0], ">", 0),
        Check(f"{_name(row)}: p, by Holm", row["p"], "<", DECLARED["level"]),
    )
