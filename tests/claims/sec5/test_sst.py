"""sec5.sst: its verdict on made outcomes of the declared runs, and what changes it."""

from functools import partial

import numpy as np
import pytest
from sabotage import Subject, is_noticed, missed
from sabotage.patches import constants, results_with, returned, several

from rkbs.data.gdsc import DataNotFoundError
from verify.claims.sec5 import sst as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run
from verify.studies import sst as study
from verify.studies.declared import digest
from verify.studies.sst import DECLARED, TASKS, unpacked

SENTENCES = 500
BASELINES = {"SST-2": {"majority": 50.0, "words": 20.0}, "SST-5": {"majority": 70.0, "words": 58.0}}
LEVELS = {"SST-2": 100, "SST-5": 280}
"""Errors, of as many sentences: 20 and 56 %."""


def made(cell, excess=0):
    """What a run might give: mistakes at a level, some that a seed's runs share, and few more.

    Uniform attention makes ``excess`` more of 500.
    """
    kernel, seed = cell["kernel"], cell["seed"]
    noise = np.random.default_rng([seed, len(kernel)]).integers(0, 2)
    shared = np.random.default_rng(seed).integers(0, 10)
    count = LEVELS[cell["task"]] + shared + noise + (excess if kernel == "uniform" else 0)
    wrong = np.arange(SENTENCES) < count
    return {
        "declared": digest(TASKS[cell["task"]]),
        "complete": cell["steps"] is None,
        "outcome": 100 * float(wrong.mean()),
        "judged": SENTENCES,
        "wrong": np.packbits(wrong).tobytes().hex(),
        "batches": f"{cell['task']} {seed}",
        "curve": [0.7, 0.5],
        "attended": 1.0 if kernel == "uniform" else 0.7,
    }


def runs_with(excess=0):
    """Made runs where uniform attention makes so many more errors, a fifth of a point each."""
    return constants(
        module,
        sweep=lambda run, work, cells, name: [made(cell, excess) for cell in cells],
        baselines=lambda task: BASELINES[task],
    )


whole = constants(Run, pick=lambda self, quick, full: full)
in_full = several(runs_with(3), whole)


results = partial(results_with, module)
"""What runs gave, changed where a function of a cell and its result has something to say."""


def of(kernel, change, **where):
    """The results of a kernel's runs, changed."""
    where = {"kernel": kernel, **where}
    return results(lambda c, r: change(c, r) if where.items() <= c.items() else None)


def swapped(c, r):
    """The result of the other kernel."""
    return made(c | {"kernel": {"EDP": "uniform", "uniform": "EDP"}[c["kernel"]]}, 3)


def shuffled(reviews):
    """The sentences, trained on with the labels of others."""
    labels = np.random.default_rng(0).permutation(reviews.labels).tolist()
    return study.Reviews(**{**vars(reviews), "labels": labels})


def widely(c, r):
    """The outcome with noise of two points."""
    noise = np.random.default_rng([7, c["seed"], len(c["kernel"])]).normal(0, 2)
    return {"outcome": r["outcome"] + noise}


broken = Subject("sec5.sst", in_full)
retrained = Subject("sec5.sst", kind="slow")
SABOTAGES = [
    broken("kernels swapped under their names", results(swapped), noticed="leaves out"),
    broken(
        "batches of EDP are others",
        of("EDP", lambda c, r: {"batches": f"EDP, {r['batches']}"}),
        noticed="SST-2: seeds of which kernels saw different batches",
    ),
    broken(
        "batches of EDP are others, in the told SST-5 alone",
        of("EDP", lambda c, r: {"batches": "others"}, task="SST-5", seed=2),
        noticed="SST-5: seeds of which kernels saw different batches",
    ),
    broken(
        "labels shuffled: all as bad as the most frequent class",
        results(lambda c, r: {"outcome": BASELINES[c["task"]]["majority"] - r["outcome"] / 20}),
        noticed="most frequent class",
    ),
    broken("errors of other sentences, unpaired", results(widely), noticed="uniform − EDP"),
    broken(
        "EDP that is uniform attention",
        of("EDP", lambda c, r: {"attended": 1.0}),
        noticed="keys that EDP leaves out",
    ),
    broken(
        "a run of another declaration",
        of("EDP", lambda c, r: {"declared": "another"}, seed=2),
        noticed="another declaration",
    ),
    broken(
        "a run cut short", of("EDP", lambda c, r: {"complete": False}, seed=2), noticed="length"
    ),
    broken("EDP judged on fewer", of("EDP", lambda c, r: {"judged": 499}), noticed="judged"),
    retrained(
        "kernels swapped in training",
        constants(
            study, KERNELS=dict(zip(study.KERNELS, reversed(study.KERNELS.values()), strict=True))
        ),
        noticed="leaves out",
    ),
    retrained(
        "labels shuffled in training",
        returned(study, "encoded", shuffled),
        noticed="most frequent class",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize(
    ("excess", "verdict"),
    [
        (15, Verdict.HOLDS),  # three points more
        (-15, Verdict.FAILS),
        (0, Verdict.FAILS),  # equivalent
        (5, Verdict.HOLDS),  # a point: significant, and not equivalent
    ],
)
def test_it_comes_out_either_way(monkeypatch, excess, verdict):
    whole(monkeypatch)
    runs_with(excess)(monkeypatch)
    found = module.sst(Run())
    assert found.verdict is verdict, missed(found)
    kinds = {row["kind"]: row["verdict"] for row in found.data["tasks"]["SST-2"]["hypotheses"]}
    expected = {15: "holds", -15: "reversed", 0: "undecided", 5: "holds"}[excess]
    assert kinds["differences"] == expected
    assert kinds["equivalences"] == {0: "holds", 5: "undecided"}.get(excess, "different")


def test_without_power_it_is_open(monkeypatch):
    whole(monkeypatch)
    runs_with()(monkeypatch)
    of("EDP", lambda c, r: {"outcome": r["outcome"] + 8 * (c["seed"] == 100)})(monkeypatch)
    found = module.sst(Run())
    assert found.verdict is Verdict.UNCONFIRMED
    rows = found.data["tasks"]["SST-2"]["hypotheses"]
    assert [row["verdict"] for row in rows] == ["undecided"] * 2
    assert rows[1]["power"] < DECLARED["power"]


def test_everything_is_told():
    data = broken.evidence().data
    assert len(data["runs"]) == 2 * (len(DECLARED["seeds"]) + 2 + 3)
    assert set(data["tasks"]) == {"SST-2", "SST-5"}
    assert [row["kind"] for row in data["tasks"]["SST-5"]["hypotheses"]] == ["differences"]
    for task, told in data["tasks"].items():
        assert (told["words"], told["majority"]) == (
            BASELINES[task]["words"],
            BASELINES[task]["majority"],
        )
        errors = {row["kernel"]: row for row in told["kernels"]}
        assert errors["EDP"]["mean"] == pytest.approx(np.mean(errors["EDP"]["errors"]))
        low, high = told["over_sentences"]
        assert low < errors["uniform"]["mean"] - errors["EDP"]["mean"] < high


def test_over_sentences_by_hand():
    cells = study.configurations(seeds=[0, 1])
    results = [made(cell, 5) for cell in cells]
    each = [
        50 * sum(sign * unpacked(r)[k] for sign, r in zip((-1, 1, -1, 1), results, strict=True))
        for k in range(SENTENCES)
    ]
    half = 1.9647 * np.std(each, ddof=1) / np.sqrt(SENTENCES)
    expected = (np.mean(each) - half, np.mean(each) + half)
    assert module.over_sentences(module.Runs(DECLARED, cells, results)) == pytest.approx(
        expected, rel=1e-3
    )


@pytest.mark.parametrize(("excess", "verdict"), [(0, Verdict.HOLDS), (-15, Verdict.FAILS)])
def test_a_quick_run_says_whether_edp_is_worse_by_more_than_chance(monkeypatch, excess, verdict):
    runs_with(excess)(monkeypatch)
    found = module.sst(Run(seed=1))
    assert found.verdict is verdict, missed(found)
    assert found.data["tasks"]["SST-2"]["hypotheses"] == []
    seeds = {run["seed"] for run in found.data["runs"]}
    assert seeds == {201}
    assert not seeds & {*DECLARED["seeds"], *DECLARED["pilot_seeds"]}


def test_it_is_skipped_where_the_treebank_is_missing(monkeypatch):
    def missing(task):
        raise DataNotFoundError("no data set 'sst' in data")

    monkeypatch.setattr(module, "baselines", missing)
    found = module.sst(Run())
    assert found.verdict is Verdict.SKIPPED
    assert "sst" in found.skipped


def test_the_finding_is_what_the_record_says():
    record = load_record("sec5.sst", REFERENCE)
    if record is None or record.verdict is not Verdict.HOLDS:
        pytest.skip("no record of the finding")
    told = record.evidence.data["tasks"]["SST-2"]
    (difference,) = (row for row in told["hypotheses"] if row["kind"] == "differences")
    assert 0 < difference["interval"][0] < difference["interval"][1] < 1
    assert told["words"] < min(row["mean"] for row in told["kernels"])
