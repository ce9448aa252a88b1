"""Language models: whether the differences of kernels are found with other options, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rkbs.data.gdsc import DataNotFoundError
from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies import text, text_options
from verify.studies.declared import digest
from verify.studies.findings import Found, differences, judged, outcomes, sound
from verify.studies.text_options import DECLARED, OPTIONS

HYPOTHESES = {
    "differences": [[*two, option] for option in OPTIONS for two in DECLARED["differences"]],
    "equivalences": [],
    "margin": 0.0,
    "level": DECLARED["level"],
}
"""What was declared, an option in place of a head dimension."""


def cells() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The runs with an option, and those of uniform attention, which most options do not change."""
    return text_options.configurations(), text.configurations(DECLARED["seeds"], None, ["uniform"])


def by_option(found: Found, uniform: Found) -> Found:
    """(kernel, option) ↦ seed ↦ outcome, with uniform attention where it has no run of its own."""
    options = {option for _, option in found}
    runs = uniform["uniform", 16]
    return {("uniform", option): runs for option in options} | found


def table(found: Found, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each declared difference."""
    return [
        {
            "option": option,
            "worse": worse,
            "better": better,
            "differences": differences(found, worse, better, option),
            **rows[f"{worse} − {better}, d = {option}"],
        }
        for worse, better, option in HYPOTHESES["differences"]
    ]


Settled = tuple[tuple[Check, ...], tuple[Check, ...], str]
"""Checks that bear the statement out, if they pass; those that refute it; a condition."""


def settled(told: Sequence[Mapping[str, Any]]) -> Settled:
    """What is significant and of the other sign refutes, and limits the statement to the rest.

    A rest of half of the options or less is none.
    """
    reversed_ = [row for row in told if row["verdict"] == "reversed"]
    others = [row for row in told if row["verdict"] != "reversed"]
    options = dict.fromkeys(row["option"] for row in reversed_)
    few = 0 < 2 * len(options) < len(OPTIONS)
    condition = f"not with {' or '.join(options)}" if few else ""
    refuted = (
        check
        for row in reversed_
        for check in (
            Check(f"{_name(row)}: NLL, upper end of the t interval", row["interval"][1], "<", 0),
            Check(f"{_name(row)}: p, by Holm", row["p"], "<", DECLARED["level"]),
        )
    )
    borne_out = (
        check
        for row in others
        for check in (
            Check(f"{_name(row)}: NLL, lower end of the t interval", row["interval"][0], ">", 0),
            Check(f"{_name(row)}: p, by Holm", row["p"], "<", DECLARED["level"]),
        )
    )
    return tuple(borne_out), tuple(refuted), condition


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['worse']} − {row['better']}, {row['option']}"


@claim(
    title="Language models: the differences with other options",
    finding={
        Verdict.HOLDS: "Uniform attention and the L2 distance predict a text worse than EDP also "
        "with tied maps, points of one norm, d = 4, and after three epochs.",
        Verdict.HOLDS_IF: "Uniform attention and the L2 distance predict a text worse than EDP "
        "also with other options, but for those where the order is turned around.",
        Verdict.UNCONFIRMED: "With some option a difference was not found: the table tells which.",
    },
    statement="Uniform attention and the L2 distance predict a text worse than EDP with W^Q = W^K, "
    "with queries and keys of one norm, at head dimension 4, and after three epochs",
    source="Theory §5, What infinite dimension buys",
    method="The language models of sec5.text with one option changed at a time; paired by seed, t "
    "tests, Holm over all options and both differences. A significant difference of the other sign "
    "is a counterexample, and limits the statement to the other options",
    scope="as of sec5.text; 3 seeds; one option at a time. Full profile alone: a short run has the "
    "signs of its beginning, which an epoch can turn around",
    on_device=True,
)
def text_option_differences(run: Run) -> Evidence:
    """Two differences at each option."""
    try:
        text.encoded()
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    if not run.pick(quick=False, full=True):
        return Evidence(skipped="whole epochs are compared: it needs --profile full")
    mine, uniform = cells()
    first = sweep(run, text_options.work, mine, "sec5.text_options")
    second = sweep(run, text.work, uniform, "sec5.text")
    named = [{**cell, "d": cell["option"]} for cell in mine]
    every, results = [*named, *uniform], [*first, *second]
    checks = sound((text.DECLARED, DECLARED), every, results, True, "tokens")
    if not all(check.passed for check in checks):
        return Evidence(checks=checks)
    plain = outcomes(text.DECLARED, uniform, second)
    found = by_option(outcomes(DECLARED, named, first), plain)
    told = table(found, {row["name"]: row for row in judged(HYPOTHESES, found, {})})
    borne_out, refuted, condition = settled(told)
    return Evidence(
        (*checks, *borne_out),
        refuted,
        condition,
        data={"declared": digest(DECLARED), "table": told},
    )
