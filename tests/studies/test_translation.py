"""The study on translation: what was declared, pairs, the source's share of it, and BLEU."""

import gzip

import numpy as np
import pytest
from optional import module, torch

from rkbs.data.gdsc import DataNotFoundError
from verify.studies import text
from verify.studies import translation as study
from verify.studies.declared import digest
from verify.studies.findings import Runs, soundness
from verify.studies.translation import (
    BLOCKS,
    DECLARED,
    LONG,
    SLICE,
    configurations,
    unigram_nll,
    work,
)

made = module("rkbs.transformer.text.made")
SMALL = {"d_model": 32, "heads": 2, "layers": 1, "context": 24, "dropout": 0.0}


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    """The made German in Multi30k's files, and blocks small enough for it."""
    pairs = made.made_corpus(220)
    folder = tmp_path / "multi30k"
    folder.mkdir()
    for part, at in (
        ("train", slice(200)),
        ("val", slice(200, 215)),
        ("test_2016_flickr", slice(9)),
    ):
        for end, side in (("de", pairs.source), ("en", pairs.target)):
            (folder / f"{part}.{end}.gz").write_bytes(gzip.compress("\n".join(side[at]).encode()))
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    recipe = DECLARED["recipe"] | {"warmup": 10}
    small = {"vocab": 150, "model": SMALL, "batch": 20, "recipe": recipe, "attended": 3}
    for block in BLOCKS.values():
        for name, entry in small.items():
            monkeypatch.setitem(block, name, entry)
    monkeypatch.setitem(SLICE, "sentences", 40)
    monkeypatch.setitem(SLICE, "held_out", 5)
    monkeypatch.setitem(LONG, "longest", 20)
    clear()
    yield pairs
    clear()


def clear(cached=study.encoded):
    cached.cache_clear()


def test_what_was_declared_is_complete_and_of_its_own_digest():
    assert len({digest(block) for block in BLOCKS.values()}) == len(BLOCKS)
    cells = configurations()
    assert len({(c["kernel"], c["d"], c["seed"]) for c in cells}) == len(cells) == 30
    named = {name for *two, _ in DECLARED["differences"] for name in two}
    assert named == set(DECLARED["kernels"]) == set(study.KERNELS)
    others = {cell["seed"] for run in range(3) for cell in configurations("slice", first=run)}
    assert not others & set(DECLARED["seeds"])
    for name in ("self_weight", "feature_dim"):  # as of the language models
        for d in ("2", "16"):
            table, whole = DECLARED[name][d], text.DECLARED[name][d]
            rows = table.values() if name == "self_weight" else [table]
            known = whole.values() if name == "self_weight" else [whole]
            for row, everything in zip(rows, known, strict=True):
                assert row == {kernel: everything[kernel] for kernel in DECLARED["kernels"]}


def test_runs_of_a_seed_are_pairs_and_repeat(corpus):
    torch.zeros(1)  # skipped where it is not installed
    cells = [cell for cell in configurations() if cell["seed"] == 0 and cell["d"] == 16][:2]
    results = [work(cell, "cpu") for cell in cells]
    assert results[0] == work(cells[0], "cpu")
    assert all(check.passed for check in soundness(Runs(DECLARED, cells, results), "tokens"))
    assert results[0]["outcome"] == results[0]["nll"] != results[1]["nll"]
    assert "bleu" not in results[0]
    judged = study.encoded("declared").references
    assert results[0]["judged"] == sum(len(row) - 1 for row in judged)
    assert all(0 < results[0][part] <= 1.001 for part in ("encoder", "decoder", "cross"))


def test_a_slice_is_no_declared_run(corpus):
    torch.zeros(1)
    (cell,) = [c for c in configurations("slice", first=1) if c["kernel"] == "uniform"]
    result = work(cell, "cpu")
    assert (cell["seed"], result["complete"], result["declared"]) == (201, False, digest(SLICE))
    assert result["judged"] == sum(len(row) - 1 for row in study.encoded("slice").references)
    assert len(study.encoded("slice").source) == 40
    assert result["cross"] == pytest.approx(1.0)


def test_on_a_device_runs_are_longer_and_judged_by_bleu(corpus, monkeypatch):
    """The path that a GPU takes, at a size for a CPU: the made language is learned.

    With sources of other sentences in training, nothing of the source is.
    """
    torch.zeros(1)
    monkeypatch.setitem(LONG, "epochs", 16)
    cell = {"block": "long", "kernel": "EDP", "d": 16, "seed": 0}
    assert cell in configurations("long")
    result, right = work(cell, "cpu"), study.encoded("long")
    assert result["outcome"] == 100 - result["bleu"]
    assert result["bleu"] > 40  # of sentences that were not trained on
    assert result["saved"] > 1
    assert result["nll"] < unigram_nll("long")
    assert result["declared"] == digest(LONG)
    others = study.Corpus(**{**vars(right), "source": [*right.source[7:], *right.source[:7]]})
    monkeypatch.setattr(study, "encoded", lambda block: others)
    monkeypatch.setattr(study, "score", lambda *_: 0.0)
    assert abs(work(cell, "cpu")["saved"]) < 0.1


def test_unigrams_by_hand(corpus):
    found = study.encoded("declared")
    counts = np.ones(len(found.bpe))
    for row in found.target:
        for token in row[1:]:
            counts[token] += 1
    judged = [token for row in found.references for token in row[1:]]
    assert unigram_nll() == pytest.approx(-np.mean(np.log(counts / counts.sum())[judged]))


def test_without_the_data_it_says_where_it_was_looked_for(monkeypatch, tmp_path):
    torch.zeros(1)
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    clear()
    with pytest.raises(DataNotFoundError, match=r"no data set 'multi30k' in .*RKBS_DATA"):
        study.encoded("slice")
