"""The claims on the operator, product and infinite-dimensional readings, and their own bounds."""

import math

import numpy as np
import pytest

from rkbs.terms.losses import Logistic, Squared
from verify.claims.thm1 import attention_factorized as thm1_attention
from verify.claims.thm1 import product_expansion as thm1_product
from verify.claims.thm1 import schatten_expansion as thm1_schatten
from verify.claims.thm1 import tensor_limit as thm1_tensor
from verify.harness.evidence import Verdict
from verify.harness.run import Run

# ---- Schatten penalties


@pytest.fixture
def few_exponents(monkeypatch):
    monkeypatch.setattr(thm1_schatten, "EXPONENTS", (1.0, 1.5, 2.0, 3.0))


def test_schatten_holds_if(few_exponents):
    assert thm1_schatten.schatten_expansion(Run(seed=1)).verdict is Verdict.HOLDS_IF


def test_a_dual_point_a_hair_outside_its_domain_is_scaled_into_it():
    setting = thm1_schatten.Setting(np.random.default_rng(0), Squared(), True)
    c = setting.z / 2
    norm = np.linalg.norm(setting.phi_x.T @ setting.pairs.matrix(c) @ setting.phi_y, 2)
    edge = setting.dual(c, 1.0, norm * (1 + 1e-12))
    assert edge == pytest.approx(-setting.loss.conjugate(-c, setting.z).sum(), rel=1e-11)
    # Unscaled, a c that is larger by 5e-10 would give another value.
    slope = abs(((c - setting.z) * c).sum()) / edge
    assert slope > 0.1
    larger = setting.dual((1 + 5e-10) * c, 1.0, norm)
    assert larger == pytest.approx(edge, rel=1e-12)
    assert setting.dual((1 + 1e-8) * c, 1.0, norm) == -np.inf


# ---- attention, factorized


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=repr)
def test_the_rank_bound_is_below_heads_of_that_rank(loss):
    """Of heads near the convex solution, cut to d rows, and of the best of them by rescaling."""
    setting = thm1_attention.Setting([0, 0], loss, True)
    problem = setting.problem.with_alpha(0.03 * setting.threshold)
    solution = thm1_attention.solve(problem, thm1_attention.ADMM(tol=1e-10))
    U, sigma, Vt = np.linalg.svd(solution.value.M)
    for d in (1, solution.stats["rank"] - 1):
        bound = thm1_attention.rank_bound(problem, solution.value.M, d)
        cut = (U[:, :d] * sigma[:d]) @ Vt[:d]
        above = [problem.objective(t * cut) for t in (0.8, 1.0, 1.2)]
        assert 0 < bound <= min(above) - solution.certificate.dual
    assert thm1_attention.rank_bound(problem, solution.value.M, len(sigma)) == 0


# ---- products


@pytest.fixture
def one_exponent(monkeypatch):
    monkeypatch.setattr(thm1_product, "EXPONENTS", (1.5, 2.0))
    monkeypatch.setattr(thm1_product, "DRAWS", (2,))  # of seed 1 one with local minima


def test_product_verdicts(one_exponent):
    run = Run(seed=1)
    assert thm1_product.product_expansion(run).verdict is Verdict.HOLDS
    assert thm1_product.product_unique(run).verdict is Verdict.FAILS


def test_the_nuclear_bound_is_a_bound_wherever_it_is_taken():
    """Far from a minimizer −ℓ'(h) is not feasible, and must be made so."""
    rng = np.random.default_rng(0)
    problem = thm1_product.make_problem(rng, 2.0, Squared(), 1.0)
    v, u = thm1_product.solve(problem, thm1_product.Alternating(1e-9)).value
    best, v, u = problem.objective(v, u), rng.standard_normal(v.shape), rng.standard_normal(u.shape)
    for size in (0.0, 0.1, 1.0):
        bound = thm1_product.nuclear_bound(problem, size * v, size * u)
        assert np.isfinite(bound)
        assert bound <= best * (1 + 1e-12)


# ---- infinite dimension


def test_cuts_tend_to_the_tensor_solution():
    row = thm1_tensor._case(Run(seed=1), 2, 1, Squared(), 7, [1, 4, 8, 14])
    excess = [cut["excess"] for cut in row["cuts"]]
    assert excess[0] > 1e-3
    assert excess == sorted(excess, reverse=True)
    assert abs(excess[-1]) < 1e-9
    assert abs(row["whole space"]) < 1e-6


def test_the_rate_is_that_of_the_remainder_and_no_slower_one():
    X, orders = np.array([[1.2], [-0.7]]), [*range(1, 13), 16, 20]
    tails = thm1_tensor.remainders(X, 2, orders)
    by_hand = sum(1.2 ** (4 * n) / math.factorial(n) ** 2 for n in range(4, 40))
    assert tails[2] == pytest.approx(by_hand, rel=1e-13)

    def slope(excess):
        cuts = [{"remainder": t, "excess": e} for t, e in zip(tails, excess, strict=True)]
        return thm1_tensor.rate(cuts, 1e-11)

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
    assert thm1_tensor.kernel_error(rng, m, 2) <= 1e-14
    right = thm1_tensor.power_tensor
    monkeypatch.setattr(thm1_tensor, "power_tensor", lambda *x: mutant(np.abs(right(*x))))
    assert not thm1_tensor.kernel_error(rng, m, 2) <= 1e-14


def test_another_tensor_kernel_has_another_solution(monkeypatch):
    monkeypatch.setattr(
        "rkbs.spaces.sections.power_tensor", lambda *x: 1.01 * thm1_tensor.power_tensor(*x)
    )
    row = thm1_tensor._case(Run(seed=1), 2, 1, Squared(), 7, [14])
    assert abs(row["cuts"][-1]["excess"]) > 1e-6
    assert abs(row["whole space"]) > 1e-6
