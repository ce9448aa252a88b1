"""Losses: value, gradient and conjugate agree with each other and with brute force."""

import mpmath
import numpy as np
import pytest
from helpers import final_below

from rkbs.terms.losses import DualLoss, Loss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.weighted import Weighted

H = np.array([-2.0, -0.3, 0.0, 0.7, 4.0])
Z = np.array([1.0, -0.4, 2.0, 0.0, -1.5])
LABELS = np.array([1.0, -1.0, 1.0, -1.0, -1.0])

# Each loss with its formula, written another way, and the domain of ℓ* as an interval of u for z.
FORMULAS = {
    Squared(): lambda h, z: 0.5 * (h - z) ** 2,
    Logistic(): lambda h, z: np.log1p(np.exp(-z * h)),
    Huber(0.5): lambda h, z: (
        np.minimum(abs(h - z), 0.5) * (abs(h - z)) - np.minimum(abs(h - z), 0.5) ** 2 / 2
    ),
    Hinge(): lambda h, z: (1 - z * h) * (z * h < 1),
    EpsilonInsensitive(0.3): lambda h, z: (abs(h - z) - 0.3) * (abs(h - z) > 0.3),
    EpsilonInsensitive(0.0): lambda h, z: abs(h - z),
}
DOMAINS = {
    Squared: lambda z: (-np.inf, np.inf),
    Logistic: lambda z: (min(-z, 0), max(-z, 0)),
    Huber: lambda z: (-0.5, 0.5),
    Hinge: lambda z: (min(-z, 0), max(-z, 0)),
    EpsilonInsensitive: lambda z: (-1, 1),
}
every_loss = pytest.mark.parametrize("loss", FORMULAS, ids=repr)


def responses(loss):
    return LABELS if loss.labels else Z


def test_table_has_every_loss():
    every = {type(loss) for loss in FORMULAS}
    assert final_below(Loss) == final_below(DualLoss) == every | {Weighted}  # test_weighted.py
    assert every == set(DOMAINS)


@every_loss
def test_value(loss):
    z = responses(loss)
    np.testing.assert_allclose(loss.value(H, z), FORMULAS[loss](H, z), rtol=1e-14, atol=1e-15)
    assert (loss.value(H, z) >= 0).all()
    assert loss.value(H, z).any()


@every_loss
def test_gradient_by_finite_differences(loss):
    z, step = responses(loss), 1e-5
    slope = (loss.value(H + step, z) - loss.value(H - step, z)) / (2 * step)
    np.testing.assert_allclose(loss.gradient(H, z), slope, atol=1e-9)


@every_loss
def test_smooth_says_whether_the_gradient_jumps(loss):
    h = np.linspace(-3, 3, 600_001)[:, None]  # steps of 1e-5; every kink is a point of it
    jumps = np.abs(np.diff(loss.gradient(h, responses(loss)), axis=0)).max()
    assert jumps < 1e-4 if loss.smooth else jumps >= 1


@every_loss
def test_curvature_by_finite_differences(loss):
    z, step = responses(loss), 1e-6
    bend = (loss.gradient(H + step, z) - loss.gradient(H - step, z)) / (2 * step)
    np.testing.assert_allclose(loss.curvature(H, z), bend, atol=1e-8)


@every_loss
@pytest.mark.parametrize("step", [1e-3, 0.3, 1.0, 40.0, 1e6])
def test_prox_beats_every_other_point(loss, step):
    h, z = np.repeat(H, 5), np.tile(responses(loss), 5)
    near = loss.prox(h, z, step)

    def objective(t):
        return step * loss.value(t, z) + (t - h) ** 2 / 2

    for move in (1e-3, -1e-3, 0.1, -0.1, 5.0, -5.0):  # strongly convex: ½ move² above the minimum
        rise = objective(near + move) - objective(near)
        assert (rise >= move**2 / 2 - 1e-9 * (1 + objective(near))).all()


@every_loss
def test_prox_and_the_conjugate_share_the_point(loss):
    """Moreau: u = (h − prox)/step is a subgradient of ℓ at the prox (Fenchel equality)."""
    h, z, step = np.repeat(H, 5), np.tile(responses(loss), 5), 0.7
    near = loss.prox(h, z, step)
    u = (h - near) / step
    u = np.clip(u, *loss_domain(loss, z))  # rounding must not leave the conjugate's domain
    excess = loss.value(near, z) + loss.conjugate(u, z) - u * near
    np.testing.assert_allclose(excess, 0, atol=1e-12)


@pytest.mark.parametrize("step", [1e-3, 1.0, 33.0, 1e3, 1e7])
def test_logistic_prox_solves_its_equation(step):
    h, z = np.linspace(-200, 200, 801), np.where(np.arange(801) % 3, 1.0, -1.0)
    t = Logistic().prox(h, z, step)
    residual = t - h + step * Logistic().gradient(t, z)
    assert np.abs(residual).max() <= 1e-14 * (200 + step)


def loss_domain(loss, z):
    low, high = zip(*(DOMAINS[type(loss)](response) for response in z), strict=True)
    return np.array(low), np.array(high)


@every_loss
@pytest.mark.parametrize("u", [-1.5, -0.9, -0.4, 0.0, 0.4, 0.9, 2.0])
def test_conjugate_is_the_supremum(loss, u):
    h = np.linspace(-40, 40, 800_001)
    for z in responses(loss):
        low, high = DOMAINS[type(loss)](z)
        found = loss.conjugate(np.array([u]), np.array([z]))[0]
        if low <= u <= high:
            brute = (u * h - loss.value(h, z)).max()
            assert found == pytest.approx(brute, abs=1e-8)
        else:
            assert found == np.inf
            assert u * (40 if u > 0 else -40) - loss.value((40 if u > 0 else -40), z) > 10


@every_loss
def test_fenchel_young(loss):
    z = responses(loss)
    gradient = loss.gradient(H, z)
    equality = loss.value(H, z) + loss.conjugate(gradient, z)
    np.testing.assert_allclose(equality, H * gradient, atol=1e-14)
    u = np.linspace(-3, 3, 61)[:, None]
    excess = loss.value(H, z) + loss.conjugate(u, z) - u * H
    assert excess.min() >= -1e-14
    assert excess.max() > 1  # the inequality is strict away from the gradient


@every_loss
def test_subgradient_at_kinks(loss):
    z = responses(loss)
    kinks = np.array([z, z + 0.3, z - 0.3, z + 0.5, 1 / np.where(z == 0, 1, z)])
    gradient = loss.gradient(kinks, z)
    for other in np.linspace(-5, 5, 101):
        bound = loss.value(kinks, z) + gradient * (other - kinks)
        assert (loss.value(np.full_like(kinks, other), z) >= bound - 1e-12).all()


@every_loss
@pytest.mark.parametrize("mu", [1e-1, 1e-3])
def test_barrier_has_its_derivatives(loss, mu):
    z = responses(loss)
    u = loss.interior(z) + 0.3 * np.array([0.9, -0.5, 0.2, -1.0, 0.0])
    step = 1e-5
    up, here, down = (loss.barrier(u + t, z, mu) for t in (step, 0.0, -step))
    np.testing.assert_allclose((up[0] - down[0]) / (2 * step), here[1], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose((up[1] - down[1]) / (2 * step), here[2], rtol=1e-5, atol=1e-6)
    assert (here[2] >= 0).all()


@every_loss
def test_barrier_tends_to_the_conjugate_up_to_a_constant(loss):
    z, difference = responses(loss), []
    for scale in (0.5, 0.9):
        u = scale * loss.interior(z) + 0.1 * np.array([0.9, -0.5, 0.2, -1.0, 0.3])
        difference.append(loss.barrier(u, z, 1e-12)[0] - loss.conjugate(u, z))
    np.testing.assert_allclose(difference[0], difference[1], atol=1e-10)


@every_loss
def test_barrier_is_infinite_outside_the_domain(loss):
    z = responses(loss)
    if not isinstance(loss, Squared):  # whose conjugate is finite everywhere
        outside = np.array([DOMAINS[type(loss)](entry)[1] for entry in z]) + 1e-9
        assert np.isinf(loss.barrier(outside, z, 0.1)[0]).all()
    for scale in (1.0, 0.5, 1e-3):
        assert np.isfinite(loss.barrier(scale * loss.interior(z), z, 0.1)[0]).all()


@pytest.mark.parametrize("mutant", ["no linear term", "no domain", "halved"])
def test_a_wrong_conjugate_is_rejected(mutant):
    loss, u, z = Huber(0.5), np.array([0.4, 0.9]), np.array([1.0, 1.0])
    wrong = {
        "no linear term": u * u / 2,
        "no domain": u * u / 2 + u * z,
        "halved": loss.conjugate(u, z) / 2,
    }[mutant]
    h = np.linspace(-40, 40, 800_001)
    brute = [(a * h - loss.value(h, b)).max() for a, b in zip(u, z, strict=True)]
    assert np.isinf(loss.conjugate(u, z))[1]
    right = abs(wrong[0] - brute[0]) < 1e-8
    assert not (right and wrong[1] == np.inf)


def test_large_margins_do_not_overflow():
    h, z = np.array([1e4, -1e4]), np.ones(2)
    np.testing.assert_allclose(Logistic().value(h, z), [0, 1e4])
    np.testing.assert_allclose(Logistic().gradient(h, z), [0, -1])


@every_loss
def test_only_a_loss_of_labels_checks_them(loss):
    assert loss.check(LABELS) is LABELS
    if type(loss) not in (Logistic, Hinge):
        assert not loss.labels
        assert loss.check(Z) is Z
        return
    assert loss.labels
    with pytest.raises(ValueError, match=r"labels must be −1 or 1 for .*, got 0"):
        loss.check(np.array([1.0, 0.0]), "labels")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Huber(0.0), ValueError, "delta must be positive and finite"),
        (lambda: Huber(np.nan), ValueError, "delta must be positive and finite"),
        (lambda: Huber("1"), TypeError, "delta must be a real number"),
        (lambda: EpsilonInsensitive(-0.1), ValueError, "epsilon must be finite and ≥ 0"),
        (lambda: EpsilonInsensitive(True), TypeError, "epsilon must be a real number"),
    ],
)
def test_bad_parameters_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- extreme arguments, against 700 digits

EXTREMES = (0.0, 1e-300, 1e-160, 1e-8, 1.0, 30.0, 800.0, 1e8, 1e160, 1e300)
STEPS = (1e-300, 1e-8, 1.0, 1e16, 1e300)
EXACT = {
    Squared(): lambda h, z: (h - z) ** 2 / 2,
    Logistic(): lambda h, z: mpmath.log1p(mpmath.exp(-z * h)) if z * h > -2000 else -z * h,
    Hinge(): lambda h, z: max(0, 1 - z * h),
    **{
        Huber(d): lambda h, z, d=d: (
            (h - z) ** 2 / 2
            if abs(h - z) <= d
            else mpmath.mpf(d) * (abs(h - z) - mpmath.mpf(d) / 2)
        )
        for d in (0.5, 1e-150, 1e150)
    },
    **{
        EpsilonInsensitive(e): lambda h, z, e=e: max(0, abs(h - z) - mpmath.mpf(e))
        for e in (0.3, 0.0, 1e-150, 1e150)
    },
}
extreme_loss = pytest.mark.parametrize("loss", EXACT, ids=repr)


def extremes(loss):
    """h and z, every sign and size of both."""
    z = [1.0, -1.0] if loss.labels else [0.0, 1e-140, -1.0, 1e140]
    h = [sign * size for size in EXTREMES for sign in (1.0, -1.0)]
    return np.tile(h, len(z)), np.repeat(z, len(h))


def test_extremes_have_every_loss():
    assert {type(loss) for loss in EXACT} == {type(loss) for loss in FORMULAS}


@extreme_loss
def test_values_at_extreme_arguments(loss):
    h, z = extremes(loss)
    with mpmath.workdps(700):
        exact = [EXACT[loss](mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(h, z, strict=True)]
        finite = np.array([value < mpmath.mpf(1.7e308) for value in exact])
        wanted = np.array([float(value) for value in exact])[finite]
    found = loss.value(h[finite], z[finite])
    # The difference h − z is rounded, and with it what is left of it beyond a kink.
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-320)
    gradient = loss.gradient(h, z)
    assert np.isfinite(gradient).all()
    assert np.isfinite(loss.curvature(h, z)).all()


@extreme_loss
def test_conjugates_at_extreme_arguments(loss):
    """Finite in the domain, also at both of its ends; infinite beyond, without a warning."""
    u, z = extremes(loss)
    low, high = {Squared: (-1e140, 1e140), Huber: (-1, 1)}.get(type(loss), (None, None))
    if isinstance(loss, Huber):
        low, high = -loss.delta, loss.delta
    if low is None:
        low, high = (-1, 1) if isinstance(loss, EpsilonInsensitive) else loss_domain(loss, z)
    inside = (u >= low) & (u <= high)
    u, z = np.append(u, np.clip(u, low, high)), np.append(z, z)
    inside = np.append(inside, np.full(len(inside), True))
    if isinstance(loss, Squared):
        u, z, inside = u[inside], z[inside], inside[inside]
    found = loss.conjugate(u, z)
    assert np.isfinite(found[inside]).all()
    assert (found[~inside] == np.inf).all()


@extreme_loss
@pytest.mark.parametrize("step", STEPS)
def test_the_prox_at_extreme_arguments(loss, step):
    """Near it the derivative of step · ℓ(t) + ½ (t − h)² changes its sign."""
    h, z = extremes(loss)
    found = loss.prox(h, z, step)
    assert np.isfinite(found).all()
    with mpmath.workdps(700):
        for a, b, t in zip(h, z, found, strict=True):
            # Rounding of t, or of h where a pull of its size takes it to 0.
            error = mpmath.mpf(1e-14) * max(
                abs(t), min(abs(a), mpmath.mpf(step) * max(1, abs(b))), 1e-307
            )
            below, above = (slope(loss, mpmath.mpf(t) + s * error, b, a, step) for s in (-1, 1))
            assert below <= 0 <= above, (a, b, t)


def slope(loss, t, z, h, step):
    """step · ℓ'(t; z) + t − h, in as many digits as are set."""
    r, z = t - mpmath.mpf(z), mpmath.mpf(z)
    if isinstance(loss, Squared):
        pull = r
    elif isinstance(loss, Huber):
        pull = min(max(r, -mpmath.mpf(loss.delta)), mpmath.mpf(loss.delta))
    elif isinstance(loss, Hinge):
        pull = -z if z * t < 1 else 0
    elif isinstance(loss, EpsilonInsensitive):
        pull = mpmath.sign(r) if abs(r) > mpmath.mpf(loss.epsilon) else 0
    else:
        pull = -z / (1 + mpmath.exp(z * t)) if z * t < 2000 else mpmath.mpf(0)
    return mpmath.mpf(step) * pull + t - mpmath.mpf(h)
