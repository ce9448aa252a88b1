"""Batches: everything once an epoch, in an order that a seed fixes."""

import numpy as np
import pytest
import torch
from transformer_helpers import sentences

from rkbs.transformer import Batches

ROWS = [[k + 1] * (1 + k % 7) for k in range(50)]  # each tells which it is
LABELS = list(range(50))


def seen(batches, steps):
    return [batches.at(step) for step in steps]


def test_each_epoch_has_everything_once():
    batches = Batches({"tokens": ROWS, "labels": LABELS}, 8, seed=3)
    assert len(batches) == 7
    for epoch in range(3):
        found = seen(batches, range(7 * epoch, 7 * epoch + 7))
        assert sorted(torch.cat([b["labels"] for b in found]).tolist()) == LABELS
        for batch in found:
            for row, label in zip(batch["tokens"].tolist(), batch["labels"].tolist(), strict=True):
                mine = ROWS[label]
                assert row == mine + [0] * (len(row) - len(mine))  # padding is at the right
            longest = max(len(ROWS[label]) for label in batch["labels"].tolist())
            assert batch["tokens"].shape == (len(batch["labels"]), longest)


def test_the_order_is_the_seeds():
    made = [Batches({"tokens": ROWS}, 8, seed=seed) for seed in (0, 0, 1)]
    orders = [[b["tokens"].tolist() for b in seen(batches, range(14))] for batches in made]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][:7] != orders[0][7:]  # epochs differ
    # From the middle, as a run that goes on does.
    assert Batches({"tokens": ROWS}, 8).at(11)["tokens"].tolist() == orders[0][11]


def test_lengths_are_alike_in_a_batch_and_batches_are_not_sorted():
    rng = np.random.default_rng(0)
    rows = [[1] * n for n in rng.integers(1, 60, 400)]
    widths = [b["tokens"].shape[1] for b in Batches({"tokens": rows}, 10)]
    cells = sum(10 * width for width in widths)
    assert cells < 1.1 * sum(map(len, rows))
    assert widths != sorted(widths)
    plain = sum(b["tokens"].numel() for b in Batches({"tokens": rows}, 10, shuffle=False))
    assert plain > 1.5 * cells


def test_without_shuffling_the_order_is_kept():
    batches = Batches({"tokens": ROWS, "labels": LABELS}, 8, shuffle=False, pad=99)
    for epoch in range(2):
        found = seen(batches, range(7 * epoch, 7 * epoch + 7))
        assert torch.cat([b["labels"] for b in found]).tolist() == LABELS
    assert batches.at(0)["tokens"][0].tolist() == [1] + [99] * 6


def test_the_digest_tells_what_differs():
    one = {"tokens": sentences()}
    other = {"tokens": [*sentences()[:-1], sentences()[0]]}
    made = [
        Batches(one, 8),
        Batches(one, 9),
        Batches(one, 8, seed=1),
        Batches(one, 8, pad=1),
        Batches(one, 8, shuffle=False),
        Batches(other, 8),
        Batches({"source": sentences()}, 8),
        Batches({"tokens": [[1, 2], [3]]}, 8),
        Batches({"tokens": [[1], [2, 3]]}, 8),
    ]
    assert len({batches.digest for batches in made}) == len(made)
    assert Batches(one, 8).digest == made[0].digest


WRONG = [
    ({"columns": [[1]]}, TypeError, "columns must map names to sequences"),
    ({"columns": {}}, TypeError, "columns must map names"),
    ({"columns": {"tokens": []}}, ValueError, "columns must have as many examples each"),
    ({"columns": {"tokens": [[1]], "labels": [0, 1]}}, ValueError, r"'tokens': 1, 'labels': 2"),
    ({"columns": {"tokens": [[1], []]}}, ValueError, "an empty sequence, entry 1: leave"),
    ({"columns": {"tokens": [[1], 2]}}, ValueError, r"got shape \(\) in entry 1"),
    ({"columns": {"tokens": [[[1]]]}}, ValueError, r"got shape \(1, 1\) in entry 0"),
    ({"columns": {"tokens": [[1.5]]}}, TypeError, "whole numbers, got float64 in entry 0"),
    ({"columns": {"tokens": ["a dog"]}}, TypeError, "encode texts first, as BPE.encode does"),
    ({"size": 0}, ValueError, "size must be at least 1"),
    ({"seed": -1}, ValueError, "seed must be at least 0"),
]


@pytest.mark.parametrize(("changes", "error", "says"), WRONG)
def test_wrong_arguments(changes, error, says):
    with pytest.raises(error, match=says):
        Batches(**{"columns": {"tokens": ROWS}, "size": 4} | changes)
    with pytest.raises(ValueError, match="step must be at least 0"):
        Batches({"tokens": ROWS}, 4).at(-1)
