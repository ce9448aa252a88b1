"""The parts of DualNewton that plain norms need: the lengths τ, found by Newton's method."""

from dataclasses import replace

import numpy as np
import pytest
from problem_helpers import separable_problem as make

from rkbs.solvers import DualNewton, solve
from rkbs.solvers.functions import _stages, dual_newton
from rkbs.solvers.functions._smoothed_dual import SmoothedDual
from rkbs.solvers.functions._stages import length_jet, minimize_over_c, minimize_stage
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm
from rkbs.terms.residual_losses import Huber, Squared

LOSSES = [Squared(), Logistic(), Hinge()]
THETA = 1e-2


def problem_of(loss, both=True):
    regularizers = Norm(), Norm() if both else HalfSquare()
    return make(1.5, loss, regularizers, (0.8, 0.6), keep=15)


def minimized(dual, c, lengths):
    """c, and φ(τ) = max_c −F_τ(c) + Σ (λτ/2 − μ log τ) over the sides with R(t) = t."""
    here = dual.with_lengths(lengths)
    for _ in range(3):
        c, _ = minimize_over_c(here, c, THETA, 200)
    seeking = dual.seeking
    tau = lengths[seeking]
    penalty = (dual.weights[seeking] * tau / 2 - THETA * dual.mu * np.log(tau)).sum()
    return c, penalty - here.value(c, THETA)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_lengths_have_their_derivatives(loss, both, monkeypatch):
    monkeypatch.setattr(_stages, "_CENTERED", 1e-13)
    problem = problem_of(loss, both)
    dual = SmoothedDual.of(problem)
    lengths = np.array([0.7, 0.9])
    c, _ = minimized(dual, -0.8 * loss.interior(problem.z), lengths)
    gradient, hessian = length_jet(dual, c, lengths, THETA)
    assert np.linalg.eigvalsh(hessian)[0] > 0
    for k in range(1 + both):
        step = 1e-3 * np.eye(2)[k]
        (up, above), (down, below) = (minimized(dual, c, lengths + s * step) for s in (1, -1))
        assert (above - below) / 2e-3 == pytest.approx(gradient[k], rel=1e-4)
        slopes = (
            length_jet(dual, at, lengths + s * step, THETA)[0] for at, s in ((up, 1), (down, -1))
        )
        column = np.subtract(*slopes) / 2e-3
        assert column == pytest.approx(hessian[:, k], rel=1e-3)


@pytest.mark.parametrize("factor", [0.03, 1.0, 30.0])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_lengths_are_found_in_a_few_steps(loss, factor, monkeypatch):
    """From a start that is wrong by far: the first steps are cut, the last converge as Newton's."""
    problem = problem_of(loss)
    dual, jets = SmoothedDual.of(problem), []
    right = _stages.length_jet

    def counted(*arguments):
        jets.append(right(*arguments))
        return jets[-1]

    c, best, _ = minimize_stage(dual, -0.8 * loss.interior(problem.z), dual.lengths, THETA, 1000)
    monkeypatch.setattr(_stages, "length_jet", counted)
    _, lengths, _ = minimize_stage(dual, c, factor * best, THETA, 1000)
    assert lengths == pytest.approx(best, rel=1e-2)
    gradient = right(dual, c, best, THETA)[0]
    assert np.abs(gradient).max() < 1e-2
    assert len(jets) <= 20


@pytest.mark.parametrize("loss", [Squared(), Huber(0.5)], ids=repr)
def test_one_plain_norm_is_enough_for_the_stages_to_be_followed(loss, monkeypatch):
    """The equations have no derivative at its kink: nothing is polished."""
    monkeypatch.setattr(dual_newton, "polish", None)
    for problem in (problem_of(loss, both=False), replace(problem_of(loss), alpha_x=0.5)):
        solve(problem, DualNewton()).check()


def test_steps_of_a_start_that_missed_are_counted_with_those_of_the_one_afresh(monkeypatch):
    steps, right = [], DualNewton._from

    def recorded(solver, problem, start):
        found = right(solver, problem, start)
        steps.append((start is None, found[0].stats["iterations"]))
        return found

    monkeypatch.setattr(DualNewton, "_from", recorded)
    problem = problem_of(Squared(), both=False)
    _, last = DualNewton(max_iter=2).setup(problem).path([0.4, 0.2])
    assert [afresh for afresh, _ in steps] == [True, False, True]
    assert last.stats["iterations"] == sum(used for _, used in steps[1:]) > steps[1][1] > 0
