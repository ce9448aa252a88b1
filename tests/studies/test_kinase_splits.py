"""What the splits of the kinase data leave out, by counting."""

import numpy as np
import pytest
from kinase_helpers import made

from verify.studies.kinase_splits import (
    COLD,
    INNER,
    KNOWN,
    PARTS,
    cold,
    deepdta,
    digest,
    grid_of,
    inner,
    shared,
    similarities,
)

NEW = {"new drugs": ("drugs",), "new targets": ("sequences",), "both new": ("drugs", "sequences")}


def test_the_test_list_is_predicted_and_the_five_parts_are_to_choose_by():
    data = made()
    split, fold = deepdta(data), data.fold.ravel()
    assert np.array_equal(split.cut.test, fold == -1)
    assert np.array_equal(split.cut.train, fold >= 0)
    cuts = inner(data, split)
    assert len(cuts) == 5
    for k, cut in enumerate(cuts):
        assert np.array_equal(cut.test, fold == k)
        assert np.array_equal(cut.train, (fold >= 0) & (fold != k))
    again = inner(data, split, cuts[2].train)
    assert [cut.test.sum() for cut in again] == [(fold == k).sum() for k in (0, 1, 3, 4)]


@pytest.mark.parametrize("setting", COLD)
def test_nothing_new_is_fitted(setting):
    data = made()
    for seed in range(3):
        split = cold(data, setting, seed)
        found = shared(data, split.cut)
        assert found["pairs"] == 0
        assert all(found[kind] == 0 for kind in NEW[setting])
        assert all(found[kind] > 0 for kind in {"drugs", "sequences"} - set(NEW[setting]))
        assert split.cut.test.any()
    drawn = {cold(data, setting, seed).cut.test.tobytes() for seed in range(4)}
    assert len(drawn) == 4
    assert cold(data, setting, 1).cut.test.tobytes() in drawn


def test_a_fifth_is_left_out():
    data = made()
    drugs, sequences = 15 / PARTS, 20 / PARTS
    tested = {name: cold(data, name, 0).cut.test.reshape(data.z.shape) for name in COLD}
    assert tested["new drugs"].any(1).sum() == drugs
    columns = tested["both new"].any(0)
    assert len(np.unique(data.target_groups[columns])) == sequences
    assert tested["both new"].sum() == drugs * columns.sum()


@pytest.mark.parametrize("setting", COLD)
def test_inner_cuts_are_of_the_same_kind_and_test_each_training_pair_once(setting):
    data = made()
    split = cold(data, setting, 0)
    for within in (None, inner(data, split)[0].train):
        whole = split.cut.train if within is None else within
        cuts = inner(data, split, within)
        assert len(cuts) == (INNER**2 if setting == "both new" else INNER)
        assert np.array_equal(sum(cut.test.astype(int) for cut in cuts), whole)
        for cut in cuts:
            assert not (cut.train & ~whole).any()
            assert all(shared(data, cut)[kind] == 0 for kind in NEW[setting])


def test_what_is_shared_is_counted():
    data = made()
    cut = deepdta(data).cut
    held = cut.test.reshape(data.z.shape)
    targets = np.flatnonzero(held.any(0))
    sequences = {j - 20 if j >= 20 else j for j in targets.tolist()}  # the last four are the first
    told = {"pairs": 0, "drugs": held.any(1).sum(), "sequences": len(sequences)}
    assert shared(data, cut) == told
    assert len(sequences) < len(targets)
    one = cut._replace(train=cut.train | (np.cumsum(cut.test) == 1))
    assert shared(data, one)["pairs"] == 1
    first = np.arange(data.z.size) % 24 == 0  # a target, and another of its sequence
    twin = cut._replace(train=first, test=np.roll(first, 20))
    assert shared(data, twin) == {"pairs": 0, "drugs": 15, "sequences": 1}


def test_similarities_of_targets_are_of_unit_length():
    data = made()
    drugs, targets = similarities(data)
    assert np.array_equal(drugs, data.drug_similarity)
    assert np.abs(np.diag(targets) - 1).max() < 1e-15
    a, b, S = 3, 17, data.target_similarity
    assert targets[a, b] == pytest.approx(S[a, b] / np.sqrt(S[a, a] * S[b, b]))
    assert len(grid_of(data)) == data.z.size


def test_a_digest_is_of_the_data_and_of_the_split():
    data = made()
    split = cold(data, "new drugs", 0)
    assert digest(data, split) == digest(made(), cold(made(), "new drugs", 0))
    others = {
        digest(data, split),
        digest(made(noise=0.3), split),
        digest(data, cold(data, "new drugs", 1)),
        digest(data, deepdta(data)),
        digest(data, split._replace(cut=split.cut._replace(train=split.cut.train & False))),
    }
    assert len(others) == 5
    assert deepdta(data).setting == KNOWN
