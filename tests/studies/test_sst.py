"""The study on film reviews: what was declared, that runs are pairs, and its baselines."""

import numpy as np
import pytest
from optional import module, torch

from rkbs.data.gdsc import DataNotFoundError
from verify.studies import sst as study
from verify.studies.declared import digest
from verify.studies.findings import Runs, soundness
from verify.studies.sst import DECLARED, FINE, baselines, configurations, pilots, unpacked, work

transformer = module("rkbs.transformer")

GOOD, BAD = ("a joy", "so good", "fine fun", "a gem"), ("a bore", "so bad", "poor stuff", "a mess")
TEXT = [
    (f"{one} {two} .", int(side is GOOD)) for side in (GOOD, BAD) for one in side for two in side
]


@pytest.fixture
def reviews(monkeypatch, tmp_path):
    """Made reviews of two classes, and of five of which two occur, that are quick to learn."""
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    folder = tmp_path / "sst"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for kind in ("binary", "fine"):
        for part, count in (("train", 64), ("dev", 20), ("test", 30)):
            rows = [TEXT[k] for k in rng.integers(len(TEXT), size=count)]
            lines = "".join(f"{label} {sentence}\n" for sentence, label in rows)
            (folder / f"stsa.{kind}.{part}").write_text(lines)
    for block in (DECLARED, FINE):
        monkeypatch.setitem(block, "vocab", 60)
        monkeypatch.setitem(block, "model", DECLARED["model"] | {"d_model": 16, "dropout": 0.0})
        monkeypatch.setitem(block, "batch", 8)
        monkeypatch.setitem(block, "recipe", DECLARED["recipe"] | {"warmup": 5, "lr": 1e-2})
    clear()
    yield folder
    clear()


def clear(cached=(study.encoded, study.baselines)):
    for function in cached:
        function.cache_clear()


def test_the_hash_is_of_everything_that_was_declared(monkeypatch):
    before = digest(DECLARED)
    assert digest(FINE) != before
    for name, other in (("margin", 1.1), ("seeds", [0]), ("recipe", {}), ("equivalences", [])):
        monkeypatch.setitem(DECLARED, name, other)
        assert digest(DECLARED) != before
        monkeypatch.undo()


def test_configurations_are_all_that_was_declared_and_pilots_have_other_seeds():
    cells = configurations()
    assert (
        len({(c["kernel"], c["seed"]) for c in cells}) == len(cells) == 2 * len(DECLARED["seeds"])
    )
    assert {c["task"] for c in cells} == {"SST-2"}
    assert {c["task"] for c in configurations(FINE)} == {"SST-5"}
    assert configurations(seeds=[7], steps=3)[0] == {
        "task": "SST-2", "kernel": "EDP", "d": 16, "seed": 7, "steps": 3
    }  # fmt: skip
    assert [c["seed"] for c in pilots()] == [100, 100, 101, 101]
    assert all(cell["steps"] is None for cell in pilots())
    assert not set(DECLARED["pilot_seeds"]) & set(DECLARED["seeds"])


def test_runs_of_a_seed_are_pairs_and_repeat(reviews):
    torch.zeros(1)  # skipped where it is not installed
    cells = configurations(seeds=[0])
    results = [work(cell, "cpu") for cell in cells]
    assert results[0] == work(cells[0], "cpu")
    runs = Runs(DECLARED, cells, results)
    assert all(check.passed for check in soundness(runs, "sentences"))
    assert {result["outcome"] for result in results} == {0.0}  # learned
    assert results[0]["attended"] < 0.99 < 1 == pytest.approx(results[1]["attended"])
    assert {result["judged"] for result in results} == {30}
    assert not work(cells[0] | {"steps": 1}, "cpu")["complete"]
    assert work(configurations(FINE)[0] | {"steps": 2}, "cpu")["declared"] == digest(FINE)


def test_mistakes_are_those_of_the_model(reviews):
    made = study.encoded("SST-2")
    config = transformer.TransformerConfig(vocab=made.vocab, d_model=8, heads=2)
    model = transformer.EncoderClassifier(config, 2)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 1.0]))  # always the second class
    wrong = study.mistakes(model, made)
    assert wrong.tolist() == [label == 0 for label in made.truth]
    judged = transformer.Batches({"tokens": made.judged, "labels": made.truth}, 7)
    assert transformer.accuracy(model, judged) == pytest.approx(1 - wrong.mean())
    packed = {"wrong": np.packbits(wrong).tobytes().hex(), "judged": len(wrong)}
    assert unpacked(packed).tolist() == wrong.tolist()


def test_shuffled_labels_teach_nothing(reviews, monkeypatch):
    """The path that a sabotage of the claim takes: encoded sentences with the labels of others."""
    torch.zeros(1)
    made = study.encoded("SST-2")
    labels = np.random.default_rng(0).permutation(made.labels).tolist()
    shuffled = study.Reviews(made.rows, labels, made.judged, made.truth, made.vocab)
    monkeypatch.setattr(study, "encoded", lambda task: shuffled)
    assert work(configurations(seeds=[0])[0], "cpu")["outcome"] > 20


def test_baselines_know_words_and_the_most_frequent_class(reviews):
    found = baselines("SST-2")
    truth = study.loaded("SST-2").test.labels
    most = max((0, 1), key=study.loaded("SST-2").train.labels.count)
    assert found["majority"] == pytest.approx(100 * sum(label != most for label in truth) / 30)
    assert found["words"] == 0.0
    assert set(baselines("SST-5")) == {"majority", "words"}


def test_without_the_data_it_says_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    clear()
    with pytest.raises(DataNotFoundError, match=r"no data set 'sst' in .*RKBS_DATA"):
        baselines("SST-2")
