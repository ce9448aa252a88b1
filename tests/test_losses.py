"""Losses: value, gradient and conjugate agree with each other and with brute force."""

import numpy as np
import pytest

from rkbs import losses
from rkbs.losses import Loss, Squared

FORMULAS = {Squared: lambda h, z: 0.5 * (h - z) ** 2}
H = np.array([-2.0, -0.3, 0.0, 0.7, 4.0])
Z = np.array([1.0, -0.3, 2.0, 0.0, -1.5])
every_loss = pytest.mark.parametrize("loss", [cls() for cls in FORMULAS], ids=repr)


def test_table_has_every_loss():
    final = {c for c in vars(losses).values() if isinstance(c, type) and "__final__" in vars(c)}
    assert final == set(FORMULAS)
    assert all(issubclass(c, Loss) for c in final)


@every_loss
def test_value(loss):
    np.testing.assert_allclose(loss.value(H, Z), FORMULAS[type(loss)](H, Z), rtol=1e-15)
    assert (loss.value(H, Z) >= 0).all()
    assert not loss.value(Z, Z).any()


@every_loss
def test_gradient_by_finite_differences(loss):
    step = 1e-5
    slope = (loss.value(H + step, Z) - loss.value(H - step, Z)) / (2 * step)
    np.testing.assert_allclose(loss.gradient(H, Z), slope, atol=1e-9)


@every_loss
@pytest.mark.parametrize("u", [-1.5, 0.0, 0.4, 2.0])
def test_conjugate_is_the_supremum(loss, u):
    h = np.linspace(-10, 10, 200_001)
    brute = np.array([(u * h - loss.value(h, z)).max() for z in Z])
    np.testing.assert_allclose(loss.conjugate(np.full(Z.shape, u), Z), brute, atol=1e-8)


@every_loss
def test_fenchel_young(loss):
    equality = loss.value(H, Z) + loss.conjugate(loss.gradient(H, Z), Z)
    np.testing.assert_allclose(equality, H * loss.gradient(H, Z), atol=1e-14)
    u = np.linspace(-3, 3, 13)[:, None]
    excess = loss.value(H, Z) + loss.conjugate(u, Z) - u * H
    assert excess.min() >= -1e-14
    assert excess.max() > 1  # the inequality is strict away from the gradient
