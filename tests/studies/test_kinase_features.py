"""No response is among the features of its own pair."""

import numpy as np
import pytest
from kinase_helpers import made

from verify.studies.kinase_features import features_of, means
from verify.studies.kinase_splits import COLD, KNOWN, cold, deepdta, inner


def split_of(data, setting):
    return deepdta(data) if setting == KNOWN else cold(data, setting, 0)


def changed(data, number):
    """The data with another response of one pair."""
    z = data.z.copy()
    z.flat[number] += 100
    return type(data)(z, data.drug_similarity, data.target_similarity, data.fold)


@pytest.mark.parametrize("setting", [KNOWN, *COLD])
def test_features_of_a_pair_do_not_change_with_its_response(setting):
    data = made()
    split = split_of(data, setting)
    trained, tested = np.flatnonzero(split.cut.train), np.flatnonzero(split.cut.test)
    for cut in (split.cut, inner(data, split)[0]):
        before = features_of(data, split, cut)
        number = np.flatnonzero(cut.train)[7]
        after = features_of(changed(data, number), split, cut)
        row = np.flatnonzero(np.flatnonzero(cut.train) == number)
        assert np.array_equal(before[0][row], after[0][row], equal_nan=True)
    before = features_of(data, split, split.cut)
    after = features_of(changed(data, tested[3]), split, split.cut)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))
    assert [len(part) for part in before] == [len(trained), len(tested)]


@pytest.mark.parametrize(
    ("setting", "known"),
    [(KNOWN, (1, 1)), ("new drugs", (0, 1)), ("new targets", (1, 0)), ("both new", (0, 0))],
)
def test_means_are_told_where_they_are_known(setting, known):
    data = made()
    split = split_of(data, setting)
    train, test = features_of(data, split, split.cut)
    for part in (train, test):
        assert np.isfinite(part[:, -2:]).all(0).tolist() == [bool(k) for k in known]
    numbers = np.flatnonzero(split.cut.test)
    i, j = numbers[0] // 24, numbers[0] % 24
    seen = split.cut.train.reshape(data.z.shape)
    expected = [data.z[i][seen[i]], data.z[:, j][seen[:, j]]]
    for value, responses in zip(test[0, -2:], expected, strict=True):
        assert np.isnan(value) if len(responses) == 0 else value == np.float32(responses.mean())


def test_similarities_are_to_training_objects():
    data = made()
    split = cold(data, "both new", 0)
    train, test = features_of(data, split, split.cut)
    seen = split.cut.train.reshape(data.z.shape)
    drugs, targets = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert train.shape[1] == test.shape[1] == len(drugs) + len(targets) + 2
    i = np.flatnonzero(split.cut.test)[0] // 24
    assert np.array_equal(test[0, : len(drugs)], data.drug_similarity[i, drugs].astype(np.float32))


def test_means_by_hand():
    z = np.array([[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]])
    found = means(z, np.array([True, False, True, False, True, False]))
    nan = np.nan
    assert np.array_equal(found[:, 0], [2, 2, 2, 7, 7, 7])
    assert np.array_equal(found[:, 1], [1, 7, 3, 1, 7, 3])
    assert np.array_equal(means(z, np.full(6, False)), np.full((6, 2), nan), equal_nan=True)
