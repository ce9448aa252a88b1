"""sec5.text_kernels: its verdict on made outcomes of the declared runs, and what changes it."""

from functools import cache, partial

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import constants, results_with, returned, several

from rkbs.data.gdsc import DataNotFoundError
from verify.claims.sec5 import text_kernels as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run
from verify.studies import text, text_kernels
from verify.studies.declared import digest
from verify.studies.text_kernels import DECLARED


def weight(kernel, d):
    return DECLARED["self_weight"][str(d)]["8"][kernel]


def size(kernel, d):
    return np.log(1 + (DECLARED["feature_dim"][str(d)][kernel] or 1e12)) / np.log(1e12)


def made(cell, predictor=weight, noise=0.002):
    """What a run might give: less, the more a kernel can single out; a part of its seed; noise."""
    kernel, d, seed = (cell[key] for key in ("kernel", "d", "seed"))
    block = text.DECLARED if kernel in text.KERNELS else DECLARED
    number = DECLARED["kernels"].index(kernel)
    shared = np.random.default_rng(seed).normal(0, 0.2)
    return {
        "declared": digest(block),
        "complete": cell["steps"] is None,
        "outcome": 3.8
        - 0.1 * predictor(kernel, d)
        + shared
        + np.random.default_rng([seed, d, number]).normal(0, noise),
        "judged": 1000,
        "batches": f"{seed}",
        "curve": [5.0, 4.0],
    }


def swept(run, work, cells, name):
    return [made(cell) for cell in cells]


results = partial(results_with, module)
"""What runs gave, changed where a function of a cell and its result has something to say."""


def mixed(cell, _):
    """The outcome of another kernel, under this one's name."""
    names = DECLARED["kernels"]
    other = np.random.default_rng(3).permutation(len(names))[names.index(cell["kernel"])]
    return {"outcome": made(cell | {"kernel": names[other]})["outcome"]}


made_runs = constants(module, sweep=swept)
whole = several(
    made_runs,
    constants(text, encoded=lambda: None),
    constants(text, predictors=lambda kernels: (DECLARED["self_weight"], None)),
    constants(Run, pick=lambda self, quick, full: full),
)


@cache
def recorded():
    """(kernel, d, seed) ↦ what the reference record has of the run."""
    runs = load_record("sec5.text_kernels", REFERENCE).evidence.data["runs"]
    return {(run["kernel"], run["d"], run["seed"]): run for run in runs}


def as_recorded(run, work, cells, name):
    return [made(c) | recorded()[c["kernel"], c["d"], c["seed"]] for c in cells]


broken = Subject("sec5.text_kernels", several(whole, constants(module, sweep=as_recorded)))
SABOTAGES = [
    broken(
        "kernels with the outcomes that self-weight predicts",
        results(lambda c, r: {"outcome": made(c)["outcome"]}),
    )
]
test_verdict = broken.ends_in(Verdict.UNCONFIRMED)
test_sabotage = is_noticed(SABOTAGES)

OF_WHAT_WOULD_HOLD = {
    "kernels under each other's names": (results(mixed), "p, by Holm"),
    "outcomes in the order of dimension": (
        results(lambda c, r: {"outcome": made(c, size)["outcome"]}),
        "of dimension",
    ),
    "the less a kernel singles out, the better": (
        results(lambda c, r: {"outcome": made(c, lambda k, d: -weight(k, d))["outcome"]}),
        "p, by Holm",
    ),
    "no kernel differs but by noise": (
        results(lambda c, r: {"outcome": made(c, lambda k, d: 0.0)["outcome"]}),
        "p, by Holm",
    ),
    "batches of RBF are others": (
        results(lambda c, r: {"batches": "other"} if c["kernel"] == "RBF" else None),
        "different batches",
    ),
    "a run of another declaration": (
        results(lambda c, r: {"declared": "another"} if c["kernel"] == "EI" else None),
        "another declaration",
    ),
    "T8 judged on fewer tokens": (
        results(lambda c, r: {"judged": 999} if c["kernel"] == "T8" else None),
        "judged",
    ),
    "self-weights that were declared too large": (
        returned(text, "predictors", lambda found: (_halved(found[0]), found[1])),
        "computed anew",
    ),
}


@pytest.mark.parametrize("name", OF_WHAT_WOULD_HOLD)
def test_what_would_hold_is_noticed_when_it_is_broken(monkeypatch, name):
    whole(monkeypatch)
    assert module.text_kernel_ranks(Run()).verdict is Verdict.HOLDS
    change, noticed = OF_WHAT_WOULD_HOLD[name]
    change(monkeypatch)
    found = module.text_kernel_ranks(Run())
    assert found.verdict is Verdict.UNCONFIRMED
    assert any(noticed in check.name for check in found.checks if not check.passed)


def _halved(weights):
    return {
        d: {most: {k: w / 2 for k, w in row.items()} for most, row in tables.items()}
        for d, tables in weights.items()
    }


def test_what_is_recorded():
    data = broken.evidence().data
    assert {(run["kernel"], run["d"]) for run in data["runs"]} == {
        (kernel, d) for kernel in DECLARED["kernels"] for d in DECLARED["head_dims"]
    }
    assert len(data["runs"]) == 12 * 2 * 3
    for d, table in data["tables"].items():
        assert set(table["outcome"]) == set(DECLARED["kernels"])
        assert set(table["ranked"]) == set(DECLARED["predictors"])
        assert table["predictors"]["feature dimension"] == DECLARED["feature_dim"][d]


def test_a_quick_run_is_of_other_seeds(monkeypatch):
    made_runs(monkeypatch)
    constants(text, encoded=lambda: None)(monkeypatch)
    found = module.text_kernel_ranks(Run(seed=1))
    assert found.verdict is Verdict.UNCONFIRMED  # of four kernels no correlation is significant
    assert {run["seed"] for run in found.data["runs"]} == {301}


def test_it_is_skipped_where_the_text_is_missing(monkeypatch):
    def missing():
        raise DataNotFoundError("no data set 'multi30k' in data")

    monkeypatch.setattr(text, "encoded", missing)
    assert module.text_kernel_ranks(Run()).verdict is Verdict.SKIPPED


def test_the_declared_values_are_of_kernels_that_differ():
    assert not set(text_kernels.KERNELS) & set(text.KERNELS)
    assert len(text_kernels.configurations()) == 6 * 2 * 3
    weights, sizes = text.predictors({"capped EDP": text_kernels.KERNELS["capped EDP"]})
    for d in ("2", "16"):
        assert sizes[d] == {"capped EDP": None}
        assert abs(weights[d]["8"]["capped EDP"] / weight("capped EDP", d) - 1) < 2e-3
