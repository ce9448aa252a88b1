"""thm1.tensor_limit: its verdict, what changes it; points that are apart; bounds on f."""

import math

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, scaled, solved

from rkbs.spaces import tensor_sections
from rkbs.spaces.tensor_sections import TensorFunction
from rkbs.terms.residual_losses import Squared
from verify.claims.thm1 import tensor_limit as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.oracles import tensor_balls

FEW = constants(module, SIZES={2: (5, 5)}, ORDERS=(1, 4, 8, 10), RESTARTS=1)


def kernel(change):
    """The tensor kernel changed, where the problem takes it and where it is measured."""
    right = module.power_tensor

    def patch(p):
        for owner in (module, tensor_sections):
            p.setattr(owner, "power_tensor", lambda *x: change(right(*x)))

    return patch


broken = Subject("thm1.tensor_limit", FEW, "slow")
SABOTAGES = [
    broken("the tensor kernel × 0.9", kernel(lambda K: 0.9 * K), noticed="in infinite dimension"),
    broken(
        "the tensor kernel × (1 + 1e-12)",
        kernel(lambda K: K * (1 + 1e-12)),
        noticed="error of the tensor kernel",
    ),
    broken(
        "the tensor kernel to the power 1.01",
        kernel(lambda K: np.sign(K) * np.abs(K) ** 1.01),
        noticed="error of the tensor kernel",
    ),
    broken(
        "dual coefficients × 1.001",
        solved(module, lambda value: value._replace(c=1.001 * value.c)),
        "fast",
        "in infinite dimension",
    ),
    broken(
        "the solution × 1.01 at points",
        scaled(TensorFunction, "__call__", 1.01),
        noticed="difference at new points over its bound",
    ),
    broken("the solution zero at points", scaled(TensorFunction, "__call__", 0)),
    broken(
        "features cut one order early",
        attribute(
            module, "PowerFeatures", lambda f: lambda k, d, n: f(k, d, n - 1 if n < 45 else n)
        ),
        noticed="number of features",
    ),
    broken(
        "the balls' series with n! to the power m + 1",
        attribute(tensor_balls, "hypergeometric", lambda f: lambda t, m: f(t, m + 1)),
        noticed="in infinite dimension",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize("d", [1, 2])
def test_points_are_apart_in_every_coordinate(d):
    reach = module.REACH
    for seed in range(20):
        points = module.spread_points(np.random.default_rng(seed), 6, d)
        assert points.shape == (6, d)
        assert np.abs(points).max() < reach
        assert np.diff(np.sort(points, axis=0), axis=0).min() >= reach / 6 - 1e-12
    firsts = [module.spread_points(np.random.default_rng(seed), 6, d)[0] for seed in (0, 1)]
    assert np.ptp(firsts) > 0


def test_cuts_are_told_from_rounding_where_close_points_had_failed(monkeypatch):
    """The tensor's sum cancels at close points, and rounding hides what the cuts cost."""

    def passed():
        rows = [module._case(Run(seed=4), 2, d, Squared(), 10, list(module.ORDERS)) for d in (1, 2)]
        return {check.name: check.passed for check in module._cut_checks(rows)}

    monkeypatch.setattr(module, "whole_space_optimum", lambda problem: 1.0)  # of other checks
    assert all(passed().values())
    monkeypatch.setattr(
        module,
        "spread_points",
        lambda rng, n, d: rng.uniform(-module.REACH, module.REACH, (n, d)),
    )
    close = passed()
    assert not close["least excess over its bound, N ≥ 8 and above 100 × rounding"]


def test_functions_that_differ_by_more_than_strong_convexity_allows(monkeypatch):
    right = TensorFunction.__call__
    exact = module._case(Run(seed=1), 2, 1, Squared(), 7, [2, 14])
    assert max(cut["difference over its bound"] for cut in exact["cuts"]) <= 1
    monkeypatch.setattr(TensorFunction, "__call__", lambda f, points: 1.01 * right(f, points))
    wrong = module._case(Run(seed=1), 2, 1, Squared(), 7, [2, 14])
    assert wrong["cuts"][-1]["difference over its bound"] > 10


def test_cuts_tend_to_the_tensor_solution():
    row = module._case(Run(seed=1), 2, 1, Squared(), 7, [1, 4, 8, 14])
    excess = [cut["excess"] for cut in row["cuts"]]
    assert excess[0] > 1e-3
    assert excess == sorted(excess, reverse=True)
    assert abs(excess[-1]) < 1e-9
    assert abs(row["whole space"]) < 1e-6


def test_the_rate_is_that_of_the_remainder_and_no_slower_one():
    X, orders = np.array([[1.2], [-0.7]]), [*range(1, 13), 16, 20]
    tails = module.remainders(X, 2, orders)
    by_hand = sum(1.2 ** (4 * n) / math.factorial(n) ** 2 for n in range(4, 40))
    assert tails[2] == pytest.approx(by_hand, rel=1e-13)

    def slope(excess):
        cuts = [{"remainder": t, "excess": e} for t, e in zip(tails, excess, strict=True)]
        return module.rate(cuts, 1e-11)

    assert slope([3 * t for t in tails]) == pytest.approx(1, abs=1e-3)
    assert slope([t**0.4 for t in tails]) < 0.5
    assert slope([0.3**n for n in orders]) < 0.5


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize(
    "mutant",
    [lambda K: K * (1 + 1e-12), lambda K: K**1.001, lambda K: 1 / K],
    ids=["scaled", "power", "inverse"],
)
def test_wrong_tensor_kernels(m, mutant, monkeypatch):
    rng = np.random.default_rng(0)
    assert module.kernel_error(rng, m, 2) <= 1e-14
    right = module.power_tensor
    monkeypatch.setattr(module, "power_tensor", lambda *x: mutant(np.abs(right(*x))))
    assert not module.kernel_error(rng, m, 2) <= 1e-14


def test_another_tensor_kernel_has_another_solution(monkeypatch):
    monkeypatch.setattr(tensor_sections, "power_tensor", lambda *x: 1.01 * module.power_tensor(*x))
    row = module._case(Run(seed=1), 2, 1, Squared(), 7, [14])
    assert abs(row["cuts"][-1]["excess"]) > 1e-6
    assert abs(row["whole space"]) > 1e-6
