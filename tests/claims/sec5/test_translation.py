"""sec5.translation: its verdict on made outcomes of the declared runs, and what changes it."""

from functools import partial

import numpy as np
import pytest
from sabotage import Subject, is_noticed, missed
from sabotage.patches import constants, results_with, returned, several

from rkbs.data.gdsc import DataNotFoundError
from rkbs.kernels import L2Distance, Quadratic
from verify.claims.sec5 import translation as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import translation as study
from verify.studies.declared import digest
from verify.studies.translation import BLOCKS, DECLARED, LONG

UNIGRAM = 5.4
EXCESS = {"EDP": 0.0, "uniform": 0.4, "T2": 0.05, "quadratic": 0.01, "L2": 0.2}


def made(cell):
    """What a run might give: 3.2, the kernel's excess, a part that a seed's runs share, noise."""
    kernel, d, seed = cell["kernel"], cell["d"], cell["seed"]
    shared = 0.4 * (seed % 3 - 1)
    noise = np.random.default_rng([seed, d, sorted(EXCESS).index(kernel)]).normal(0, 0.002)
    nll = 3.2 + EXCESS[kernel] + shared + noise
    found = {
        "declared": digest(BLOCKS[cell["block"]]),
        "complete": cell["block"] != "slice",
        "outcome": nll,
        "nll": nll,
        "saved": 0.5,
        "judged": 1000,
        "batches": f"{seed}",
        "curve": [5.0, 4.0],
        **dict.fromkeys(("encoder", "decoder", "cross"), 1.0 if kernel == "uniform" else 0.6),
    }
    bleu = 50 - 10 * nll
    return found | ({"bleu": bleu, "outcome": 100 - bleu} if cell["block"] == "long" else {})


def swept(run, work, cells, name):
    return [made(cell) for cell in cells]


made_runs = constants(
    module, sweep=swept, encoded=lambda block: None, unigram_nll=lambda block: UNIGRAM
)
in_full = several(made_runs, constants(Run, pick=lambda self, quick, full: full))


results = partial(results_with, module)
"""What runs gave, changed where a function of a cell and its result has something to say."""


def of(kernel, change, **where):
    """The results of a kernel's runs, changed."""
    where = {"kernel": kernel, **where}
    return results(lambda c, r: change(c, r) if where.items() <= c.items() else None)


def swapped(*two):
    """The outcomes of two kernels under each other's names."""
    other = dict(zip(two, reversed(two), strict=True))
    return results(
        lambda c, r: {
            "outcome": made(c | {"kernel": other.get(c["kernel"], c["kernel"])})["outcome"]
        }
    )


def shifted(amount):
    return lambda c, r: {"outcome": r["outcome"] + amount}


def shuffled_words(corpus):
    """Pairs with the target's words in another order, those that are judged, too."""
    rng = np.random.default_rng(0)
    mixed = {
        side: [[row[0], *rng.permutation(row[1:]).tolist()] for row in getattr(corpus, side)]
        for side in ("target", "references")
    }
    return study.Corpus(**{**vars(corpus), **mixed})


broken = Subject("sec5.translation", in_full)
retrained = Subject("sec5.translation", kind="slow")
SABOTAGES = [
    broken("L2 and quadratic swapped under their names", swapped("L2", "quadratic"), noticed="L2"),
    broken("EDP and uniform swapped under their names", swapped("EDP", "uniform"), noticed="EDP"),
    broken(
        "batches of T2 are others",
        of("T2", lambda c, r: {"batches": f"T2, {r['batches']}"}),
        noticed="different batches",
    ),
    broken(
        "seeds of the quadratic kernel exchanged, their batches told as if they were not",
        of(
            "quadratic",
            lambda c, r: {"outcome": made(c | {"seed": (c["seed"] + 1) % 3})["outcome"]},
        ),
        noticed="p, by Holm",
    ),
    broken(
        "references shuffled: all as bad as frequencies",
        results(lambda c, r: {"nll": UNIGRAM + 0.1}),
        noticed="frequencies",
    ),
    broken(
        "sources that say nothing",
        of("uniform", lambda c, r: {"saved": -0.001}),
        noticed="another source",
    ),
    broken("T2 shifted by −0.1", of("T2", shifted(-0.1)), noticed="T2 − EDP, d = 2"),
    broken("EDP shifted by 0.5 at d = 2", of("EDP", shifted(0.5), d=2), noticed="d = 2"),
    broken(
        "a run of another declaration",
        of("L2", lambda c, r: {"declared": "another"}, seed=2, d=16),
        noticed="another declaration",
    ),
    broken(
        "a run cut short",
        of("L2", lambda c, r: {"complete": False}, seed=2, d=16),
        noticed="another length",
    ),
    broken("L2 judged on fewer tokens", of("L2", lambda c, r: {"judged": 999}), noticed="judged"),
    retrained(
        "L2 and quadratic swapped in training",
        constants(study, KERNELS=study.KERNELS | {"L2": Quadratic(), "quadratic": L2Distance()}),
        noticed="L2 − quadratic",
    ),
    retrained(
        "next words shuffled in training",
        returned(study, "encoded", shuffled_words),
        noticed="frequencies",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def test_every_declared_hypothesis_is_judged():
    data = broken.evidence().data
    rows = data["hypotheses"]
    assert len(rows) == len(DECLARED["differences"])
    assert {row["verdict"] for row in rows} <= {"holds", "reversed", "undecided"}
    assert len(data["runs"]) == 30
    assert {run["declared"] for run in data["runs"]} == {digest(DECLARED)} == {data["declared"]}
    assert set(data["rank_correlations"]) == set(data["ahead"]) == {"2", "16"}
    cross = {row["kernel"]: row["cross"] for row in data["kernels"]}
    assert cross["uniform"] == 1.0 > cross["EDP"] == pytest.approx(0.6)


def test_a_slice_has_a_sign_in_each_run_and_no_hypothesis(monkeypatch):
    made_runs(monkeypatch)
    found = module.translation(Run(seed=1))
    assert found.verdict is Verdict.HOLDS_IF, missed(found)
    assert found.data["hypotheses"] == []
    assert {run["seed"] for run in found.data["runs"]} == {201}
    swapped("L2", "quadratic")(monkeypatch)
    assert module.translation(Run()).verdict is Verdict.UNCONFIRMED


def test_on_a_device_the_longer_runs_are_judged_by_bleu(monkeypatch):
    made_runs(monkeypatch)
    found = module.translation(Run("full", device="cuda"))
    assert found.verdict is Verdict.HOLDS_IF, missed(found)
    assert found.data["declared"] == digest(LONG)
    assert found.data["measure"] == "100 − BLEU"
    first = found.data["kernels"][0]
    assert first["outcome"] == pytest.approx(100 - first["bleu"])
    assert module.block_of(Run(device="cuda")) == "slice"


def test_it_is_skipped_where_the_corpus_is_missing(monkeypatch):
    def missing(block):
        raise DataNotFoundError("no data set 'multi30k' in data")

    monkeypatch.setattr(module, "encoded", missing)
    found = module.translation(Run())
    assert found.verdict is Verdict.SKIPPED
    assert "multi30k" in found.skipped
