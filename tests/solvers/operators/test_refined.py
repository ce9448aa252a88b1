"""Corrections in another precision, in torch and by a cluster, against dense algebra."""

import itertools
import os
import signal

import numpy as np
import pytest
from optional import torch

from rkbs import RBF, BinaryKernelRidge, ConjugateGradient, LowRank, LowRankGram, Pairs, solve
from rkbs.problems import Offsets, OperatorProblem
from rkbs.solvers import (
    Cholesky,
    ConvergenceError,
    DaskBackend,
    NumpyBackend,
    RefinedConjugateGradient,
    Spectral,
    TorchBackend,
)
from rkbs.solvers.operators import backends
from rkbs.solvers.operators._pair_products import PairProducts
from rkbs.solvers.operators.incomplete import _descend

RNG = np.random.default_rng(0)
F_X, F_Y = RNG.standard_normal((60, 7)), RNG.standard_normal((50, 4)) * [1, 0.1, 3, 0.01]
X, Y = np.zeros((60, 1)), np.zeros((50, 1))


def problem(count=300, constant=False, alpha=0.2, scale=1.0):
    flat = np.random.default_rng(1).permutation(3000)[:count]
    pairs, rng = Pairs(X, Y, *np.divmod(flat, 50)), np.random.default_rng(2)
    z = (F_X[pairs.i, 0] * F_Y[pairs.j, 2] + 3 + rng.standard_normal(count)) * scale
    grams = LowRankGram(F_X), LowRankGram(F_Y)
    return OperatorProblem(*grams, pairs, z, alpha, offsets=Offsets(constant))


def by_hand(given):
    """The weights of all products of features, and a constant, by least squares."""
    i, j, one = given.pairs.i, given.pairs.j, int(given.offsets.constant)
    phi = np.einsum("na,nb->nab", F_X[i], F_Y[j]).reshape(len(i), -1)
    A = np.hstack([phi, np.ones((len(i), one))])
    root = np.sqrt(given.alpha) * np.eye(28, 28 + one)
    found = np.linalg.lstsq(np.vstack([A, root]), np.append(given.z, np.zeros(28)))[0]
    return found[:28].reshape(7, 4), found[28:]


@pytest.fixture(params=["numpy 32", "numpy 64", "torch 32", "torch 64"])
def backend(request):
    name, digits = request.param.split()
    if name == "torch":
        torch.zeros(1)  # skipped where it is not installed
        return TorchBackend(dtype=f"float{digits}")
    return NumpyBackend(f"float{digits}")


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("count", [20, 300, 2900, 3000])
def test_fits_are_those_of_least_squares(backend, count, constant):
    given = problem(count, constant)
    solution = solve(given, RefinedConjugateGradient(backend=backend)).check()
    weights, theta = by_hand(given)
    assert solution.certificate.kkt_residual < 1e-10
    assert abs(given.expansion(solution.value.M) - weights).max() < 1e-8 * abs(weights).max()
    assert np.allclose(solution.value.theta, theta, rtol=0, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scales_that_single_precision_does_not_hold(backend, scale):
    given = problem(scale=scale)
    solution = solve(given, RefinedConjugateGradient(backend=backend)).check()
    weights, _ = by_hand(given)
    assert abs(given.expansion(solution.value.M) - weights).max() < 1e-8 * abs(weights).max()


def test_a_fresh_residual_costs_no_steps(backend):
    given = problem(1500, alpha=0.01)
    one = solve(given, RefinedConjugateGradient(backend=backend)).check()
    M = np.zeros_like(given.factors.products)
    _, steps = _descend(given, PairProducts.of(given), M, 1e-10, 5000)
    assert one.stats["runs"] > 1
    assert one.stats["iterations"] <= steps + 4


def test_a_constant_costs_no_steps(backend):
    """The preconditioner knows it: a diagonal alone takes half as many steps again."""
    x = np.random.default_rng(4).standard_normal((400, 2))
    F = LowRank(RBF(0.1), x, 12).features(x)
    pairs = Pairs(x, x, *np.divmod(np.random.default_rng(5).permutation(160_000)[:8000], 400))
    z = np.sin(x[pairs.i, 0] + x[pairs.j, 1])
    steps = [
        solve(
            OperatorProblem(LowRankGram(F), LowRankGram(F), pairs, z, 1.0, offsets=Offsets(has)),
            RefinedConjugateGradient(backend=backend),
        )
        .check()
        .stats["iterations"]
        for has in (False, True)
    ]
    assert steps[1] <= steps[0] + 2


def test_dense_gram_matrices_too(backend):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((25, 2))
    pairs = Pairs.from_mask(x, y, rng.uniform(size=(30, 25)) < 0.5)
    z = np.sin(x[pairs.i, 0] + y[pairs.j, 0])
    given = OperatorProblem(RBF()(x, x), RBF()(y, y), pairs, z, 0.1)
    one = solve(given, RefinedConjugateGradient(backend=backend)).check()
    other = solve(given, Cholesky()).check()
    assert abs(one.value.M - other.value.M).max() < 1e-8 * abs(other.value.M).max()


def test_a_path_goes_on_from_the_last_alpha(backend):
    state = RefinedConjugateGradient(backend=backend).setup(problem(constant=True))
    for solution in state.path([1.0, 0.99]):
        weights, _ = by_hand(solution.problem)
        found = solution.check().problem.expansion(solution.value.M)
        assert abs(found - weights).max() < 1e-8 * abs(weights).max()


def test_too_few_steps_fail_with_their_certificate():
    with pytest.raises(ConvergenceError, match="RefinedConjugateGradient stopped at a rel"):
        solve(problem(), RefinedConjugateGradient(max_iter=2)).check()


def test_a_backend_of_wrong_products_never_passes(monkeypatch):
    """The residual is the problem's, whatever the backend computes."""
    right = backends._NumpyNormal.__call__
    for wrong in (lambda self, M: 0.2 * right(self, M), lambda self, M: right(self, 3 * M) + M):
        monkeypatch.setattr(backends._NumpyNormal, "__call__", wrong)
        solution = solve(problem(), RefinedConjugateGradient(max_iter=60))
        weights, _ = by_hand(solution.problem)
        off = abs(solution.problem.expansion(solution.value.M) - weights).max()
        assert not solution.certificate.passed or off < 1e-7


@pytest.mark.parametrize("alpha", 10.0 ** np.arange(-9, 3))
def test_an_alpha_that_single_precision_cannot_see(backend, alpha):
    given = problem(constant=True, alpha=alpha)
    solution = solve(given, RefinedConjugateGradient(backend=backend, max_iter=1000)).check()
    weights, _ = by_hand(given)
    assert abs(given.expansion(solution.value.M) - weights).max() < 1e-7 * abs(weights).max()


def test_a_machine_takes_it():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(size=(80, 2)), rng.uniform(size=(70, 2))
    pairs = Pairs.from_mask(x, y, rng.uniform(size=(80, 70)) < 0.5)
    z = np.sin(3 * x[pairs.i, 0] + y[pairs.j, 0])
    kernels = LowRank(RBF(), x, 40), LowRank(RBF(), y, 40)
    one = BinaryKernelRidge(*kernels, solver=RefinedConjugateGradient()).fit(pairs, z)
    other = BinaryKernelRidge(*kernels, solver=ConjugateGradient()).fit(pairs, z)
    assert abs(one.predict(pairs) - other.predict(pairs)).max() < 1e-8


@pytest.mark.parametrize("count", [1, 2, 5, 60, 100])
def test_parts_cover_the_rows_once(count):
    i = np.sort(np.random.default_rng(0).integers(0, 60, 500))
    parts = backends._parts(i, count)
    assert parts[0][0] == 0
    assert parts[-1][1] == 500
    assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
    rows = [set(i[first:last]) for first, last in parts]
    assert all(rows)
    assert sum(map(len, rows)) == len(set.union(*rows)) == len(set(i))
    assert len(parts) <= count


def test_a_cluster_that_loses_a_worker_gives_what_one_machine_does(monkeypatch):
    distributed = pytest.importorskip("distributed")
    given = problem(1500, constant=True, alpha=0.01)
    alone = solve(given, RefinedConjugateGradient(backend=NumpyBackend("float64"))).check()
    right, calls = backends._DaskNormal.__call__, []
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        processes = client.run(os.getpid)

        def killing(self, M):
            calls.append(1)
            if len(calls) == 3:
                os.kill(next(iter(processes.values())), signal.SIGKILL)
            return right(self, M)

        monkeypatch.setattr(backends._DaskNormal, "__call__", killing)
        backend = DaskBackend(client, parts=3)
        solution = solve(given, RefinedConjugateGradient(backend=backend)).check()
    assert len(calls) > 5
    assert abs(solution.value.M - alone.value.M).max() < 1e-10 * abs(alone.value.M).max()


WRONG = [
    (lambda: NumpyBackend("float16"), ValueError, "dtype must be one of"),
    (lambda: TorchBackend("cpu", "half"), ValueError, "dtype must be one of"),
    (lambda: DaskBackend("localhost"), TypeError, "client must be a distributed.Client"),
    (lambda: RefinedConjugateGradient(backend="numpy"), TypeError, "backend must be a Backend"),
    (lambda: RefinedConjugateGradient(max_iter=0), ValueError, "max_iter must be at least 1"),
    (lambda: RefinedConjugateGradient(tol=0), ValueError, "tol must be positive"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_wrong_arguments_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_effects_are_refused():
    given = problem()
    effects = OperatorProblem(
        given.gram_x, given.gram_y, given.pairs, given.z, 1.0, offsets=Offsets(True, np.arange(60))
    )
    with pytest.raises(ValueError, match="without effects: use ConjugateGradient"):
        solve(effects, RefinedConjugateGradient())
    assert Spectral().tol  # the default of complete grids stays as it is
