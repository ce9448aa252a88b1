"""Solutions at new points: functions, grids of two domains, operators by rows of their kernels."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, Laplace
from rkbs.kernels.features import PowerFeatures
from rkbs.laws import relative
from rkbs.machines import BinaryKernelMachine, BinaryKernelRidge
from rkbs.problems import (
    OneSidedProblem,
    OperatorProblem,
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
    Spectral,
    SpectralNewton,
    solve,
)
from rkbs.spaces import RKBSPair
from rkbs.spaces.sections import FeatureSections
from rkbs.spaces.tensor_sections import TensorSections
from rkbs.terms.residual_losses import Huber
from rkbs.terms.spectral_penalties import Schatten

RNG = np.random.default_rng(3)
X, Y = RNG.uniform(-1, 1, (7, 2)), RNG.uniform(-1, 1, (6, 2))
NEW_X, NEW_Y = RNG.uniform(-1, 1, (5, 2)), RNG.uniform(-1, 1, (4, 2))
GRID = Pairs.grid(X, Y)
SOME = GRID[np.sort(RNG.permutation(42)[:30])]
Z = np.sin(3 * X[:, :1]) * Y[:, 1] + 2.0 + 0.1 * RNG.standard_normal((7, 6))
KERNELS = RBF(), Laplace()
SPACES = RKBSPair.from_kernel(EDP(), 2, 3, 1.5, *RNG.standard_normal((2, 2, 2)))
CONSTANT = Offsets(True)


def rows(x, y):
    """Rows of the kernels of points, for the points that were trained on."""
    return KERNELS[0](x, X), KERNELS[1](y, Y)


def problem_of(kind, pairs, *more, **named):
    first = (SPACES,) if kind in (SeparableProblem, ProductProblem) else rows(X, Y)
    return kind(*first, pairs, Z[pairs.i, pairs.j], 0.1, *more, **named)


SOLVED = {
    "f + g": (problem_of(SeparableProblem, SOME, 0.2), DualNewton()),
    "f g": (problem_of(ProductProblem, SOME, 0.2), Alternating(1e-6)),
    "spectral": (problem_of(OperatorProblem, GRID), Spectral()),
    "cholesky": (problem_of(OperatorProblem, SOME, offsets=CONSTANT), Cholesky()),
    "cg": (problem_of(OperatorProblem, SOME, offsets=CONSTANT), ConjugateGradient()),
    "admm": (problem_of(SchattenProblem, SOME, Huber(0.5), offsets=CONSTANT), ADMM(1e-6)),
    "factorized": (problem_of(SchattenProblem, SOME, Huber(0.5), offsets=CONSTANT), Factorized()),
    "newton": (problem_of(SchattenProblem, GRID, penalty=Schatten(1.5)), SpectralNewton()),
}
SOLUTIONS = {name: solve(*parts).check() for name, parts in SOLVED.items()}
FUNCTIONS = ("f + g", "f g")
OPERATORS = tuple(name for name in SOLVED if name not in FUNCTIONS)


def grid_of(name, x, y):
    return SOLUTIONS[name].predict_grid(*((x, y) if name in FUNCTIONS else rows(x, y)))


def values_of(solution):
    """h at the problem's pairs, by the problem."""
    problem, value = solution.problem, solution.value
    if hasattr(value, "theta"):
        return problem.fitted(value.M, value.theta)
    return problem.at_pairs(value.v, value.u)


@pytest.mark.parametrize("name", SOLVED)
def test_at_the_training_points_it_is_what_was_fitted(name):
    solution = SOLUTIONS[name]
    found = solution.problem.pairs.entries(grid_of(name, X, Y))
    assert relative(found, values_of(solution)) < 1e-12  # condition of the Gram matrices: 1e3


@pytest.mark.parametrize("name", SOLVED)
def test_new_points_one_by_one(name):
    whole = grid_of(name, NEW_X, NEW_Y)
    assert whole.shape == (5, 4)
    single = [grid_of(name, NEW_X[i : i + 1], NEW_Y[j : j + 1]) for i in range(5) for j in range(4)]
    assert relative(np.reshape(single, (5, 4)), whole) < 1e-13  # products of other shapes


@pytest.mark.parametrize(("name", "join"), [("f + g", np.add.outer), ("f g", np.multiply.outer)])
def test_two_functions_are_elements_of_the_pair(name, join):
    solution = SOLUTIONS[name]
    f = SPACES.features_x(NEW_X) @ solution.value.v
    g = SPACES.features_y(NEW_Y) @ solution.value.u
    assert relative(solution.f(NEW_X), f) < 1e-14
    assert relative(solution.g(NEW_Y), g) < 1e-14
    assert relative(grid_of(name, NEW_X, NEW_Y), join(f, g)) < 1e-14
    assert SPACES.norm(solution.f) == solution.problem.sections_x.norm(solution.value.v)
    assert SPACES.norm(solution.g) == solution.problem.sections_y.norm(solution.value.u)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_its_expansion_and_the_constant(name):
    """Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y) + b: Gram matrices as regular as these keep its digits."""
    solution, (left, right) = SOLUTIONS[name], rows(NEW_X, NEW_Y)
    constant = solution.value.theta[0] if len(solution.value.theta) else 0.0
    by_hand = left @ solution.problem.expansion(solution.value.M) @ right.T + constant
    assert relative(grid_of(name, NEW_X, NEW_Y), by_hand) < 1e-12


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("spectral", BinaryKernelRidge(*KERNELS, 0.1, solver=Spectral(), fit_intercept=False)),
        ("cholesky", BinaryKernelRidge(*KERNELS, 0.1, solver=Cholesky())),
        ("cg", BinaryKernelRidge(*KERNELS, 0.1, solver=ConjugateGradient(1e-12))),
        (
            "newton",
            BinaryKernelMachine(
                *KERNELS,
                penalty=Schatten(1.5),
                alpha=0.1,
                solver=SpectralNewton(),
                fit_intercept=False,
            ),
        ),
    ],
)
def test_the_machine_predicts_the_same(name, machine):
    problem = SOLUTIONS[name].problem
    predicted = machine.fit(problem.pairs, problem.z).predict_grid(NEW_X, NEW_Y)
    assert relative(grid_of(name, NEW_X, NEW_Y), predicted) < 1e-7  # √gap of Newton's 1e-14


def test_coordinates_keep_digits_that_coefficients_lose():
    """Kernels so smooth that A has entries of 1e14: at the training points, where h is known.

    A row of a kernel tells a feature of eigenvalue s to eps · λ_max/s of it: half the digits of the
    least, by √s. A loses that of both domains.
    """
    x, y = np.linspace(0, 1, 40)[:, None], np.linspace(0, 1, 30)[:, None]
    grams = RBF()(x, x), RBF()(y, y)
    z = np.sin(6 * x) * np.cos(5 * y.T) + 0.1 * np.random.default_rng(0).standard_normal((40, 30))
    problem = OperatorProblem(*grams, Pairs.grid(x, y), z, 1e-16)
    solution = solve(problem, Spectral()).check()
    fitted = problem.pairs.matrix(values_of(solution))
    A = problem.expansion(solution.value.M)
    assert np.abs(A).max() > 1e14
    by_coefficients = relative(grams[0] @ A @ grams[1], fitted)
    by_coordinates = relative(solution.predict_grid(*grams), fitted)
    assert by_coordinates < 1e-3
    assert by_coefficients > 0.1


SECTIONS = {
    "features": (FeatureSections(SPACES.features_x(X), 1.5), SPACES.features_x),
    "tensor": (TensorSections(X, 2), lambda points: points),
}


@pytest.mark.parametrize(("sections", "given_as"), SECTIONS.values(), ids=SECTIONS)
def test_one_function_of_points_or_of_their_features(sections, given_as):
    solution = solve(OneSidedProblem(sections, Z[:, 0], 0.1), DualNewton(1e-8)).check()
    at_training = solution.f(given_as(X))
    assert relative(at_training, solution.problem.at_pairs(solution.value.v)) < 1e-12
    assert solution.f(given_as(NEW_X)).shape == (5,)
    assert not hasattr(solution, "g")
    with pytest.raises(AttributeError, match="OneSidedProblem has no g: f is its only function"):
        solution.g  # noqa: B018
    with pytest.raises(TypeError, match="OneSidedProblem has one function, of one domain"):
        solution.predict_grid(X, X)


def test_the_tensor_kernel_is_the_limit_of_features():
    """f of the infinite-dimensional space, at new points, beside f on features of degree ≤ 14."""
    features = PowerFeatures(EDP(), 2, 14)
    cut = FeatureSections(features(X), 4 / 3)
    exact, near = (
        solve(OneSidedProblem(sections, Z[:, 0], 0.1), DualNewton(1e-10)).check()
        for sections in (TensorSections(X, 2), cut)
    )
    assert relative(near.f(features(NEW_X)), exact.f(NEW_X)) < 1e-4  # √gap


@pytest.mark.parametrize("fixed", ["f", "g"])
def test_the_free_function_of_a_product(fixed):
    product = SOLUTIONS["f g"]
    known = product.value.v if fixed == "f" else product.value.u
    solution = solve(product.problem.given(fixed, known), DualNewton()).check()
    free, points = (product.g, Y) if fixed == "f" else (product.f, X)
    features = SPACES.features_y(points) if fixed == "f" else SPACES.features_x(points)
    assert (
        relative(solution.f(features), free(points)) < 1e-4
    )  # the product's is stationary to 1e-6


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_has_no_functions(name):
    solution = SOLUTIONS[name]
    assert not hasattr(solution, "f")
    with pytest.raises(AttributeError, match=r"Problem has no f: evaluate it by predict_grid$"):
        solution.f  # noqa: B018


WRONG = {
    "points, not rows": ("spectral", (NEW_X, NEW_Y), ValueError, "^x must hold a row .* 7 columns"),
    "y": ("spectral", (rows(X, Y)[0], NEW_Y), ValueError, "^y must hold .* 6 columns.*4, 2"),
    "one row": ("spectral", (np.ones(7), np.ones(6)), ValueError, "^x must have shape"),
    "NaN": ("newton", (np.full((2, 7), np.nan), np.ones((2, 6))), ValueError, "^x contains NaN"),
    "one point": ("f + g", (X[0], Y), ValueError, "^x must have shape"),
    "text": ("f g", (X, [["a", "b"]]), TypeError, "^y must be an array of real numbers"),
}


@pytest.mark.parametrize(("name", "given", "error", "says"), WRONG.values(), ids=WRONG)
def test_wrong_points_are_named(name, given, error, says):
    with pytest.raises(error, match=says):
        SOLUTIONS[name].predict_grid(*given)


def test_features_of_another_dimension_are_refused():
    sections, _ = SECTIONS["features"]
    solution = solve(OneSidedProblem(sections, Z[:, 0], 0.1), DualNewton())
    with pytest.raises(ValueError, match=r"^phi must have 10 columns, .* got shape \(5, 2\)"):
        solution.f(NEW_X)


@pytest.mark.parametrize("effects", [{"rows": np.arange(7)}, {"columns": np.arange(6)}])
def test_effects_are_not_left_out_silently(effects):
    problem = replace(SOLUTIONS["cholesky"].problem, offsets=Offsets(True, **effects))
    solution = solve(problem, Cholesky()).check()
    with pytest.raises(ValueError, match="rows of kernels do not say whose effects to add"):
        solution.predict_grid(*rows(X, Y))


def doubled(value):
    if hasattr(value, "theta"):
        return value._replace(M=2 * value.M, theta=2 * value.theta)
    if hasattr(value, "functions"):
        return value._replace(functions=tuple(2 * function for function in value.functions))
    return value._replace(v=2 * value.v)


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_evaluated_is_the_value(name):
    """As sabotage changes it: nothing else of the solution may tell what is predicted."""
    solution = SOLUTIONS[name]
    given = (NEW_X, NEW_Y) if name in FUNCTIONS else rows(NEW_X, NEW_Y)
    other = replace(solution, value=doubled(solution.value))
    assert np.array_equal(other.predict_grid(*given), 2 * solution.predict_grid(*given))


@pytest.mark.parametrize("name", SOLVED)
def test_a_solution_survives_pickling_and_is_shown_shortly(name):
    solution = SOLUTIONS[name]
    given = (NEW_X, NEW_Y) if name in FUNCTIONS else rows(NEW_X, NEW_Y)
    again = pickle.loads(pickle.dumps(solution))
    assert np.array_equal(again.predict_grid(*given), solution.predict_grid(*given))
    assert "problem" not in repr(solution)
