"""Optimizers against torch's own, step by step, and against scalars written out."""

import math

import numpy as np
import pytest
import torch

from verify.studies.geometry import Recipe, descend
from verify.studies.geometry_norms import FROBENIUS, polar
from verify.studies.geometry_optimizers import (
    Adam,
    Descent,
    Lion,
    Momentum,
    Muon,
    newton_schulz,
)

RNG = np.random.default_rng(0)
GRADIENTS = RNG.normal(size=(12, 3, 5)) * RNG.lognormal(size=(12, 1, 1))
RATE, DECAY = 0.05, 0.3


def by_torch(make, dtype=torch.float64):
    """A matrix after each step of an optimizer of torch's, from 1 everywhere."""
    w = torch.ones(3, 5, dtype=dtype, requires_grad=True)
    optimizer = make([w])
    for g in GRADIENTS:
        w.grad = torch.tensor(g, dtype=dtype)
        optimizer.step()
        yield w.detach().numpy().astype(float)


def ours(optimizer, decay):
    """The same with a direction of ours and decoupled decay."""
    w = np.ones((3, 5))
    for g in GRADIENTS:
        w = w + RATE * (optimizer.direction(g) - decay * w)
        yield w


def same(ours, theirs, **tolerance):
    pairs = list(zip(ours, theirs, strict=True))
    assert len(pairs) == len(GRADIENTS)
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other, **tolerance)


@pytest.mark.parametrize("beta2", [0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("epsilon", [1e-12, 1e-3, 0.1])
def test_adamw(beta2, epsilon):
    theirs = by_torch(
        lambda p: torch.optim.AdamW(p, lr=RATE, betas=(0.9, beta2), eps=epsilon, weight_decay=DECAY)
    )
    same(ours(Adam(beta2, epsilon), DECAY), theirs, rtol=1e-12)


def test_gradient_descent_and_momentum():
    plain = by_torch(lambda p: torch.optim.SGD(p, lr=RATE, weight_decay=DECAY))
    same(ours(Descent(), DECAY), plain, rtol=1e-12)
    heavy = by_torch(lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, dampening=0.9))
    same(ours(Momentum(), 0.0), heavy, rtol=1e-12)


def test_muon_by_newton_schulz():
    """torch's computes the factor in bfloat16: 2^-9 a number, five steps of slope 3.4 and less."""
    theirs = by_torch(
        lambda p: torch.optim.Muon(p, lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")
    )
    scale = 0.2 * math.sqrt(5)  # of the step, by this way of torch's to choose it
    mine = ours(Muon(f=lambda a: scale * newton_schulz(a)), DECAY)
    same(mine, theirs, atol=0.05 * RATE * len(GRADIENTS))


def test_newton_schulz_is_near_the_polar_factor_and_does_not_reach_it():
    a = RNG.normal(size=(20, 3, 5))
    s = np.linalg.svd(newton_schulz(a), compute_uv=False)
    assert 0.6 < s.min() < 0.9
    assert 1.05 < s.max() < 1.25
    near = np.linalg.svd(polar(a).mT @ newton_schulz(a), compute_uv=False)[..., :3]
    np.testing.assert_allclose(np.sort(near), np.sort(s), rtol=1e-9)


def test_lion_entry_by_entry():
    lion, m = Lion(), 0.0
    for g in GRADIENTS:
        u = lion.direction(g)[1, 2]
        assert u == -math.copysign(1, 0.9 * m + 0.1 * g[1, 2])
        m = 0.99 * m + 0.01 * g[1, 2]


@pytest.mark.parametrize(
    ("make", "f"),
    [
        (Descent, lambda g: g),
        (Momentum, lambda g: g),
        (Lion, np.sign),
        (Muon, polar),
        (Adam, np.sign),
        (lambda: Adam(0.99, 0.3), lambda g: g / (np.abs(g) + 0.3)),
    ],
    ids=["descent", "momentum", "Lion", "Muon", "Adam", "Adam, ε = 0.3"],
)
def test_with_gradients_that_stay_the_direction_is_that_of_the_theory(make, f):
    optimizer, g = make(), GRADIENTS[0]
    for _ in range(20_000):
        u = optimizer.direction(g)
    np.testing.assert_allclose(u, -f(g), rtol=1e-9)


class Square:
    """J = ½‖W − A‖²."""

    A = RNG.normal(size=(1, 3, 4))

    def gradient(self, w):
        return w - self.A


def test_where_decays_end_on_a_square_is_known():
    decay, start = 1.5, np.full((1, 3, 4), 0.1)

    def end(make, **how):
        return descend(Square(), Recipe(make, FROBENIUS, decay, steps=4000, **how), start)

    shrunk = end(Descent, rate=0.3)
    np.testing.assert_allclose(shrunk.w, Square.A / (1 + decay), rtol=1e-9)
    assert shrunk.residual < 1e-9
    clipped = end(lambda: Descent(np.sign))
    # Steps are 3e-3/λ when one time of decay is left.
    np.testing.assert_allclose(clipped.w, np.clip(Square.A, -1 / decay, 1 / decay), atol=3e-3)
    assert clipped.residual < 5e-3
    assert clipped.last > 0.3  # entries off the bounds slide: no step is 0
    scaled = Square.A / max(1, decay * np.linalg.norm(Square.A))
    np.testing.assert_allclose(end(lambda: Descent(FROBENIUS.steepest)).w, scaled, rtol=1e-6)
    coupled = end(lambda: Adam(0.9), rate=0.05, in_objective=True)
    np.testing.assert_allclose(coupled.w, Square.A / (1 + decay), rtol=1e-6)
    assert coupled.residual < 1e-2


def test_the_epsilon_law_entry_by_entry():
    """λw = (a − w)/(|a − w| + ε): a quadratic equation for each entry."""
    decay, epsilon = 1.5, 0.2
    recipe = Recipe(lambda: Adam(0.9, epsilon), FROBENIUS, decay, steps=4000)
    a, w = np.abs(Square.A), np.abs(descend(Square(), recipe, np.full((1, 3, 4), 0.1)).w)
    # λw(a − w + ε) = a − w
    b = -(decay * (a + epsilon) + 1)
    root = (-b - np.sqrt(b * b - 4 * decay * a)) / (2 * decay)
    np.testing.assert_allclose(w, root, rtol=1e-10)


def test_half_a_training_is_no_rest():
    recipe = Recipe(lambda: Descent(np.sign), FROBENIUS, 1.5, steps=20)
    assert descend(Square(), recipe, np.full((1, 3, 4), 0.1)).residual > 1e-2


class Turning:
    """A direction that turns the rows of W, and does nothing else."""

    J = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])

    def __init__(self, decay):
        self.decay = decay

    def direction(self, w):
        return self.decay * (w + self.J @ w)


class Whole:
    """J whose gradient is W."""

    def gradient(self, w):
        return w


def test_a_turn_of_all_rows_is_no_change_of_shape():
    start = RNG.normal(size=(1, 2, 3, 4))
    end = descend(Whole(), Recipe(lambda: Turning(0.5), FROBENIUS, 0.5, rate=0.002), start)
    assert end.spread[0] > 0.1
    assert end.turned[0] < 0.01 * end.spread[0]  # Euler's steps lengthen W a little
    other = descend(Whole(), Recipe(lambda: Descent(), FROBENIUS, 0.5, rate=0.0002), start)
    np.testing.assert_allclose(other.turned, other.spread, rtol=0.2)  # it shrinks
