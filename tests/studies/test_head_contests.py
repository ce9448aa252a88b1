"""Ways to cut and to grow heads: what each spends, what is nearest, and tasks by counting."""

import math

import numpy as np
import pytest
import torch

from rkbs.transformer.resizing import NewRow
from verify.studies import head_contests as contests
from verify.studies import head_tasks, resized_heads, resting_models
from verify.studies.resized_heads import DECLARED

RNG = np.random.default_rng(0)
SIZES = {"d_model": 8, "heads": 2, "layers": 1, "head_dim": 2, "d_ff": 8, "dropout": 0.0}
HEADS = [
    (scale * RNG.normal(size=(3, 6)), RNG.normal(size=(3, 6))) for scale in (1.0, 0.2, 3.0, 0.01)
]
ROOTS = [tuple(np.diag(0.5 + RNG.random(6)) for _ in range(2)) for _ in HEADS]
WAYS = {
    "evenly": contests.evenly,
    "over heads": contests.over_heads,
    "weighted": lambda heads, total: contests.over_heads(heads, total, ROOTS),
    "rows": contests.rows_by_size,
}


def form(maps):
    return maps[0].T @ maps[1]


def ranks(heads):
    return [int(np.linalg.matrix_rank(form(maps), tol=1e-9)) for maps in heads]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("total", [0, 1, 5, 12])
def test_each_way_spends_the_rank_that_there_is(way, total):
    found = WAYS[way](HEADS, total)
    assert sum(ranks(found)) == total
    if total == 12:
        for maps, start in zip(found, HEADS, strict=True):
            assert np.allclose(form(maps), form(start))


def test_even_ranks_differ_by_one_at_most():
    assert ranks(contests.evenly(HEADS, 8)) == [2] * 4
    assert max(ranks(contests.evenly(HEADS, 5))) == 2


@pytest.mark.parametrize("roots", [None, ROOTS], ids=["plain", "weighted"])
def test_nothing_of_the_same_total_rank_is_nearer_than_svd_over_heads(roots):
    weights = roots or [(np.eye(6), np.eye(6))] * 4

    def far(heads):
        return sum(
            np.linalg.norm(left @ (form(maps) - form(start)) @ right) ** 2
            for maps, start, (left, right) in zip(heads, HEADS, weights, strict=True)
        )

    best = far(contests.over_heads(HEADS, 5, roots))
    others = [WAYS["evenly"], WAYS["rows"], contests.over_heads if roots else WAYS["weighted"]]
    assert all(best < far(other(HEADS, 5)) for other in others)
    sizes = np.sort(
        np.concatenate(
            [
                np.linalg.svd(left @ form(maps) @ right, compute_uv=False)
                for maps, (left, right) in zip(HEADS, weights, strict=True)
            ]
        )
    )
    assert best == pytest.approx((sizes[:-5] ** 2).sum())


def test_rows_and_entries_that_are_kept_are_the_largest():
    rows = contests.rows_by_size(HEADS, 4)
    kept, gone = [], []
    for (q, k), (q0, k0) in zip(rows, HEADS, strict=True):
        for row in range(3):
            size = np.linalg.norm(q0[row]) * np.linalg.norm(k0[row])
            (kept if q[row].any() and k[row].any() else gone).append(size)
    assert len(kept) == 4
    assert min(kept) > max(gone)
    entries = contests.entries_by_size(HEADS, 4)
    left = np.concatenate([maps.ravel() for pair in entries for maps in pair])
    assert np.count_nonzero(left) == 4 * 12
    assert not np.concatenate(
        [maps.ravel() for maps in contests.entries_by_size(HEADS, 0)[2]]
    ).any()


def test_ways_to_grow_spend_as_many_rows():
    rows = [NewRow(h, gain, *np.eye(6)[:2]) for h, gain in ((2, 0.9), (2, 0.5), (0, 0.4))]
    ways = dict(contests.ways_to_grow(rows, HEADS, np.random.default_rng(0)))
    assert ways["audit"] == rows
    assert [row.head for row in ways["random directions"]] == [2, 2, 0]
    assert [row.head for row in ways["every head"]] == [0, 1, 2, 3]
    assert ways["every head"][2] is rows[0]
    assert ways["none"] == []
    for row in ways["every head, random directions"]:
        assert np.linalg.norm(row.query) == pytest.approx(1.0)
        assert np.linalg.norm(row.key) == pytest.approx(1.0)


def test_tasks_hold_every_input_with_its_label():
    _, counting = head_tasks.task_of("counting", SIZES, 0)
    assert counting.count == 81
    at = counting.columns["tokens"].tolist().index([2, 1, 2, 2])
    assert counting.columns["frequencies"][at].argmax() == 2
    _, recall = head_tasks.task_of("recall", SIZES, 0)
    assert recall.count == 108
    at = recall.columns["tokens"].tolist().index([3, 6, 1, 4, 3])
    assert recall.columns["frequencies"][at].argmax() == 5  # 6, as padding has no column
    _, reversal = head_tasks.task_of("reversal", SIZES, 0)
    at = reversal.columns["source"].tolist().index([3, 4, 5, 5])
    assert reversal.columns["target"][at].tolist() == [1, 5, 5, 4, 3, 2]
    for task in (counting, recall):
        assert torch.allclose(task.columns["frequencies"].sum(1), torch.ones(1).double())


@pytest.mark.parametrize("kind", ["counting", "recall", "reversal"])
def test_losses_are_the_cross_entropies_of_frequencies(kind):
    model, task = head_tasks.task_of(kind, SIZES, 0)
    model = model.double().eval()
    found = task.loss_at(model, {"index": torch.arange(task.count)}).item()
    columns = {name: x.numpy() for name, x in task.columns.items()}
    with torch.no_grad():
        if kind == "reversal":
            logits = model(task.columns["source"], task.columns["target"][:, :-1]).numpy()[..., 1:]
            p = np.full(logits.shape, head_tasks.NOISE / 5)
            labels = columns["target"][:, 1:, None] - 1
            np.put_along_axis(p, labels, 1 - head_tasks.NOISE + head_tasks.NOISE / 5, -1)
        else:
            logits, p = model(task.columns["tokens"]).numpy(), columns["frequencies"]
            logits = logits[:, -1, 1:] if kind == "recall" else logits
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert found == pytest.approx(-(p * log_p).sum(-1).mean())


def test_the_objective_counts_the_decay_and_comes_to_rest():
    model, task = head_tasks.task_of("recall", SIZES, 0)
    model = model.double()
    trained = resting_models.Trained(model, task, 0.5, math.inf)
    size = sum((w**2).sum().item() for w in model.parameters())
    assert trained.objective(model).item() == pytest.approx(trained.loss() + size / 4)
    before = trained.objective(model).item()
    rest = resting_models.to_rest(trained, 60, 1e-4, part=30)
    assert trained.objective(model).item() < before
    assert rest < 0.5  # of random weights some hundred
    weight = model.decoder.blocks[0].attention.query.weight
    slope = torch.autograd.grad(trained.objective(model), weight)[0][0, 0].item()
    values = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            weight[0, 0] += step
            values.append(trained.objective(model).item())
    assert slope == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("training", ["coupled", "AdamW"])
def test_training_goes_on_by_what_was_used(training):
    model, task = head_tasks.task_of("counting", SIZES, 0)
    trained = resting_models.Trained(model.double(), task, 1e-3, math.inf)
    before = trained.objective(model).item()
    resting_models.continued(trained, model, training, 3, DECLARED)
    assert trained.objective(model).item() < before


def test_configurations_are_those_declared():
    cells = resized_heads.configurations()
    assert len(cells) == 2 * 2 * 3 * 4
    assert {cell["seed"] for cell in cells} == set(DECLARED["seeds"])
    short = resized_heads.configurations(True, 5)
    assert {cell["seed"] for cell in short} == {105}


def test_signed_ranks_leave_ties_out():
    x = [-0.1, -0.2, -0.3, -0.4, -0.5, -0.6]
    assert resized_heads.p_signed_ranks([*x, 0.0, 0.0]) == pytest.approx(2 / 2**6)
    assert resized_heads.p_signed_ranks([0.0, 0.0]) == 1.0
    rows = [{"losses": {"w": {"audit": 0.1, "o": 0.1 + 1e-9}}}]
    assert resized_heads.differences(rows, "w", "o") == [0.0]
