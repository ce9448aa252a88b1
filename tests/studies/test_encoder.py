"""The study of a trained encoder: cuts, rules and judgement, of made encoders and numbers."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from bert_helpers import SENTENCES, write
from scipy import stats

from rkbs.data.gdsc import DataNotFoundError
from rkbs.transformer import CheckpointError, load_encoder
from verify.oracles.bert import read_model, sentence_vector, softmax, taylor
from verify.studies import encoder as study
from verify.studies import encoder_cut, encoder_findings, encoder_logits
from verify.studies.encoder import DECLARED, configurations, declared_hash, lacking, work
from verify.studies.encoder_cut import CutAttention, cosines, cut, layer_cosines, series
from verify.studies.encoder_findings import (
    least_kept,
    least_orders,
    of_accuracy,
    of_cosines,
    of_layers,
    outcomes,
    sequence,
    table,
    together,
)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A small encoder of random weights, and as many sentences as there are made ones."""
    path = write(tmp_path / "model")
    mine = load_encoder(path)
    said = tuple(SENTENCES) * 4
    monkeypatch.setattr(encoder_cut, "encoder", lambda: mine)
    monkeypatch.setattr(encoder_logits, "encoder", lambda: mine)
    monkeypatch.setattr(encoder_cut, "sentences", lambda text, part, most=None: said[:most])
    monkeypatch.setattr(encoder_logits, "sentences", lambda text, part, most=None: said[:most])
    classes = np.array([k % 5 in (0, 3) for k in range(len(said))], int)
    monkeypatch.setattr(encoder_cut, "labels", lambda part, most=None: classes[:most])
    monkeypatch.setattr(encoder_cut, "TRAINED", len(said))
    for name in ("exact", "trained_probe"):
        monkeypatch.setattr(encoder_cut, name, getattr(encoder_cut, name).__wrapped__)
    return mine, read_model(path)


def by_hand(made, order, centered, sentences=SENTENCES):
    mine, other = made
    rows = mine.tokens(sentences)
    return np.stack([sentence_vector(other, row, taylor(order, centered)) for row in rows])


# ---- cuts


@pytest.mark.parametrize("order", [0, 1, 2, 3, 9, 16])
def test_the_series(order):
    a = torch.linspace(-9, 9, 7, dtype=torch.float64)
    kept = a.clone()
    expected = sum(a**n / math.factorial(n) for n in range(order + 1))
    assert torch.allclose(series(a, order), expected, rtol=1e-13)
    assert torch.equal(a, kept)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("order", [0, 1, 3, 4])
def test_cut_vectors_against_numpy(made, order, centered):
    mine, _ = made
    before = mine.encode(SENTENCES)
    with cut(mine, order, centered) as cuts:
        found = mine.encode(SENTENCES)
    assert abs(found.numpy() - by_hand(made, order, centered)).max() < 1e-5
    assert torch.equal(mine.encode(SENTENCES), before)
    tokens = sum(map(len, mine.tokens(SENTENCES)))
    assert [one.rows for one in cuts] == [3 * tokens] * 2


def test_the_encoder_is_whole_again_after_an_error(made):
    mine, _ = made
    before = [layer.attention.attend for layer in mine.bert.layers]
    with pytest.raises(RuntimeError, match="broken"), cut(mine, 2, True):
        raise RuntimeError("broken")
    assert [layer.attention.attend for layer in mine.bert.layers] == before


def test_odd_orders_are_counted_and_keep_their_sign():
    """Logits −3 and 0 at order 1: −2 and 1, whose sum is negative; 1 and −1/2 cancel to a half."""
    q = torch.ones(1, 1, 1, 1)
    k, v = torch.tensor([-3.0, 0.0]).view(1, 1, 2, 1), torch.eye(2).view(1, 1, 2, 2)
    one = CutAttention(1, centered=False)
    assert torch.allclose(one(q, k, v, attn_mask=None), torch.tensor([2.0, -1.0]))
    assert (one.rows, one.turned, one.least) == (1, 1, pytest.approx(1 / 3))
    one(q, torch.tensor([-1.5, 0.0]).view(1, 1, 2, 1), v, attn_mask=None)
    assert (one.rows, one.turned, one.least) == (2, 1, pytest.approx(1 / 3))
    even = CutAttention(2, centered=False)
    even(q, k, v, attn_mask=None)
    assert (even.rows, even.turned, even.least) == (1, 0, 1.0)
    with pytest.raises(ValueError, match="attn_mask must be None"):
        one(q, k, v, attn_mask=torch.ones(1, 1, 1, 2, dtype=torch.bool))


def test_rows_of_order_1_sum_to_their_length_if_centered():
    q, k = torch.randn(2, 1, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    one = CutAttention(1, centered=True)
    one(q, k, k, attn_mask=None)
    assert one.turned == 0


def test_cosines_near_one_keep_their_digits():
    x = torch.tensor([[1.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    y = torch.tensor([[1.0, 1e-6], [-4.0, 3.0]], dtype=torch.float64)
    found = cosines(x, y)
    assert 1 - found[0] == pytest.approx(5e-13, rel=1e-3)
    assert found[1] == pytest.approx(0, abs=1e-15)


def test_one_layer_cut(made):
    """Against numpy with the other layer exact, cosine by cosine."""
    mine, other = made
    rows = mine.tokens(SENTENCES)
    for layer in (0, 1):
        found = layer_cosines(layer, [0, 2], len(SENTENCES))
        for order, values in zip([0, 2], found, strict=True):
            for row, value in zip(rows, values, strict=True):
                ways = iter(
                    [taylor(order, True) if k == layer else taylor(80, True) for k in (0, 1)]
                )
                one = sentence_vector(other, row, lambda a, ways=ways: next(ways)(a))
                assert value == pytest.approx(one @ sentence_vector(other, row), abs=1e-6)


# ---- rules


def test_predictions_by_brute_force(made):
    mine, other = made
    kept = [[], []]
    for row in mine.tokens(SENTENCES):
        layers = iter(kept)

        def keep(a, layers=layers):
            next(layers).append(a)
            return softmax(a)

        sentence_vector(other, row, keep)
    found = encoder_logits.predictions(encoder_logits.collected(len(SENTENCES)))
    for mode in encoder_logits.MODES:
        centered = mode == "centered"
        variation, tops = [], []
        for layer in kept:
            apart = {}
            for order in range(0, 30, 2):
                parts = [taylor(order, centered)(a) - softmax(a) for a in layer]
                apart[order] = np.concatenate([abs(p).sum(-1).ravel() / 2 for p in parts]).mean()
            variation.append(apart)
            means = [a.mean(-1, keepdims=True) if centered else 0 for a in layer]
            tops.append(max(float((a - m).max()) for a, m in zip(layer, means, strict=True)))
        most = DECLARED["predicted"]["error"]
        assert found["by total variation"][mode] == {
            "layers": [next(n for n in apart if apart[n] <= most) for apart in variation],
            "all": next(
                n for n in variation[0] if math.hypot(*(apart[n] for apart in variation)) <= most
            ),
        }
        cut_off = [
            next(n for n in range(0, 256, 2) if 1 - stats.poisson.cdf(n, top) <= most)
            for top in tops
        ]
        assert found["by the largest logit"][mode] == {"layers": cut_off, "all": max(cut_off)}


def test_what_is_cut_off_of_the_series_is_a_poisson_tail():
    a, order = 3.7, 5
    rest = 1 - math.exp(-a) * sum(a**n / math.factorial(n) for n in range(order + 1))
    assert stats.poisson.sf(order, a) == pytest.approx(rest)


def test_distribution_of_logits():
    a = torch.tensor([[[[0.0, 2.0], [1.0, -3.0]]]], dtype=torch.float64)
    found = encoder_logits.distribution([a])
    assert found["largest"] == 2.0
    assert found["spread"] == pytest.approx([3.0, 3.98, 4.0])
    assert (found["quantiles"][0], found["quantiles"][-1]) == (-2.0, 2.0)
    assert found["quantiles"][found["probabilities"].index(0.5)] == 0.0


# ---- judgement


def test_verdicts_by_their_intervals():
    near = [0.9995, 0.9996, 0.9994, 0.9995]
    assert of_cosines(near)["verdict"] == "kept"
    assert of_cosines([0.99, 0.991, 0.989])["verdict"] == "lost"
    assert of_cosines([0.99, 1.0, 1.0])["verdict"] == "undecided"
    low, high = of_cosines(near)["interval"]
    half = stats.t.ppf(0.95, 3) * np.std(near, ddof=1) / 2
    assert (low, high) == pytest.approx((0.9995 - half, 0.9995 + half))
    exact = np.ones(1000, int)
    for wrong, verdict in ((0, "kept"), (2, "kept"), (12, "undecided"), (40, "lost")):
        correct = exact.copy()
        correct[:wrong] = 0
        told = of_accuracy(correct, exact)
        assert told["verdict"] == verdict, told
        assert (told["missed"], told["gained"]) == (wrong, 0)
        assert told["mean"] == pytest.approx(-wrong / 1000)
    better = of_accuracy(exact, np.r_[np.zeros(40, int), exact[40:]])
    assert (better["verdict"], better["gained"]) == ("undecided", 40)


def test_an_order_is_kept_where_all_higher_ones_are():
    assert together(["kept", "kept"]) == "kept"
    assert together(["kept", "undecided"]) == "undecided"
    assert together(["kept", "undecided", "lost"]) == "lost"
    assert together([]) == "undecided"
    verdicts = {0: "kept", 2: "lost", 4: "kept", 8: "kept"}
    assert least_kept(verdicts) == 4
    assert least_kept(verdicts | {8: "undecided"}) is None
    assert least_kept({0: "kept"}) == 0


def cells_of(orders, mode="centered", text="sst"):
    return [{"what": "cut", "text": text, "mode": mode, "order": n} for n in orders]


def results_of(cells, correct=None):
    found = []
    for cell in cells:
        near = 1 - 0.5 ** (4 + 2 * cell["order"] - 2 * (cell["mode"] != "centered"))
        found.append({"cosines": [near, near - 1e-7], "turned": 0.0, "least": 1.0})
        if correct is not None and cell["text"] == "sst":
            found[-1]["correct"] = correct
    return found


def test_outcomes_by_mode_and_order():
    exact = [1] * 200
    cells = cells_of(range(5)) + cells_of([2, 4], "as they stand")
    cells += cells_of([0, 2, 4], text="multi30k")
    found = outcomes(cells, results_of(cells, exact), exact)
    names = ["cosine, sst", "accuracy", "cosine, multi30k"]
    assert list(found["centered", 2]) == names
    assert sequence(found, "centered", names) == {0: "lost", 2: "lost", 4: "kept"}
    assert sequence(found, "as they stand", names[:1]) == {0: "lost", 2: "lost", 4: "kept"}
    assert sequence(found, "as they stand", names) == {0: "lost"}  # the rest was not computed
    assert least_orders(found)["centered"] == dict.fromkeys(names, 4) | {"accuracy": 0, "all": 4}
    rows = list(table(cells, results_of(cells, exact), found))
    assert [row["order"] for row in rows] == [cell["order"] for cell in cells]
    assert rows[2]["features"] == math.comb(34, 2)
    assert [row["accuracy"] is None for row in rows] == [cell["text"] != "sst" for cell in cells]


def test_layers_are_judged_by_even_orders():
    cells = [{"what": "layer", "layer": 3, "orders": [0, 1, 2]}]
    near = [0.9999, 0.99991]
    results = [{"cosines": [[0.9, 0.91], [0.5, 0.6], near]}]
    (row,) = of_layers(cells, results)
    assert (row["layer"], row["least"]) == (3, 2)
    assert row["cosines"] == pytest.approx([0.905, 0.55, 0.999905])


# ---- what is declared, and its runs


def test_the_hash_is_of_everything_that_was_declared(monkeypatch):
    before = declared_hash()
    for name, other in (("level", 0.1), ("margins", {}), ("sha256", ""), ("outcomes", [])):
        monkeypatch.setitem(DECLARED, name, other)
        assert declared_hash() != before
        monkeypatch.undo()
    predicted = copy.deepcopy(DECLARED["predicted"])
    predicted["by total variation"]["centered"]["layers"][0] += 2
    monkeypatch.setitem(DECLARED, "predicted", predicted)
    assert declared_hash() != before


def test_configurations_are_those_that_were_declared():
    cells = configurations()
    assert len({json.dumps(cell, sort_keys=True) for cell in cells}) == len(cells)
    of = {what: [c for c in cells if c["what"] == what] for what in ("cut", "layer", "probe")}
    assert {what: len(some) for what, some in of.items()} == {"cut": 47, "layer": 6, "probe": 6}
    assert [c["layer"] for c in of["layer"]] == list(range(6))
    assert {c["part"] for c in of["cut"]} == {"test"}
    assert {c["part"] for c in configurations(short=True)} == {"valid"}


@pytest.mark.parametrize(
    "cell",
    [
        {"what": "cut", "text": "sst", "part": "test", "most": None, "probe": True},
        {"what": "probe", "of": "exact"},
        {"what": "probe", "of": "bag of tokens"},
        {"what": "probe", "of": "mean of token embeddings"},
        {"what": "probe", "of": "cut", "order": 0},
        {"what": "layer", "layer": 1, "orders": [0, 40], "sentences": 5},
    ],
    ids=lambda cell: cell.get("of", cell["what"]),
)
def test_work_of_each_kind(made, cell):
    more = {"order": 40, "mode": "centered"} if cell["what"] == "cut" else {}
    found = work(cell | more, "cpu")
    assert found["declared"] == declared_hash()
    json.dumps(found, allow_nan=False)
    if cell.get("of") == "cut":
        x, y = np.tile(by_hand(made, 0, True), (4, 1)), encoder_cut.labels("test")
        assert found["correct"] == encoder_cut.right(encoder_cut.probe(x, y), x)
    elif "correct" in found:  # each sentence is there four times, of one class: it can be learned
        assert found["correct"] == [1] * 20
    if cell["what"] == "cut":
        assert min(found["cosines"]) > 1 - 1e-9
        assert len(found["cosines"]) == 20
    if cell["what"] == "layer":
        assert min(found["cosines"][1]) > 1 - 1e-9 > max(found["cosines"][0])


def test_bags_count_tokens():
    found = encoder_cut.bags([[1, 3, 1], [2]], 4).toarray()
    assert found.tolist() == [[0, 2, 0, 1], [0, 0, 1, 0]]


def test_what_is_lacking_is_told(monkeypatch):
    monkeypatch.setattr(encoder_cut, "encoder", lambda: None)
    monkeypatch.setattr(encoder_cut, "sentences", lambda text, part: ())
    assert lacking() == ""
    for error in (DataNotFoundError("no model"), CheckpointError("others"), ImportError("no x")):

        def fails(error=error):
            raise error

        monkeypatch.setattr(encoder_cut, "encoder", fails)
        assert lacking() == str(error)
    assert study.DECLARED is encoder_findings.DECLARED
