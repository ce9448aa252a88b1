"""Tasks whose labels have noise."""

import numpy as np
import pytest

from verify.studies.deep_tasks import counting, recall


def test_counting_counts():
    task = counting(0.0)
    assert len(task.tokens) == 81
    for tokens, p in zip(task.tokens, task.frequencies, strict=True):
        assert p[sum(token == tokens[-1] for token in tokens[:-1])] == 1
    assert task.entropy == 0


def test_recall_recalls():
    task = recall(0.0)
    assert len(task.tokens) == 6 * 9 * 2
    for tokens, p in zip(task.tokens.tolist(), task.frequencies, strict=True):
        assert p[tokens[tokens.index(tokens[-1]) + 1] - 1] == 1


@pytest.mark.parametrize("make", [counting, recall])
def test_noise_is_spread_over_the_labels_that_there_are(make):
    task, clean = make(0.3), make(0.0)
    np.testing.assert_allclose(task.frequencies.sum(1), 1)
    np.testing.assert_array_equal(task.frequencies.argmax(1), clean.frequencies.argmax(1))
    p = np.unique(task.frequencies[0][task.frequencies[0] > 0])
    assert task.entropy == pytest.approx(-sum(x * np.log(x) for x in task.frequencies[0] if x > 0))
    assert len(p) == 2


def test_some_examples_are_those_of_their_rows():
    task = counting(0.1).some(np.array([3, 5]))
    assert task.tokens.shape == (2, 4)
    assert task.classes == 4
