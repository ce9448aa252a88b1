"""Certificates see mutants: they are laws of the solution, its loss and its penalty."""

import dataclasses
import math

import numpy as np
import pytest
from helpers import points
from problem_helpers import WrongLoss

from rkbs import laws
from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP
from rkbs.problems import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, Spectral, solve
from rkbs.terms.spectral_penalties import Schatten, SpectralPenalty

TOLERANCE = 1e-8  # no test and no claim asks for less than this
X, Y = points((7, 2)), points((6, 2), 1)
GRAM_X, GRAM_Y = EDP()(X, X), EDP()(Y, Y)
PROBLEM = OperatorProblem(GRAM_X, GRAM_Y, Pairs.grid(X, Y), points((7, 6), 4), 0.3)
SOLVED = solve(PROBLEM, Spectral()).value


@pytest.mark.parametrize(
    ("parts", "gap", "kkt"),
    [
        ({}, False, False),
        ({"conjugate": lambda u, z: u * u / 2 - u * z}, True, False),
        ({"conjugate": lambda u, z: -(u * u) / 2 + u * z}, True, False),
        ({"conjugate": lambda u, z: u * u + u * z}, True, False),
        ({"value": lambda h, z: (h - z) ** 2}, True, False),
        ({"gradient": lambda h, z: z - h}, False, True),
        ({"gradient": lambda h, z: 2 * (h - z)}, False, True),
    ],
)
def test_the_certificate_sees_a_wrong_loss(parts, gap, kkt):
    problem = dataclasses.replace(PROBLEM, loss=WrongLoss(**parts))
    certificate = problem.certify(SOLVED.M, SOLVED.c, TOLERANCE)
    assert (abs(certificate.relative_gap) > 1e-3) is gap
    assert (certificate.kkt_residual > 1e-3) is kkt
    assert certificate.passed is not kkt


@pytest.mark.parametrize(
    "spoil", [lambda M: M * (1 + 1e-5), lambda M: M * 0, lambda M: M * math.nan]
)
def test_the_certificate_sees_wrong_coordinates(spoil):
    M, c, _ = SOLVED
    assert PROBLEM.certify(M, c, TOLERANCE).passed
    for wrong in ((spoil(M), c), (M, spoil(c)), (spoil(M), spoil(c))):
        certificate = PROBLEM.certify(*wrong, TOLERANCE)
        assert not certificate.passed
        assert not certificate.relative_gap <= 1e-14


class WrongPenalty(SpectralPenalty):
    """A Schatten penalty with one of its parts replaced."""

    is_twice_differentiable = is_dual_twice_differentiable = slope_at_zero = None

    def __init__(self, p, **parts):
        for name in ("slope_at_zero", "is_twice_differentiable", "is_dual_twice_differentiable"):
            setattr(self, name, getattr(Schatten(p), name))
        for name in SpectralPenalty.__abstractmethods__:
            setattr(self, name, parts.get(name, getattr(Schatten(p), name)))

    value = gradient = curvature = prox = into_domain = None
    conjugate = gradient_conjugate = curvature_conjugate = None


def operator_gap(p, penalty, solver=None):
    """|gap| of what a solver makes of the penalty, certified with the right one."""
    problem = SchattenProblem(
        PROBLEM.gram_x, PROBLEM.gram_y, PROBLEM.pairs, PROBLEM.z, 0.3, penalty=penalty
    )
    M, c, _ = solve(problem, solver or ADMM(max_iter=1000)).value
    return abs(dataclasses.replace(problem, penalty=Schatten(p)).certify(M, c, 1).relative_gap)


@pytest.mark.parametrize(
    ("p", "parts"),
    [
        (1, {"prox": lambda sigma, step: np.maximum(sigma - step / 2, 0)}),
        (1, {"prox": lambda sigma, step: sigma * (sigma > step)}),
        (1, {"prox": lambda sigma, step: sigma / (1 + step)}),
        (3, {"prox": lambda sigma, step: sigma / (1 + step)}),
        (1.5, {"prox": Schatten(3).prox}),
        (1, {"into_domain": lambda s: 1.0, "conjugate": lambda s: 0.0}),  # scaling forgotten
        (1, {"into_domain": lambda s: 1.01 / max(1, s[0]), "conjugate": lambda s: 0.0}),
    ],
)
def test_a_wrong_penalty_is_seen(p, parts):
    assert operator_gap(p, WrongPenalty(p)) <= 1e-8
    assert operator_gap(p, WrongPenalty(p, **parts), ADMM(max_iter=100, tol=1e-14)) > 1e-5


@pytest.mark.parametrize(
    ("p", "parts"),
    [
        (1.5, {"conjugate": Schatten(1.5).value}),
        (3, {"conjugate": Schatten(3).value}),
        (3, {"conjugate": lambda s: 2 * Schatten(3).conjugate(s)}),
        (1.5, {"value": lambda sigma: 1.001 * Schatten(1.5).value(sigma)}),
        (3, {"conjugate": lambda s: 0.0}),
        (1, {"conjugate": lambda s: np.inf}),
    ],
)
def test_a_wrong_conjugate_or_value_is_seen(p, parts):
    problem = SchattenProblem(
        PROBLEM.gram_x, PROBLEM.gram_y, PROBLEM.pairs, PROBLEM.z, 0.3, penalty=Schatten(p)
    )
    M, c, _ = solve(problem, ADMM()).check().value
    wrong = dataclasses.replace(problem, penalty=WrongPenalty(p, **parts))
    assert not wrong.certify(M, c, 1e-5).passed


@pytest.mark.parametrize("exponents", [(0.5, -0.5), (-0.5, 0.5), (-1, -1), (0, 0)])
def test_a_wrong_expansion_is_seen(exponents):
    problem = SchattenProblem(
        PROBLEM.gram_x, PROBLEM.gram_y, PROBLEM.pairs, PROBLEM.z, 0.3, penalty=Schatten(1)
    )
    M = solve(problem, ADMM()).check().value.M
    x, y = problem.factors.x, problem.factors.y
    values = problem.gram_x @ problem.expansion(M) @ problem.gram_y
    assert laws.relative(values.ravel(), problem.at_pairs(M)) < 1e-10
    A = (
        (x.eigenvectors * x.eigenvalues ** exponents[0])
        @ M
        @ (y.eigenvectors * y.eigenvalues ** exponents[1]).T
    )
    values = problem.gram_x @ A @ problem.gram_y
    assert laws.relative(values.ravel(), problem.at_pairs(M)) > 1e-3
