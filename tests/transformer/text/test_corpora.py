"""Corpora in local folders: made files are read whole, what is missing is asked for by name."""

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from rkbs.data.gdsc import DataNotFoundError
from rkbs.transformer.text import (
    LabeledText,
    ParallelText,
    Splits,
    load_fairseq,
    load_iwslt14,
    load_multi30k,
    load_sst2,
    load_sst5,
    load_wmt14,
    made_corpus,
)

GERMAN = ["ein hund .", "der mann kauft einen wagen", "ü \u2028 x"]  # no end of a line, for a file
ENGLISH = ["a dog .", "the man buys a car", "u y"]


def write(folder, name, lines, end="\n"):
    folder.mkdir(parents=True, exist_ok=True)
    text = ("\n".join(lines) + end).encode()
    (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def fairseq(folder, source="de", target="en", valid="valid", test="test", end=""):
    for k, part in enumerate(("train", valid, test)):
        write(folder, f"{part}.{source}{end}", GERMAN[k:])
        write(folder, f"{part}.{target}{end}", ENGLISH[k:])
    return folder


def reviews(folder, kind="binary", lines=("1 a joy .", "0 a bore , truly .")):
    for k, part in enumerate(("train", "dev", "test")):
        write(folder, f"stsa.{kind}.{part}", lines[k % 2 :])
    return folder


LOADERS = {
    "sst": (load_sst2, reviews),
    "multi30k": (load_multi30k, lambda f: fairseq(f, "de", "en", "val", "test_2016_flickr", ".gz")),
    "iwslt14.tokenized.de-en": (load_iwslt14, fairseq),
    "wmt14_en_fr": (load_wmt14, lambda f: fairseq(f, "en", "fr")),
}


@pytest.mark.parametrize("name", LOADERS)
def test_folders_are_found_by_the_variable_or_given(name, tmp_path, monkeypatch):
    load, make = LOADERS[name]
    make(tmp_path / name)
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    found = load()
    monkeypatch.setenv("RKBS_DATA", str(tmp_path / "elsewhere"))
    assert found == load(folder=tmp_path / name) == load(folder=str(tmp_path / name))
    assert isinstance(found, Splits)
    if name == "sst":
        assert found.train == LabeledText(("a joy .", "a bore , truly ."), (1, 0))
        assert found.train.sentences == ("a joy .", "a bore , truly .")
        assert (found.train.labels, found.valid.labels, found.test.labels) == ((1, 0), (0,), (1, 0))
    else:
        assert found.train == ParallelText(tuple(GERMAN), tuple(ENGLISH))
        assert found.valid == ParallelText(tuple(GERMAN[1:]), tuple(ENGLISH[1:]))
        assert found.test == ParallelText(tuple(GERMAN[2:]), tuple(ENGLISH[2:]))


@pytest.mark.parametrize("name", LOADERS)
def test_what_is_missing_is_named_with_where_it_was_looked_for(name, tmp_path, monkeypatch):
    load, make = LOADERS[name]
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    with pytest.raises(DataNotFoundError) as caught:
        load()
    said = str(caught.value)
    assert f"no data set {name!r} in {tmp_path / name}" in said
    assert "set RKBS_DATA to the folder that holds" in said
    folder = make(tmp_path / name) or tmp_path / name
    files = sorted(path.name for path in folder.iterdir())
    named = [file for file in files if file in said]
    assert len(named) >= 3  # what to put there
    for file in files:
        kept = (folder / file).read_bytes()
        (folder / file).unlink()
        with pytest.raises(DataNotFoundError, match=r"^no .* in .*RKBS_DATA") as caught:
            load()
        assert f"no {file} in {folder}" in str(caught.value)
        (folder / file).write_bytes(kept)
    load()


def test_five_classes_and_phrases(tmp_path):
    reviews(tmp_path, "fine", ("4 a joy .", "0 a bore ."))
    assert load_sst5(tmp_path).train.labels == (4, 0)
    reviews(tmp_path)
    write(tmp_path, "sst2_phrases.train.tsv.gz", ["label\tsentence", "1\ta joy ", "0\tno"])
    found = load_sst2(tmp_path, phrases=True)
    assert (found.train.sentences, found.train.labels) == (("a joy", "no"), (1, 0))
    assert found.test == load_sst2(tmp_path).test


def test_files_with_and_without_gz_and_with_or_without_a_last_end_of_line(tmp_path):
    fairseq(tmp_path / "zipped", end=".gz")
    fairseq(tmp_path / "plain")
    found = load_fairseq(tmp_path / "zipped", "de", "en")
    assert found == load_fairseq(tmp_path / "plain", "de", "en")
    write(tmp_path / "plain", "train.de", GERMAN, end="")
    assert found == load_fairseq(tmp_path / "plain", "de", "en")
    assert load_fairseq(tmp_path / "plain", "en", "de").train.source == tuple(ENGLISH)


def test_marks_of_subword_nmt_are_undone(tmp_path):
    fairseq(tmp_path)
    write(tmp_path, "test.de", ["ein vor@@ h@@ ang x@y @ z@@"])
    assert load_fairseq(tmp_path, "de", "en").test.source == ("ein vorhang x@y @ z",)


def test_wrong_files_are_named(tmp_path):
    reviews(tmp_path, lines=("1 a joy .", "2 a bore ."))
    with pytest.raises(ValueError, match=r"line 2 of .*binary.train must be a label 0 … 1.*'2 a b"):
        load_sst2(tmp_path)
    reviews(tmp_path, lines=("1 a joy .", "0"))
    with pytest.raises(ValueError, match=r"line 2 of .*got '0'"):
        load_sst2(tmp_path)
    fairseq(tmp_path)
    write(tmp_path, "valid.en", ENGLISH)
    with pytest.raises(ValueError, match=r"valid.de and valid.en in .* as many lines, got 2 and 3"):
        load_fairseq(tmp_path, "de", "en")
    (tmp_path / "train.de").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"train.de must be UTF-8.*byte 0"):
        load_fairseq(tmp_path, "de", "en")
    with pytest.raises(ValueError, match="source must be one of 'de', 'en', 'fr', got 'it'"):
        load_multi30k("it")
    with pytest.raises(TypeError, match="folder must be a path, got 3"):
        load_sst2(3)


def there(name):
    folder = Path(os.environ.get("RKBS_DATA") or "data") / name
    reason = f"needs the data set {name}, which is not in the folder that RKBS_DATA names"
    return pytest.mark.skipif(not folder.is_dir(), reason=reason)


@there("sst")
def test_the_treebank_has_its_sizes():
    two, five = load_sst2(), load_sst5()
    assert [len(part) for part in two] == [6920, 872, 1821]
    assert [len(part) for part in five] == [8544, 1101, 2210]
    # The binary sentences are those that are not neutral: 0, 1 against 3, 4.
    assert [sum(label != 2 for label in part.labels) for part in five] == [6920, 872, 1821]
    signs = Counter(label > 2 for label in five.test.labels if label != 2)
    assert Counter(map(bool, two.test.labels)) == signs
    assert len(load_sst2(phrases=True).train) == 67349


@there("multi30k")
def test_multi30k_has_its_sizes():
    german, french = load_multi30k(), load_multi30k("en", "fr")
    for text in (german, french):
        assert [len(part) for part in text] == [29000, 1014, 1000]
    assert german.train.target == french.train.source
    assert german.train.target[0] == "two young , white males are outside near many bushes ."
    assert all(map(str.strip, (*german.train.source, *french.train.target)))


def test_the_made_language_is_a_function_that_reorders():
    text = made_corpus(1000)
    assert len(set(text.source)) == len(text) == 1000
    assert text == made_corpus(1000) != made_corpus(1000, seed=1)
    assert made_corpus(100).source == text.source[:100]
    assert len({*zip(text.source, text.target, strict=True)}) == 1000
    places = Counter()
    for source, target in zip(text.source, text.target, strict=True):
        verb = {"sehen": "see", "malen": "paint", "suchen": "seek", "kaufen": "buy"}
        assert verb[source.split()[-2]] in target.split()
        places[target.split().index(verb[source.split()[-2]])] += 1
    assert len(places) > 2  # the verb's place is not a constant
    with pytest.raises(ValueError, match="count must be at most 5000"):
        made_corpus(5001)
