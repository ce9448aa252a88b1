"""The contract of all solvers: setup says what is needed, solve starts afresh, paths certify."""

import inspect
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from rkbs import solvers
from rkbs._linalg import Eigen
from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, Laplace
from rkbs.kernels.features import MappedFeatures
from rkbs.problems import (
    OneSidedProblem,
    OperatorProblem,
    PairwiseProblem,
    ProductProblem,
    SchattenProblem,
    SeparableProblem,
)
from rkbs.problems.offsets import Offsets
from rkbs.solvers import (
    ADMM,
    Alternating,
    Cholesky,
    ConjugateGradient,
    DualNewton,
    Factorized,
    PairwiseConjugateGradient,
    RefinedConjugateGradient,
    Solver,
    Spectral,
    SpectralNewton,
    State,
    solve,
)
from rkbs.solvers.operators import dense
from rkbs.spaces import RKBSPair
from rkbs.spaces.tensor_sections import TensorSections
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-1, 1, (7, 2)), RNG.uniform(-1, 1, (6, 2))
GRAMS = RBF()(X, X), Laplace()(Y, Y)
GRID = Pairs.grid(X, Y)
SOME = GRID[np.sort(RNG.permutation(42)[:30])]
Z = np.sin(3 * X[:, 0])[GRID.i] * Y[GRID.j, 1] + 0.2 * RNG.standard_normal(42)
SPACES = RKBSPair.from_kernel(EDP(), 2, 2, p=1.5)


def responses(pairs, loss):
    z = pairs.entries(GRID.matrix(Z))
    return np.sign(z) if loss.labels else z


def operator(pairs, offsets=None):
    z = responses(pairs, Squared())
    return OperatorProblem(*GRAMS, pairs, z, 0.1, offsets=offsets or Offsets())


def pairwise(pairs, offsets):
    grams = [GRAMS, (np.eye(7), np.ones((6, 6)))]
    return PairwiseProblem(grams, pairs, responses(pairs, Squared()), 0.1, offsets=offsets)


def schatten(pairs, loss, p, constant=False):
    z, offsets = responses(pairs, loss), Offsets(constant)
    return SchattenProblem(*GRAMS, pairs, z, 0.1, loss, Schatten(p), offsets=offsets)


def binary(kind, pairs, loss, regularizer):
    z = responses(pairs, loss)
    return kind(SPACES, pairs, z, 0.1, 0.2, loss, regularizer, regularizer)


@dataclass(frozen=True)
class Case:
    """A solver and a problem; ``warm``: whether a path starts an α from the one before."""

    solver: Solver
    problem: Any
    warm: bool = False

    @property
    def path(self):
        """Down, far up and near: starts of all kinds."""
        return [factor * self.problem.alpha for factor in (1.0, 1e-3, 5.0, 4.5)]


EFFECTS = Offsets(True, np.arange(7), np.arange(6))
CASES = {
    "spectral": Case(Spectral(), operator(GRID)),
    "spectral, effects": Case(Spectral(), operator(GRID, EFFECTS)),
    "cholesky": Case(Cholesky(), operator(SOME)),
    "cholesky, a constant": Case(Cholesky(), operator(SOME, Offsets(True))),
    "cg": Case(ConjugateGradient(), operator(SOME)),
    "cg, effects": Case(ConjugateGradient(), operator(SOME, EFFECTS)),
    "refined cg": Case(RefinedConjugateGradient(), operator(SOME, Offsets(True)), warm=True),
    "pairwise": Case(PairwiseConjugateGradient(), pairwise(SOME, Offsets(True))),
    "pairwise, effects": Case(PairwiseConjugateGradient(), pairwise(GRID, EFFECTS)),
    "admm, p = 1": Case(ADMM(1e-6), schatten(SOME, Huber(0.5), 1, True), warm=True),
    "admm, hinge": Case(ADMM(1e-5), schatten(GRID, Hinge(), 2), warm=True),
    "factorized": Case(Factorized(), schatten(GRID, Squared(), 1, True), warm=True),
    "factorized, logistic": Case(Factorized(), schatten(SOME, Logistic(), 1), warm=True),
    "newton, p = 1.5": Case(SpectralNewton(), schatten(SOME, Logistic(), 1.5, True), warm=True),
    "newton, p = 3": Case(SpectralNewton(), schatten(GRID, Squared(), 3), warm=True),
    "dual, f + g": Case(
        DualNewton(), binary(SeparableProblem, SOME, Logistic(), PowerNorm(3.0)), warm=True
    ),
    "dual, R = t": Case(DualNewton(1e-6), binary(SeparableProblem, SOME, Hinge(), Norm()), True),
    "dual, f": Case(DualNewton(1e-8), OneSidedProblem(TensorSections(X, 2), Z[:7], 1.0), True),
    "alternating": Case(
        Alternating(1e-6), binary(ProductProblem, SOME, Squared(), HalfSquare()), warm=False
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def arrays(solution):
    """What a solution holds, as arrays."""
    value = solution.value
    parts = (*value.functions, value.c) if hasattr(value, "functions") else value
    return [np.asarray(getattr(part, "xi", part)) for part in parts]


def same(one, other):
    pairs = zip(arrays(one), arrays(other), strict=True)
    return one.certificate == other.certificate and all(np.array_equal(*pair) for pair in pairs)


def objective(solution):
    value, problem = solution.value, solution.problem
    if hasattr(value, "theta"):
        return problem.objective(value.M, value.theta)
    return problem.objective(*getattr(value, "functions", value))


def certified_again(solution):
    """The certificate, by the problem at its α."""
    value, tol = solution.value, solution.certificate.tolerance
    if hasattr(value, "theta"):
        return solution.problem.certify(value.M, value.c, tol, value.theta)
    return solution.problem.certify(*value, tol)


def test_every_solver_has_a_case():
    public = {kind for kind in vars(solvers).values() if inspect.isclass(kind)}
    final = {kind for kind in public if issubclass(kind, Solver) and not inspect.isabstract(kind)}
    assert final == {type(case.solver) for case in CASES.values()}


@pytest.mark.parametrize("base", [Solver, State])
def test_classes_are_abstract_or_final(base):
    waiting = [base]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        assert inspect.isabstract(kind) != ("__final__" in vars(kind)), kind


@every_case
def test_solve_is_a_shorthand(case):
    found = solve(case.problem, case.solver)
    assert same(found, case.solver.setup(case.problem).solve(case.problem.alpha))
    assert found.problem.alpha == case.problem.alpha
    assert arrays(found)[0].any()  # none of these problems is trivial
    assert found.check().stats["solver"] == type(case.solver).__name__


@every_case
def test_a_path_is_as_good_as_separate_solves(case):
    """Both objectives lie between the optimum and the optimum plus the gap that is certified."""
    state = case.solver.setup(case.problem)
    before = [state.solve(alpha) for alpha in case.path]
    path = list(state.path(case.path))
    for alpha, alone, found in zip(case.path, before, path, strict=True):
        assert found.problem.alpha == alone.problem.alpha == alpha
        assert found.check().certificate == certified_again(found)
        assert same(alone, state.solve(alpha))  # whatever was solved between
        if isinstance(case.solver, Alternating):  # a stationary point, of which there are many
            assert same(alone, found)
            continue
        gap = max(abs(s.certificate.relative_gap) for s in (alone, found)) + 1e-13  # and rounding
        assert abs(objective(found) - objective(alone)) <= gap * abs(objective(alone))


@every_case
def test_solutions_are_left_alone_by_those_after_them(case):
    state = case.solver.setup(case.problem)
    one, other, kept = state.path(case.path), state.path(case.path[::-1]), []
    for found, _ in zip(one, other, strict=True):
        kept.append((found, [array.copy() for array in arrays(found)]))
    for (found, copies), again in zip(kept, state.path(case.path), strict=True):
        assert all(map(np.array_equal, arrays(found), copies))
        assert same(found, again)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].warm])
def test_warm_starts_save_steps(name):
    case = CASES[name]
    state, alphas = case.solver.setup(case.problem), case.problem.alpha * np.geomspace(1.5, 1, 5)
    warm = sum(found.stats["iterations"] for found in state.path(alphas))
    assert warm < sum(state.solve(alpha).stats["iterations"] for alpha in alphas)


@pytest.mark.parametrize("name", [name for name in CASES if not CASES[name].warm])
def test_without_warm_starts_the_order_does_not_matter(name):
    case = CASES[name]
    state = case.solver.setup(case.problem)
    backward = list(state.path(case.path[::-1]))[::-1]
    assert all(map(same, state.path(case.path), backward))


def test_a_start_at_which_the_penalty_overflows_is_no_start():
    """(s/λ)^101 λ, s of the α before, λ the small α."""
    problem = binary(SeparableProblem, GRID, Logistic(), PowerNorm(1.01))
    state = DualNewton().setup(problem)
    _, found = state.path([1.0, 1e-5])
    alone = state.solve(1e-5)
    assert same(found.check(), alone)
    assert found.stats == alone.stats


@pytest.mark.parametrize("alpha", [1e-2, 0.5])
def test_a_start_from_a_far_smaller_alpha_is_no_start_for_admm(alpha):
    """With its weights the prox would give 0 for thousands of steps, and a residual of 0."""
    state = ADMM(1e-5, max_iter=300).setup(CASES["admm, p = 1"].problem)
    weak, found = state.path([1e-5, alpha])
    assert weak.certificate.passed
    assert same(found.check(), state.solve(alpha))


def test_problems_of_a_path_share_their_factors():
    problem = replace(CASES["newton, p = 3"].problem)  # nothing is decomposed yet
    others = problem.with_alpha(3.0), problem.with_penalty(Schatten(1.5)), problem.with_alpha(2.0)
    assert all(other.factors is problem.factors for other in others)
    assert [other.alpha for other in others] == [3.0, 0.1, 2.0]
    assert [other.penalty for other in others] == [Schatten(3), Schatten(1.5), Schatten(3)]
    with pytest.raises(TypeError, match="penalty must be a SpectralPenalty, got 'nuclear'"):
        problem.with_penalty("nuclear")


def test_a_failed_warm_start_is_counted(monkeypatch):
    problem = CASES["dual, f + g"].problem
    state = DualNewton().setup(problem)
    alone, right = state.solve(0.05), DualNewton._from

    def spoiled(self, problem, start):
        found, stage = right(self, problem, start)
        failed = replace(found.certificate, primal=np.inf)
        return (found if start is None else replace(found, certificate=failed)), stage

    _, warm = state.path([0.1, 0.05])
    monkeypatch.setattr(DualNewton, "_from", spoiled)
    _, found = state.path([0.1, 0.05])
    assert same(found, alone)
    assert found.stats["iterations"] == warm.stats["iterations"] + alone.stats["iterations"]


@every_case
def test_a_state_is_shown_by_its_shapes(case):
    text = repr(case.solver.setup(case.problem))
    assert len(text) < 500
    assert "array(" not in text


@every_case
def test_a_path_is_lazy(case):
    asked = []

    def alphas():
        for k in (1, 2):
            asked.append(k)
            yield k * case.problem.alpha

    path = case.solver.setup(case.problem).path(alphas())
    assert asked == []
    assert next(path).certificate.passed
    assert asked == [1]


BAD = [
    (-1.0, ValueError, r"must be positive and finite, got -1\.0"),
    (0, ValueError, "must be positive and finite, got 0"),
    (np.inf, ValueError, "must be positive and finite, got inf"),
    (np.nan, ValueError, "must be positive and finite, got nan"),
    ("1", TypeError, "must be a real number, got '1'"),
    (None, TypeError, "must be a real number, got None"),
]


@every_case
@pytest.mark.parametrize(("bad", "error", "says"), BAD, ids=repr)
def test_a_bad_alpha_is_named(case, bad, error, says):
    state, good = case.solver.setup(case.problem), case.problem.alpha
    with pytest.raises(error, match=f"^alpha {says}"):
        state.solve(bad)
    with pytest.raises(error, match=rf"^alphas\[1\] {says}"):
        state.path([good, bad])  # before anything is solved
    path = state.path(iter([good, bad]))
    assert next(path).certificate.passed
    with pytest.raises(error, match=rf"^alphas\[1\] {says}"):
        next(path)


@every_case
@pytest.mark.parametrize("bad", [1.0, "1.0", None, np.array(1.0)], ids=repr)
def test_a_path_is_a_sequence(case, bad):
    with pytest.raises(TypeError, match=r"^alphas must be a sequence of numbers, got"):
        case.solver.setup(case.problem).path(bad)


@every_case
def test_a_problem_of_another_class_is_refused(case):
    others = [other.problem for other in CASES.values()]
    others = [p for p in others if not isinstance(p, case.solver.handles)]
    for other in [*others, None]:
        with pytest.raises(TypeError, match=f"{type(case.solver).__name__} solves problems of cl"):
            case.solver.setup(other)


MANY = Pairs.grid(np.zeros((150, 1)), np.zeros((150, 1)))
NEEDS = {
    "all pairs": (Spectral(), operator(SOME), "needs a complete grid"),
    **{
        f"the squared loss, {type(solver).__name__}": (
            solver,
            replace(operator(GRID), loss=Huber()),
            "needs the squared loss",
        )
        for solver in (Spectral(), Cholesky(), ConjugateGradient())
    },
    "few pairs": (
        Cholesky(),
        OperatorProblem(np.eye(150), np.eye(150), MANY, np.ones(22500), 1.0),
        "at most 20000 pairs, got 22500",
    ),
    "a smooth loss": (SpectralNewton(), schatten(GRID, Hinge(), 3), "needs a smooth loss"),
    "a smooth loss in two factors": (Factorized(), schatten(GRID, Hinge(), 1), "a smooth loss"),
    "the nuclear norm": (Factorized(), schatten(GRID, Squared(), 2), "needs the nuclear norm"),
    "a smooth penalty": (SpectralNewton(), schatten(GRID, Squared(), 1), "twice differentiable"),
    "few pairs with kinks": (
        DualNewton(),
        SeparableProblem(RKBSPair.from_kernel(EDP(), 1, 2), MANY, np.ones(22500), 1, 1, Hinge()),
        "at most 5000 pairs with a loss that has kinks, got 22500",
    ),
    "slopes": (Alternating(), binary(ProductProblem, GRID, Hinge(), HalfSquare()), "be smooth"),
}


@pytest.mark.parametrize(("solver", "problem", "says"), NEEDS.values(), ids=NEEDS)
def test_what_a_solver_needs_is_said_before_anything_is_computed(solver, problem, says):
    before = set(vars(problem))
    with pytest.raises(ValueError, match=says):
        solver.setup(problem)
    assert set(vars(problem)) == before  # no factors, no features


@pytest.mark.parametrize(
    "solver", [Spectral(), Cholesky(), ConjugateGradient(), ADMM(), Factorized()]
)
def test_an_indefinite_gram_matrix_is_refused_by_setup(solver):
    problem = operator(GRID) if solver.handles is OperatorProblem else schatten(GRID, Squared(), 1)
    with pytest.raises(ValueError, match="gram_y must be positive semi-definite"):
        solver.setup(replace(problem, gram_y=-GRAMS[1]))


@pytest.mark.parametrize("name", ["dual, f + g", "alternating"])
@pytest.mark.parametrize("alpha", [0.1, 0.03])
def test_of_two_penalties_alpha_is_the_first_and_their_ratio_stays(name, alpha):
    case = CASES[name]
    found = case.solver.setup(case.problem).solve(alpha)
    same_alphas = replace(case.problem, alpha_x=alpha, alpha_y=0.2 * (alpha / 0.1))
    assert (found.problem.alpha_x, found.problem.alpha_y) == (alpha, same_alphas.alpha_y)
    assert found.problem.alpha_y == pytest.approx(2 * alpha, rel=1e-15)
    assert same(found, solve(same_alphas, case.solver))


@pytest.mark.parametrize("name", [name for name in CASES if name != "dual, f"])
def test_setup_does_once_what_no_alpha_changes(name, monkeypatch):
    """It decomposes both Gram matrices (of a product), or computes features of both domains."""
    case, counted = CASES[name], []
    of, call = Eigen.of, MappedFeatures.__call__
    monkeypatch.setattr(Eigen, "of", lambda *args: (counted.append(args), of(*args))[1])
    monkeypatch.setattr(
        MappedFeatures, "__call__", lambda *args: (counted.append(args), call(*args))[1]
    )
    state = case.solver.setup(replace(case.problem))  # a problem of which nothing is known yet
    both = 2 * len(getattr(case.problem, "terms", [None]))
    assert len(counted) == both
    list(state.path(case.path))
    state.solve(case.problem.alpha)
    assert len(counted) == both


def test_an_alpha_below_the_rounding_of_k_takes_the_features(monkeypatch):
    """Whatever the α of the problem that was set up; of few pairs, as of many."""
    monkeypatch.setattr(dense, "_QUICK", 0)
    problem = CASES["cholesky"].problem
    weak, strong = (Cholesky().setup(problem.with_alpha(alpha)) for alpha in (1e-12, 1.0))
    by_features, by_gram = weak.path([1e-12, 1.0]), strong.path([1.0, 1e-12])
    assert same(next(by_features), strong.solve(1e-12))
    assert not same(next(by_features), next(by_gram))  # to rounding they are, of course
    assert same(next(by_gram), weak.solve(1e-12))
    residuals = [state.leave_out_residuals(1e-12) for state in (weak, strong)]
    assert np.array_equal(*residuals)
