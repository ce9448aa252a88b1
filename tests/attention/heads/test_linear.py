"""Attention logits on fixed features: gradients train what the objective says, in one batch."""

import numpy as np
import pytest
import torch

from rkbs.attention import train_linear_heads
from rkbs.data.pairs import Pairs
from rkbs.laws import relative
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, solve
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import Huber, Squared

RNG = np.random.default_rng(0)
PHI_X, PHI_Y = RNG.standard_normal((8, 4)), RNG.standard_normal((7, 5))
MASK = RNG.uniform(size=(8, 7)) < 0.8
PAIRS = Pairs.from_mask(PHI_X, PHI_Y, MASK)
Z = RNG.standard_normal(len(PAIRS))
ALPHA = 2.0


def train(d, loss=None, **how):
    how = {"steps": 600, "seeds": (0, 1)} | how
    z = np.sign(Z) if loss and loss.labels else Z
    return train_linear_heads(PHI_X, PHI_Y, PAIRS, z, ALPHA, d, loss=loss, **how)


def by_hand(loss, query, key):
    """Pair by pair, from the definition."""
    z = np.sign(Z) if loss.labels else Z
    total = ALPHA / 2 * ((query**2).sum() + (key**2).sum())
    for i, j, response in zip(PAIRS.i, PAIRS.j, z, strict=True):
        logit = (query @ PHI_X[i]) @ (key @ PHI_Y[j])
        total += loss.value(np.array(logit), np.array(response))
    return float(total)


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.3)], ids=repr)
@pytest.mark.parametrize("d", [1, 4])
def test_objectives_are_those_of_the_weights(loss, d):
    heads = train(d, loss, steps=7)
    assert heads.query.shape == (2, d, 4)
    assert heads.key.shape == (2, d, 5)
    for k in range(2):
        found = by_hand(loss, heads.query[k], heads.key[k])
        assert heads.objectives[-1, k] == pytest.approx(found, rel=1e-12)
    assert (np.linalg.matrix_rank(heads.operators) <= d).all()
    assert relative(heads.operators[1], heads.query[1].T @ heads.key[1]) < 1e-15


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.3)], ids=repr)
def test_reaches_the_nuclear_norm_optimum_at_full_dimension(loss):
    z = np.sign(Z) if loss.labels else Z
    problem = SchattenProblem(PHI_X @ PHI_X.T, PHI_Y @ PHI_Y.T, PAIRS, z, ALPHA, loss)
    optimum = solve(problem, ADMM(tol=1e-10)).check().certificate.dual
    excess = train(4, loss, steps=400, lr=0.2).objectives[-1] / optimum - 1
    assert (excess >= -1e-12).all()
    assert (excess <= 1e-6).all()


def test_a_batch_is_its_heads():
    both, second = train(2, seeds=(3, 5)), train(2, seeds=(5,))
    assert relative(both.query[1], second.query[0]) < 1e-10
    assert relative(both.query[0], second.query[0]) > 0.01
    np.testing.assert_array_equal(train(2, seeds=(5,)).query, second.query)


def test_a_step_is_adam_on_the_gradient():
    """One step moves every weight by lr, against the sign of its gradient by differences."""
    before, after = train(1, steps=1, lr=1e-12, seeds=(0,)), train(1, steps=1, lr=1e-3, seeds=(0,))
    moved = after.query[0] - before.query[0]
    for k in range(4):
        unit = 1e-6 * np.eye(4)[k]
        up, down = (by_hand(Squared(), before.query[0] + s * unit, before.key[0]) for s in (1, -1))
        assert moved[0, k] == pytest.approx(-1e-3 * np.sign(up - down), rel=1e-3)


def test_single_precision():
    heads = train(2, dtype=torch.float32)
    assert heads.query.dtype == np.float32
    assert relative(heads.objectives[-1], train(2).objectives[-1]) < 1e-4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": Hinge()}, ValueError, r"loss must be smooth, such as Squared\(\).* got Hinge"),
        ({"loss": "hinge"}, TypeError, "loss must be a Loss, got 'hinge'"),
        ({"loss": Huber}, TypeError, r"got the class Huber: did you mean Huber\(\)"),
        ({"alpha": 0.0}, ValueError, "alpha must be positive"),
        ({"d": 0}, ValueError, "d must be at least 1"),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"lr": -1.0}, ValueError, "lr must be positive"),
        ({"seeds": (-1,)}, ValueError, "seeds must be at least 0"),
        ({"seeds": ()}, ValueError, "seeds must name at least one"),
        ({"z": Z[1:]}, ValueError, "z must have shape"),
        ({"features_x": PHI_X[1:]}, ValueError, "features_x must have 8 rows"),
        ({"features_y": PHI_Y * np.nan}, ValueError, "features_y contains NaN"),
        ({"dtype": torch.float16}, ValueError, "dtype must be torch.float32 or torch.float64"),
        ({"device": "tpu"}, ValueError, "device must be one that torch finds here"),
        ({"lr": 1e200}, FloatingPointError, "lower lr"),
    ],
)
def test_bad_input_names_the_argument(change, error, message):
    arguments = {
        "features_x": PHI_X,
        "features_y": PHI_Y,
        "pairs": PAIRS,
        "z": Z,
        "alpha": ALPHA,
        "d": 2,
        "steps": 5,
    } | change
    with pytest.raises(error, match=message):
        train_linear_heads(**arguments)
