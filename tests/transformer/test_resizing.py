"""Heads cut to a rank and grown along their certificates: shapes, values, slopes, and errors."""

import copy

import numpy as np
import pytest
import torch
from helpers import noted

from rkbs.kernels import RBF
from rkbs.transformer import (
    EncoderDecoder,
    LanguageModel,
    TransformerConfig,
    audit,
    certified_ranks,
    cut_heads,
    grow_heads,
    growth_rows,
    language_loss,
    translation_loss,
)
from rkbs.transformer.resizing import NewRow, truncated

CONFIG = TransformerConfig(vocab=11, d_model=12, heads=2, layers=2, head_dim=3, dropout=0.0)
GENERATOR = torch.Generator().manual_seed(0)
TOKENS = torch.randint(1, 11, (6, 7), generator=GENERATOR)
DATA = {"tokens": TOKENS}
LAM = 1e-4


def model(**changes):
    """In double precision."""
    options = {name: getattr(CONFIG, name) for name in ("vocab", "d_model", "heads", "layers")}
    sizes = options | {"head_dim": 3, "dropout": 0.0} | changes
    return LanguageModel(TransformerConfig(**sizes), seed=3).double().eval()


def forms(of):
    """M of each head, by the weights themselves."""
    found = []
    for block in of.decoder.blocks:
        part = block.attention
        shape = (part.heads, -1, part.query.weight.shape[1])
        q, k = (x.weight.detach().reshape(shape).numpy() for x in (part.query, part.key))
        found += [one.T @ other for one, other in zip(q, k, strict=True)]
    return found


def test_cut_heads_are_the_nearest_of_their_ranks():
    start = model()
    before = copy.deepcopy(start.state_dict())
    found = cut_heads(start, [0, 1, 2, 3])
    for rank, M, cut in zip([0, 1, 2, 3], forms(start), forms(found), strict=True):
        sigma = np.linalg.svd(M, compute_uv=False)
        assert np.linalg.matrix_rank(cut, tol=1e-9) == rank
        assert np.isclose(np.linalg.norm(M - cut), np.sqrt((sigma[rank:] ** 2).sum()))
    assert all(torch.equal(x, before[name]) for name, x in start.state_dict().items())
    assert torch.allclose(cut_heads(start, [9] * 4)(TOKENS), start(TOKENS))


def test_truncated_maps_are_balanced():
    rng = np.random.default_rng(0)
    query, key = truncated(rng.normal(size=(3, 8)), rng.normal(size=(3, 6)), 2)
    assert query.shape == (2, 8)
    assert key.shape == (2, 6)
    assert np.allclose(query @ query.T, key @ key.T)


def test_a_grown_model_is_the_same_where_rows_are_nothing():
    start = model()
    rows = growth_rows(start, DATA, language_loss, decay=LAM)[:3]
    state = torch.random.get_rng_state()
    found = grow_heads(start, rows, 0.0)
    assert torch.equal(torch.random.get_rng_state(), state)
    more = max(sum(row.head == head for row in rows) for head in range(4))
    assert found.config.head_dim == 3 + more
    assert torch.allclose(found(TOKENS), start(TOKENS), atol=1e-12)
    assert torch.equal(grow_heads(start, [], 1.0)(TOKENS), start(TOKENS))


@pytest.mark.parametrize("kind", ["decoder", "translator"])
def test_rows_lower_the_objective_as_they_say(kind):
    """By two of its values each: −a²(σ − λ), of the sum of rows and of each."""
    sizes = TransformerConfig(11, 12, 2, 1, head_dim=2, dropout=0.0)
    start, data, loss = model(), DATA, language_loss
    if kind == "translator":
        start = EncoderDecoder(sizes, seed=1).double().eval()
        data, loss = {"source": TOKENS, "target": TOKENS.flip(1)}, translation_loss
    rows = growth_rows(start, data, loss, decay=LAM)
    assert [row.gain for row in rows] == sorted((row.gain for row in rows), reverse=True)

    def objective(of):
        size = sum(
            (w**2).sum() for name, w in of.named_parameters() if "query" in name or "key" in name
        )
        return (loss(of, data) + LAM / 2 * size).item()

    a = 1e-3
    for chosen in ([rows[0]], [rows[-1]], rows[:5]):
        slope = (objective(grow_heads(start, chosen, a)) - objective(start)) / a**2
        assert slope == pytest.approx(-sum(row.gain for row in chosen), rel=2e-2, abs=1e-6)
    against = NewRow(rows[0].head, 0.0, rows[0].query, -rows[0].key)
    assert objective(grow_heads(start, [against], a)) > objective(start)


def test_gains_are_the_ratios_of_the_audit():
    start = model()
    rows = growth_rows(start, DATA, language_loss, decay=LAM)
    for number, head in enumerate(audit(start, DATA, language_loss, decay=LAM).heads):
        best = next(row.gain for row in rows if row.head == number)
        assert best / LAM + 1 == pytest.approx(head.certificate.ratio)


def test_zero_rows_stay_zero_in_training():
    start = model()
    row = growth_rows(start, DATA, language_loss, decay=LAM)[0]
    found = grow_heads(start, [row], 0.1)
    language_loss(found, DATA).backward()
    slopes = [
        part.weight.grad.reshape(2, 4, 12)[:, 3].norm(dim=1)
        for block in found.decoder.blocks
        for part in (block.attention.query, block.attention.key)
    ]
    moved = torch.stack(slopes).reshape(2, 2, 2).sum(1).flatten() > 0  # layers, maps, heads
    assert moved.tolist() == [number == row.head for number in range(4)]


def test_certified_ranks_follow_the_decay():
    start = model()
    ranks = [sum(certified_ranks(start, DATA, language_loss, decay=x)) for x in (1e-6, 1e-2, 1e2)]
    assert ranks[0] == 12
    assert ranks[0] >= ranks[1] >= ranks[2]
    assert ranks[2] <= 4  # of the largest singular value alone


def test_a_direction_that_the_loss_does_not_support_is_not_certified():
    """Two singular values nearly 0, as training with decay leaves them; and heads that are 0."""
    start = cut_heads(model(), [1, 3, 3, 0])
    small = 1e-6 * torch.ones(12, dtype=torch.float64)
    with torch.no_grad():
        start.decoder.blocks[0].attention.query.weight[2] = small
        start.decoder.blocks[0].attention.key.weight[2] = small
    assert audit(start).heads[0].raw.rank == 2
    ranks = certified_ranks(start, DATA, language_loss, decay=10.0)
    assert ranks[0] <= 1
    assert ranks[3] == 0


def test_a_head_that_no_decay_explains_keeps_its_dimension():
    start = model()
    known = [head.certificate for head in audit(start, DATA, language_loss).heads]
    ranks = certified_ranks(start, DATA, language_loss)
    for found, rank in zip(known, ranks, strict=True):
        assert found is not None or rank == 3
    assert None in known
    named = {row.head for row in growth_rows(start, DATA, language_loss)}
    assert not named & {number for number, found in enumerate(known) if found is None}


ERRORS = {
    "another count of ranks": (lambda: cut_heads(model(), [1]), ValueError, "each of 4 heads"),
    "a rank that is none": (lambda: cut_heads(model(), [1, 2, 3, -1]), ValueError, "^ranks"),
    "tied maps": (lambda: cut_heads(model(tie_query_key=True), [1] * 4), ValueError, "share a map"),
    "normalized": (lambda: cut_heads(model(normalize_qk=True), [1] * 4), ValueError, "no M = "),
    "another module": (lambda: cut_heads(torch.nn.Linear(2, 2), [1]), TypeError, "Transformer"),
    "a head that is not there": (
        lambda: grow_heads(model(), [NewRow(7, 1.0, np.ones(12), np.ones(12))], 0.1),
        ValueError,
        "heads 0 to 3",
    ),
    "a length below 0": (lambda: grow_heads(model(), [], -1.0), ValueError, "^length"),
    "no decay": (
        lambda: growth_rows(model(), DATA, language_loss, decay=0.0),
        ValueError,
        "^decay",
    ),
    "no ranks": (lambda: cut_heads(model(), None), ValueError, "each of 4 heads, got None"),
    "no data": (lambda: certified_ranks(model(), None, language_loss), TypeError, "^data must be"),
    "no loss": (lambda: growth_rows(model(), DATA, None), TypeError, "loss a function"),
    "a number for a loss": (lambda: growth_rows(model(), DATA, 3), TypeError, "got dict and int"),
    "no rows": (lambda: grow_heads(model(), None, 0.1), TypeError, "NewRows.*got None"),
    "numbers for rows": (lambda: grow_heads(model(), [1], 0.1), TypeError, "NewRows.*got 1"),
    "rows of another model": (
        lambda: grow_heads(model(), [NewRow(0, 1.0, np.ones(8), np.ones(8))], 0.1),
        ValueError,
        r"\(12,\).*\(8,\)",
    ),
    "another kernel": (
        lambda: certified_ranks(LanguageModel(CONFIG, RBF()), DATA, language_loss),
        ValueError,
        "must be EDP",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_name_what_does_not_fit(what):
    call, kind, says = ERRORS[what]
    with noted(what), pytest.raises(kind, match=says):
        call()
