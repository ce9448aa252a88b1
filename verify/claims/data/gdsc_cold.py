"""Real input, new drugs and new cell lines: where features are all that is known."""

from __future__ import annotations

from dataclasses import replace

from rkbs.data.gdsc import GDSC_SOURCE, DataNotFoundError, load_gdsc
from verify.harness.evidence import Evidence, Verdict
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.studies.drug_folds import arena_of, cold, contest, mean_margin, soundness
from verify.studies.drug_response import BOTH, IDENTITY, MEANS, PERMUTED


@claim(
    title="New drugs and cell lines: features earn their keep",
    origin="ours",
    finding={
        Verdict.HOLDS: "Where nothing else is known, the published kernels predict better than "
        "anything that sees no features."
    },
    statement="On real drug-response data (GDSC, 124 drugs × 124 cell lines) features earn their "
    "keep where nothing else is known: new drugs, and new cell lines, are predicted better on "
    "average by the nuclear norm with the published kernels beside the identity than by what sees "
    "no features, shrunken means and matrix completion, and than with the kernels permuted.",
    source="Theory §3, reading C; data of Cichonska et al. 2018",
    method="All pairs of a tenth of the drugs (of the cell lines) are left out together, ten "
    "times, by a seeded permutation. Contestants, tuning (on the next tenth, held out of the "
    "training part), p-values and certificates as of data.gdsc. To a machine without features a "
    "new drug has the constant alone in common with others, which gives it the effects of the cell "
    "lines.",
    scope="one data set; a new drug against known cell lines, and the reverse. Of new drugs by a "
    "hair: with responses centered by hand, in place of a constant minimized with the rest, the "
    "p-value was 0.0504 for the bound of 0.05. Quick: 4 of the 10 parts; full: all 10",
)
def gdsc_cold(run: Run) -> Evidence:
    """All contestants over the parts of the drugs, and over those of the cell lines."""
    try:
        arena = arena_of(run, load_gdsc())
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    found, checks = {}, []
    for name, units, apart in (
        ("new drugs", arena.grid.i, "rows"),
        ("new cell lines", arena.grid.j, "columns"),
    ):
        found[name] = contest(run, arena, lambda k, units=units: cold(units, k, run.rng), name)
        own = soundness(found[name], apart)
        for other in (MEANS, IDENTITY, PERMUTED):
            own += mean_margin(run, found[name], BOTH, other)
        checks += [replace(check, name=f"{name}: {check.name}") for check in own]
    return Evidence(checks=tuple(checks), data=found | {"source": GDSC_SOURCE})
