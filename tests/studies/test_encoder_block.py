"""Encoder blocks: what they compute, by definition; padding; and the tables they are trained on."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rkbs.kernels.tables import KERNELS  # noqa: E402
from verify.studies.block_contest import Table, machines  # noqa: E402
from verify.studies.encoder_block import EncoderBlocks, Shape  # noqa: E402

SHAPES = [Shape(1, 4), Shape(3, 4), Shape(3, 8)]


def made(kernel, normalized, heads=2, shapes=SHAPES):
    models = EncoderBlocks(kernel, heads, shapes, range(len(shapes)), normalized=normalized)
    with torch.no_grad():
        models.output_weight += 0.1 * torch.arange(heads)
        models.output_bias += 0.25
    return models


def points(n, seed):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1))


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("kernel", ["edp", "rbf", "quadratic"])
def test_by_definition(kernel, normalized):
    models, t, s = made(kernel, normalized), points(5, 0), points(7, 1)
    heads = models.towers.heads()
    for model, (shape, surface) in enumerate(zip(SHAPES, models.surfaces(), strict=True)):
        towers = heads[model]
        q, k = (
            (np.tanh(x @ h.slopes.T + h.biases) @ out[:-1] + out[-1]).reshape(len(x), 2, 3)
            for x, h, out in (
                (t, towers.hidden_x, towers.output_x),
                (s, towers.hidden_y, towers.output_y),
            )
        )
        total = 0.25
        for h, w in enumerate(models.output_weight[model].tolist()):
            A = KERNELS[kernel](q[:, h, : shape.d], k[:, h, : shape.d])  # with its own √d
            total = total + w * (A / A.mean(1, keepdims=True) if normalized else A)
        assert surface(t, s) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("kernel", ["edp", "rbf", "l2", "ei", "quadratic"])
def test_padded_dimensions_never_matter(kernel):
    models, t = made(kernel, normalized=True), torch.as_tensor(points(4, 2))
    before = models(t, t).detach()
    (models(t, t) ** 2).sum().backward()
    padded = models.towers.query.output_weight.grad.unflatten(1, (2, 3))[0, :, 1:]
    assert (padded == 0).all()
    with torch.no_grad():
        models.towers.query.output_weight.unflatten(1, (2, 3))[0, :, 1:] += 5.0
    assert torch.equal(models(t, t)[0], before[0])


def test_softmax_rows_have_one_mean():
    models = made("edp", normalized=True)
    t, s = points(6, 3), points(9, 4)
    for index, surface in enumerate(models.surfaces()):
        mean = models.output_weight[index].sum().item() + 0.25
        assert surface(t, s).mean(1) == pytest.approx(np.full(6, mean), rel=1e-12)


def test_tables_and_their_floors():
    plain, centered = (Table.of("asymmetric", False, c) for c in (False, True))
    assert plain.norm == pytest.approx(1)
    assert centered.row_part() < 1e-14
    assert abs(centered.values.mean(1)).max() < 1e-14
    # F is its row means and the rest, two orthogonal parts.
    means = plain.values.mean(1)
    assert (means**2).mean() + centered.norm**2 == pytest.approx(1)
    values = np.linalg.svd(plain.values)[1]
    assert plain.floor(2) == pytest.approx(np.sqrt((values[2:] ** 2).sum() / (values**2).sum()))
    finer = Table.of("asymmetric", True, False)
    assert not set(plain.x.ravel()) & set(finer.x.ravel())
    left, values, right = np.linalg.svd(finer.values)
    best = values[0] * np.outer(left[:, 0], right[0])
    assert finer.error(lambda t, s: best) == pytest.approx(finer.floor(1))


def test_machines_interpolate_a_clean_table():
    table, there = (Table.of("asymmetric", finer, False) for finer in (False, True))
    errors = {name: there.error(surface) for name, surface in machines(table).items()}
    assert errors["ridge"] < errors["nuclear norm"] < 0.02
