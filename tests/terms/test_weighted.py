"""Losses with weights: w times the loss, with the conjugate, prox and barrier that has."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from problem_helpers import LOSSES, as_labels, product_problem, separable_problem
from scipy.optimize import minimize_scalar

from rkbs.data.pairs import Pairs
from rkbs.solvers import Alternating, DualNewton, solve
from rkbs.terms import Huber, Logistic, Loss, Squared, Weighted
from rkbs.terms.weighted import part_of, squared_weights, weighted, weights_of, without_weights

RNG = np.random.default_rng(0)
H, Z = 3 * RNG.standard_normal(40), RNG.standard_normal(40)
W = np.exp(2 * RNG.standard_normal(40))
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


@every_loss
def test_values_and_slopes_are_multiples(loss):
    z, heavy = as_labels(loss, Z), Weighted(loss, W)
    for part in ("value", "gradient", "curvature"):
        np.testing.assert_array_equal(getattr(heavy, part)(H, z), W * getattr(loss, part)(H, z))
    assert (heavy.smooth, heavy.labels) == (loss.smooth, loss.labels)
    assert heavy.of_residual == loss.of_residual
    assert heavy.check(z) is z or np.array_equal(heavy.check(z), z)


@every_loss
def test_tensors_have_the_gradient_of_the_value(loss):
    z, heavy = torch.from_numpy(as_labels(loss, Z)), Weighted(loss, W)
    h = torch.from_numpy(H).requires_grad_()
    (slope,) = torch.autograd.grad(heavy.value(h, z).sum(), h)
    np.testing.assert_allclose(slope, heavy.gradient(H, as_labels(loss, Z)), rtol=1e-12)


@every_loss
@pytest.mark.parametrize("step", [1e-4, 0.7, 1e3])
def test_prox_is_that_of_each_weight(loss, step):
    z = as_labels(loss, Z)
    found = Weighted(loss, W).prox(H, z, step)
    expected = [
        loss.prox(H[k : k + 1], z[k : k + 1], step * w)[0] for k, w in enumerate(W.tolist())
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@every_loss
def test_conjugate_is_the_supremum_and_meets_its_ends(loss):
    z, heavy = as_labels(loss, Z), Weighted(loss, W)
    slope = heavy.gradient(H, z)  # of kinked and of flat losses at the ends of the domain
    equal = heavy.value(H, z) + heavy.conjugate(slope, z) - slope * H
    np.testing.assert_allclose(equal, 0, atol=1e-12 * (1 + np.abs(slope * H).max()))
    inside = 0.9 * heavy.interior(z)
    for k in range(0, 40, 7):
        one, w, u = loss, W[k], inside[k]
        least = minimize_scalar(
            lambda h, one=one, w=w, u=u, k=k: w * one.value(np.array(h), z[k]) - u * h,
            bounds=(-60, 60), method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        assert heavy.conjugate(inside, z)[k] == pytest.approx(-least.fun, abs=1e-6)
    if loss != Squared():
        outside = 1.001 * np.where(slope == 0, W, slope) + 10 * W * np.sign(slope)
        assert np.isinf(heavy.conjugate(outside, z)).all()


@every_loss
def test_barrier_is_smooth_and_tends_to_the_conjugate(loss):
    z, heavy = as_labels(loss, Z), Weighted(loss, W)
    u, step = 0.8 * heavy.interior(z) + 0.05 * W * (not loss.labels), 1e-6 * W
    _, slope, bend = heavy.barrier(u, z, 0.1)
    (up, above, _), (down, below, _) = (heavy.barrier(u + s, z, 0.1) for s in (step, -step))
    np.testing.assert_allclose((up - down) / (2 * step), slope, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose((above - below) / (2 * step), bend, rtol=1e-5, atol=1e-7)
    near = heavy.barrier(u, z, 1e-9)[0] - heavy.barrier(heavy.interior(z), z, 1e-9)[0]
    other = heavy.conjugate(u, z) - heavy.conjugate(heavy.interior(z), z)
    np.testing.assert_allclose(near, other, atol=1e-6 * W.max())


@every_loss
def test_functions_of_the_separable_problem_take_weights(loss):
    """Integers are repeated observations: of the dual of f + g, each pair has its own unknown."""
    plain = separable_problem(loss=loss, keep=16)
    counts = 1 + RNG.integers(0, 3, 16)
    heavy = type(plain)(
        plain.spaces, plain.pairs, plain.z, 0.3, 0.2, Weighted(loss, counts),
        plain.regularizer_x, plain.regularizer_y,
    )  # fmt: skip
    index = np.repeat(np.arange(16), counts)
    time = np.concatenate([np.arange(n) for n in counts])
    X = np.vstack([plain.pairs.X] * 3)
    many = Pairs(X, plain.pairs.Y, plain.pairs.i[index] + 6 * time, plain.pairs.j[index])
    repeated = type(plain)(
        plain.spaces, many, plain.z[index], 0.3, 0.2, loss,
        plain.regularizer_x, plain.regularizer_y,
    )  # fmt: skip
    found, expected = (solve(one, DualNewton(1e-10)).check() for one in (heavy, repeated))
    x, y = RNG.uniform(-1, 1, (2, 5, 3))
    np.testing.assert_allclose(
        found.predict_grid(x, y), expected.predict_grid(x, y), rtol=1e-3, atol=1e-4
    )
    assert found.certificate.primal == pytest.approx(expected.certificate.primal, rel=1e-9)


def test_products_of_functions_take_weights():
    """A stationary point, as of finite differences of the objective."""
    plain = product_problem(p=2.0)
    heavy = replace(plain, loss=Weighted(Squared(), W[: len(plain.pairs)]))
    v, u = solve(heavy, Alternating(1e-8)).check().value
    assert v.any()
    size = heavy.objective(v, u)
    for dv, du in ((RNG.standard_normal(len(v)), 0 * u), (0 * v, RNG.standard_normal(len(u)))):
        up, down = (heavy.objective(v + s * dv, u + s * du) for s in (1e-5, -1e-5))
        assert abs(up - down) / 2e-5 < 1e-5 * size
        assert up + down > 2 * size


def test_parts_and_what_is_refused():
    heavy = Weighted(Huber(), W)
    np.testing.assert_array_equal(part_of(heavy, W > 1).weights, W[W > 1])
    assert part_of(Huber(), W > 1) == Huber() == without_weights(heavy) == without_weights(Huber())
    assert weights_of(Huber()) is None is squared_weights(Squared())
    assert squared_weights(Weighted(Squared(), W)) is not None
    for call, error, says in (
        (lambda: Weighted(Huber(), W - W.max()), ValueError, "^weights must be positive.*weight 0"),
        (lambda: Weighted(Huber(), W[:, None]), ValueError, r"^weights must .*\(40, 1\)"),
        (lambda: Weighted(heavy, W), TypeError, "^loss must have no weights yet"),
        (lambda: Weighted("huber", W), TypeError, "^loss must be a DualLoss"),
        (lambda: heavy.check(Z[:3]), ValueError, r"^weights must hold one for each.*\(3,\)"),
        (lambda: Weighted(Logistic(), W).check(Z), ValueError, "^z must be −1 or 1 for Logistic"),
        (lambda: squared_weights(heavy), ValueError, "^the squared loss was needed"),
        (lambda: weighted(_Smooth(), W), TypeError, "^loss must be a DualLoss where pairs have"),
    ):  # fmt: skip
        with pytest.raises(error, match=says):
            call()


class _Smooth(Loss):
    smooth = True
    value = gradient = conjugate = curvature = prox = None
