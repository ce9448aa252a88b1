"""Newton's method on the optimality equations, by equations written out here."""

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from helpers import every_two
from problem_helpers import as_labels

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP
from rkbs.problems.expansion import OneSidedProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import DualNewton, solve
from rkbs.solvers.functions import _optimality as module
from rkbs.solvers.functions._optimality import InCoordinates, Optimality, ThroughDual, polish
from rkbs.solvers.functions._pair_hessian import PairSystem
from rkbs.solvers.functions._smoothed_dual import SmoothedDual
from rkbs.solvers.functions._stages import minimize_stage
from rkbs.spaces import RKBSPair
from rkbs.spaces.sections import FeatureSections
from rkbs.spaces.tensor_sections import TensorSections
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared

LOSSES = {"squared": Squared(), "logistic": Logistic(), "huber": Huber(0.5)}
REGULARIZERS = {"half": HalfSquare(), "power": PowerNorm(2.5)}
P = (1.25, 1.5, 2.0, 3.0, 4.0)


def make(p, loss, regularizer, alpha=0.3, keep=0.7, seed=0, shape=(7, 6)):
    rng = np.random.default_rng(seed)
    spaces = RKBSPair.from_kernel(EDP(), 2, 5, p)
    X, Y = (rng.uniform(-1, 1, (n, 2)) for n in shape)
    seen = rng.uniform(size=shape) < keep
    seen[0], seen[:, 0] = True, True
    z = as_labels(loss, rng.standard_normal(seen.sum()))
    return SeparableProblem(
        spaces,
        Pairs.from_mask(X, Y, seen),
        z,
        alpha,
        alpha,
        loss=loss,
        regularizer_x=regularizer,
        regularizer_y=regularizer,
    )


def from_stage(problem, theta):
    """The smoothed dual's minimizer at θ, reached in stages."""
    dual = SmoothedDual.of(problem)
    c, lengths = -problem.loss.interior(problem.z), np.ones(2)
    for stage in 10.0 ** -np.arange(-np.log10(theta) + 1):
        c, lengths, _ = minimize_stage(dual, c, lengths, stage, 1000)
    return dual, c


def near(problem):
    """Unknowns near those of a stage, at random."""
    rng = np.random.default_rng(5)
    here = Optimality.of(*from_stage(problem, 1e-2), 1e-2)
    charts = tuple(
        replace(chart, v=chart.v * rng.uniform(0.9, 1.1, len(chart.v)))
        if isinstance(chart, InCoordinates)
        else chart
        for chart in here.charts
    )
    return replace(here, h=here.h + 0.1 * rng.standard_normal(len(here.h)), charts=charts)


def residuals(problem, here):
    """What is left of all equations, from p-norms written out."""
    c = -problem.loss.gradient(here.h, problem.z)
    parts, h = [], 0.0
    for side, chart in zip(problem.sides, here.charts, strict=True):
        phi, p, q = side.sections.phi, side.sections.p, side.sections.q
        w = np.bincount(side.index, c, len(phi)) @ phi
        if isinstance(chart, InCoordinates):
            v = np.zeros(phi.shape[1])
            v[phi.any(0)] = chart.v
            norm = (np.abs(v) ** p).sum() ** (1 / p)
            slope = side.regularizer.derivative(norm) / norm ** (p - 1)
            parts.append(side.alpha * slope * np.sign(v) * np.abs(v) ** (p - 1) - w)
        else:
            norm = (np.abs(w) ** q).sum() ** (1 / q)
            length = side.regularizer.length(norm / side.alpha)
            v = length * np.sign(w) * (np.abs(w) / norm) ** (q - 1)
        h = h + (phi @ v)[side.index]
    return np.concatenate([here.h - h, *parts])


@pytest.mark.parametrize("regularizer", REGULARIZERS.values(), ids=REGULARIZERS)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("p", P)
def test_a_newton_step_removes_the_residuals_to_second_order(p, loss, regularizer):
    problem = make(p, loss, regularizer)
    here = near(problem)
    before, step = residuals(problem, here), here.newton()
    assert np.abs(before).max() > 1e-2
    left = []
    for length in (1e-3, 1e-4):
        there = next(iter(here.after(step, length)))
        after = residuals(problem, there)
        left.append(np.abs(after - (1 - length) * before).max() / length)
    assert left[1] < 0.3 * left[0] + 1e-7 * np.abs(before).max()  # linear in the length


def deviation(problem, here):
    """By how much a ten-thousandth of a step fails to remove that part of the residuals of v."""
    before, step = residuals(problem, here), here.newton()
    after = residuals(problem, next(iter(here.after(step, 1e-4))))
    parts = slice(0, len(here.h)), slice(len(here.h), None)
    return (
        max(
            np.abs(after[part] - (1 - 1e-4) * before[part]).max() / np.abs(before[part]).max()
            for part in parts
        )
        / 1e-4
    )


@pytest.mark.parametrize("part", ["lag", "weight", "curvature"])
def test_a_wrong_linearization_is_seen(part, monkeypatch):
    problem = make(3.0, Logistic(), HalfSquare())
    here = near(problem)
    assert deviation(problem, here) < 1e-3
    right, tie = InCoordinates.line, InCoordinates._tie
    if part == "lag":
        monkeypatch.setattr(InCoordinates, "line", lambda s, xi: right(s, xi)._replace(lag=0.0))
    elif part == "weight":
        monkeypatch.setattr(InCoordinates, "_tie", lambda s, xi: (*tie(s, xi)[:3], 0.0))
    else:
        monkeypatch.setattr(Logistic, "curvature", lambda self, h, z: np.full_like(h, 0.25))
    assert deviation(problem, here) > 1e-2


def test_each_side_has_the_chart_in_which_it_is_differentiable():
    for p, charts in (
        (1.5, (ThroughDual, InCoordinates)),
        (2.0, (ThroughDual, ThroughDual)),
        (3.0, (InCoordinates, ThroughDual)),
    ):
        problem = make(p, Squared(), HalfSquare())
        here = Optimality.of(*from_stage(problem, 1.0), 1.0)
        assert tuple(type(chart) for chart in here.charts) == charts
    assert not TensorSections(np.ones((2, 1)), 2).rough
    assert FeatureSections(np.ones((2, 3)), 2.5).rough


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("p", P)
def test_a_few_steps_are_enough_and_end_in_an_expansion(p, loss):
    problem = make(p, loss, HalfSquare())
    dual, c = from_stage(problem, 1e-5)
    solution, steps = polish(dual, c, 1e-5, 1e-10, 50)
    assert solution.certificate.passed
    assert steps <= 6
    for found, expected in zip(
        solution.value.functions, problem.primal(solution.value.c), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_max_iter_bounds_the_steps():
    problem = make(1.5, Logistic(), HalfSquare())
    dual, c = from_stage(problem, 1e-1)
    for most in (0, 1, 3):
        solution, steps = polish(dual, c, 1e-1, 1e-15, most)
        assert steps == most
        assert not solution.certificate.passed
    assert solve(problem, DualNewton(max_iter=4)).stats["iterations"] == 4


@pytest.mark.parametrize(
    ("p", "alpha", "loss"), every_two(P, (10.0, 0.1, 1e-2, 1e-4), [*LOSSES.values()]), ids=repr
)
def test_strong_and_weak_penalties_are_solved_in_few_steps(p, loss, alpha):
    steps = []
    for natural, seed in itertools.product((True, False), range(2)):
        problem = make(p, loss, HalfSquare(), alpha, seed=seed)
        if natural:
            spaces = problem.spaces
            powers = PowerNorm(spaces.p), PowerNorm(spaces.p_conjugate)
            problem = replace(problem, regularizer_x=powers[0], regularizer_y=powers[1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            steps.append(solve(problem, DualNewton()).check().stats["iterations"])
    assert np.mean(steps) <= (100 if isinstance(loss, Huber) else 50)


@pytest.mark.parametrize("p", [1.01, 1.05, 20.0, 50.0])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_far_exponents_end_with_a_small_gap_and_without_warnings(p, loss):
    for natural in (False, True):
        problem = make(p, loss, HalfSquare())
        if natural:
            powers = PowerNorm(p), PowerNorm(problem.spaces.p_conjugate)
            problem = replace(problem, regularizer_x=powers[0], regularizer_y=powers[1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            solution = solve(problem, DualNewton())
        if not natural:
            assert abs(solution.certificate.relative_gap) < 1e-5


@pytest.mark.parametrize(("m", "spread", "n"), [(3, 0.1, 3), (2, 1.0, 6)])
def test_tensors_beyond_rounding_end_in_a_failed_certificate(m, spread, n):
    rng = np.random.default_rng(0)
    X = (1.2 if m == 3 else 0.0) + spread * rng.standard_normal((n, 1))
    problem = OneSidedProblem(TensorSections(X, m), rng.standard_normal(n), 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not solve(problem, DualNewton()).certificate.passed


def test_a_gap_that_rounding_keeps_open_ends_the_iteration():
    rng = np.random.default_rng(0)
    sections = TensorSections(rng.standard_normal((10, 1)), 2)
    solution = solve(OneSidedProblem(sections, rng.standard_normal(10), 0.01), DualNewton())
    assert 1e-10 < solution.certificate.relative_gap < 1e-6
    assert solution.stats["iterations"] < 100


def test_systems_beyond_floats_end_in_what_was_found(monkeypatch):
    def singular(self, right):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(PairSystem, "solve", singular)
    solution = solve(make(1.5, Squared(), HalfSquare(), keep=1.1), DualNewton())
    assert not solution.certificate.passed
    assert solution.stats["iterations"] == 0


def test_pairs_without_weight_change_nothing_else():
    """δ may have zeros: (I + KΔ)⁻¹ against the dense matrix."""
    problem, rng = make(2.0, Squared(), HalfSquare(), keep=1.1), np.random.default_rng(3)
    weights = np.where(rng.uniform(size=42) < 0.4, 0.0, rng.uniform(size=42))
    blocks = tuple(root @ root.T for root in (rng.normal(size=(7, 3)), rng.normal(size=(6, 6))))
    K = np.zeros((42, 42))
    for side, block in zip(problem.sides, blocks, strict=True):
        K += block[np.ix_(side.index, side.index)]
    right = rng.standard_normal(42)
    found = PairSystem(weights, problem.sides, blocks).solve(right)
    expected = np.linalg.solve(np.eye(42) + K * weights, right)
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("loss", [Hinge(), EpsilonInsensitive(0.1)], ids=["hinge", "insensitive"])
def test_losses_with_kinks_and_plain_norms_follow_the_smoothed_dual(loss, monkeypatch):
    def never(*arguments):
        raise AssertionError("not for these")

    monkeypatch.setattr("rkbs.solvers.functions.dual_newton.polish", never)
    solve(make(1.5, loss, HalfSquare()), DualNewton()).check()
    solve(make(1.5, Squared(), Norm()), DualNewton()).check()
    with pytest.raises(AssertionError, match="not for these"):
        solve(make(1.5, Squared(), HalfSquare()), DualNewton())


def test_straight_in_c_where_the_penalty_is_weak():
    """With a weak penalty steps straight in h alone take many more."""
    problem = make(2.0, Logistic(), HalfSquare(), 1e-4, keep=1.1)
    dual, c = from_stage(problem, 1e-1)
    _, steps = polish(dual, c, 1e-1, 1e-9, 200)
    right = Optimality.after

    def in_h(self, step, length):
        yield next(iter(right(self, step, length)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Optimality, "after", in_h)
        _, more = polish(dual, c, 1e-1, 1e-9, 200)
    assert more >= steps + 3


@pytest.mark.parametrize("theta", [1.0, 1e-3])
def test_the_unknowns_of_a_stage_are_the_same_in_all_units(theta):
    """h belongs to the barrier's weight θμ, and μ is a loss: for Huber's it has its unit."""
    starts = []
    for unit in (1.0, 1e3):
        problem = make(1.5, Huber(0.5 * unit), HalfSquare())
        problem = replace(problem, z=unit * problem.z)
        c = unit * np.random.default_rng(2).uniform(-0.3, 0.3, len(problem.z))
        dual = SmoothedDual.of(problem)
        h = Optimality.of(dual, c, theta).h
        assert np.allclose(h, problem.loss.barrier(-c, problem.z, theta * dual.mu)[1], rtol=1e-14)
        starts.append(h / unit)
    assert np.abs(starts[1] - starts[0]).max() < 1e-9 * np.abs(starts[0]).max()
