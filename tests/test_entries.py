"""Whatever holds the same numbers gives the same result, at every public entry of rkbs."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from array_helpers import assert_alike, read_only
from optional import torch

import rkbs
from rkbs import (
    ADMM,
    EDP,
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    DualNewton,
    FeatureSections,
    Huber,
    Intervals,
    LowRank,
    LowRankGram,
    OneSidedProblem,
    OperatorProblem,
    PairKFold,
    Pairs,
    PairScorer,
    PositiveFeatures,
    Posterior,
    PowerFeatures,
    Precomputed,
    ProductProblem,
    RKBSPair,
    SchattenProblem,
    SeparableProblem,
    Spectral,
    TensorSections,
    inspect,
    solve,
)
from rkbs.data import aupr, c_index, mse, score_by_unit, similarity_clusters
from rkbs.kernels import KERNELS
from rkbs.kernels.repair import REPAIRS

# Eighths of whole numbers: each kind holds them exactly.
RNG = np.random.default_rng(0)
X, Y, Z = (RNG.integers(-8, 9, size=shape) / 8 for shape in ((6, 2), (5, 2), (6, 5)))
GRID = Pairs.grid(X, Y)
TABLE, RESPONSES = np.hstack([X[GRID.i], Y[GRID.j]]), Z.ravel()
GRAM = np.round(8 * (RBF()(X, X))) / 8 + 2 * np.eye(6)
NEAR = Y @ Y.T - 1
SPACES = RKBSPair.from_kernel(EDP(), 2, 3, p=1.5)


def fit(machine):
    return lambda x: machine.fit(Pairs.grid(x(X), x(Y)), x(Z)).predict_grid(x(X), x(Y))


def fit_table(machine):
    machine.set_params(n_features_x=2)
    return lambda x: machine.fit(x(TABLE), x(RESPONSES)).predict(x(TABLE))


def grams(problem, **more):
    right = OperatorProblem(GRAM, RBF()(Y, Y), GRID, Z, 0.5)

    def value(x):
        found = problem(x(GRAM), RBF()(Y, Y), GRID, x(Z), 0.5, **more)
        assert np.array_equal(found.gram_x, right.gram_x)
        return found.z

    return value


def in_later_folds(cv, data, groups):
    return [sum(k in test for _, test in [*cv.split(data, None, groups)][1:]) for k in range(30)]


def deviations(x):
    pairs = Pairs.grid(x(X), x(Y))
    machine = BinaryKernelRidge().fit(pairs, x(Z))
    return Posterior.of(machine, pairs, x(Z)).std(Pairs.grid(x(X + 1), x(Y)))


# name: its entries, each a function of "as this kind".
ENTRIES = {
    **{
        type(kernel).__name__: [
            lambda x, kernel=kernel: kernel(x(X), x(Y)),
            lambda x, kernel=kernel: kernel.pullback(x(X[:2]), None)(x(X), x(Y)),
        ]
        for kernel in KERNELS.values()
    },
    "BinaryKernelMachine": [
        fit(BinaryKernelMachine(alpha=0.1)),
        lambda x: BinaryKernelMachine(alpha=0.1).fit(Pairs.grid(x(X), Y), Z).query(x(X)),
        lambda x: BinaryKernelMachine(alpha=0.1).fit(Pairs.grid(X, x(Y)), Z).key(x(Y)),
        fit_table(BinaryKernelMachine(alpha=0.1)),
    ],
    "BinaryKernelMachineCV": [fit(BinaryKernelMachineCV(alphas=(0.1,), cv=2))],
    "BinaryKernelRidge": [
        fit(BinaryKernelRidge()),
        lambda x: BinaryKernelRidge().fit(GRID, Z).score(GRID, x(Z)),
        fit_table(BinaryKernelRidge()),
    ],
    "BinaryKernelRidgeCV": [
        fit(BinaryKernelRidgeCV(alphas=(1.0,))),
        lambda x: BinaryKernelRidgeCV(alphas=x(np.array([0.5]))).fit(GRID, Z).alpha_,
    ],
    "FeatureSections": [lambda x: FeatureSections(x(X), 1.5).phi],
    "Intervals": [
        lambda x: (
            Intervals.of(BinaryKernelRidge().fit(GRID, Z), Pairs.grid(x(X), x(Y)), x(Z))
            .settings[1]
            .errors
        ),
    ],
    "LowRank": [
        lambda x: LowRank(RBF(), x(X), 4)(x(X), x(Y)),
        lambda x: LowRank(RBF(), x(X), 4).features(x(Y)),
        lambda x: LowRank(RBF(), X, 4).left_out(x(Y)).share,
    ],
    "LowRankGram": [lambda x: LowRankGram(x(Z)).features],
    "OneSidedProblem": [
        lambda x: OneSidedProblem(FeatureSections(X, 1.5), x(Z[:, 0]), 0.5).z,
        lambda x: (
            solve(
                OneSidedProblem(FeatureSections(x(X), 2.0), x(Z[:, 0]), 0.5), DualNewton()
            ).value.v
        ),
    ],
    "OperatorProblem": [grams(OperatorProblem)],
    "PairKFold": [
        lambda x: in_later_folds(PairKFold(3, leave="row", n_features_x=2), x(TABLE), None),
        lambda x: in_later_folds(
            PairKFold(2, leave="row", groups_x=x(np.arange(6) % 4.0)), GRID, None
        ),
        lambda x: in_later_folds(PairKFold(2, leave="column"), GRID, x(GRID.j // 2.0)),
        lambda x: similarity_clusters(x(NEAR), 0),
    ],
    "PairScorer": [
        lambda x: PairScorer(mse)(BinaryKernelRidge().fit(GRID, Z), GRID, x(RESPONSES)),
        lambda x: PairScorer(mse, per="row")(
            BinaryKernelRidge(n_features_x=2).fit(x(TABLE), RESPONSES), x(TABLE), x(RESPONSES)
        ),
        lambda x: [c_index(x(Z), x(-Z)), aupr(x(RESPONSES), x(Z.T.ravel()), 0.5)],
        lambda x: score_by_unit(c_index, x(RESPONSES), Z.T.ravel(), x(GRID.i + 0.0)).scores,
    ],
    "Pairs": [
        lambda x: Pairs.grid(x(X), x(Y)).responses(x(Z)),
        lambda x: Pairs(x(X), x(Y), [0, 1], [2, 3]).X,
        lambda x: Pairs.from_mask(x(X), x(Y), Z > 0).Y,
        lambda x: Pairs.from_table(x(TABLE), 2).X,
        lambda x: GRID.responses(x(RESPONSES)),
        lambda x: GRID.to_frame(dict, z=x(Z))["z"],
    ],
    **{
        type(repair).__name__: [
            lambda x, repair=repair: repair.learn(x(GRAM - 3 * np.eye(6))).gram,
            lambda x, repair=repair: repair.learn(GRAM - 3 * np.eye(6)).rows(x(GRAM[:2] / 2)),
        ]
        for repair in REPAIRS.values()
    },
    "Posterior": [deviations],
    "PositiveFeatures": [
        lambda x: PositiveFeatures(X[:4], Z[0, :4], X[2:], Z[1, :4])(x(X), x(Y)),
        lambda x: PositiveFeatures(X[:4], Z[0, :4], X[2:], Z[1, :4]).log(x(X), x(Y)),
    ],
    "PowerFeatures": [
        lambda x: PowerFeatures(EDP(), 2, 3)(x(X)),
        lambda x: PowerFeatures(EDP(), 2, 3).remainder_bound(x(X)),
    ],
    "Precomputed": [
        lambda x: Precomputed(x(GRAM))(Precomputed.points(6), Precomputed.points(6)),
        lambda x: Precomputed(GRAM)(x(Precomputed.points(6)), x(Precomputed.points(6))),
        lambda x: [Precomputed(x(GRAM)).is_mercer, Precomputed(x(GRAM)).feature_dim(1)],
        lambda x: Precomputed(GRAM)(x(GRAM[:3]), x(GRAM)),
    ],
    "ProductProblem": [lambda x: ProductProblem(SPACES, Pairs.grid(x(X), x(Y)), x(Z), 1.0, 1.0).z],
    "RKBSPair": [
        lambda x: SPACES.f(x(np.ones(SPACES.dim) / 2))(X),
        lambda x: SPACES.g(np.ones(SPACES.dim))(x(Y)),
        lambda x: SPACES.section_x(x(X[0])).coefficients,
        lambda x: SPACES.separates("x", x(X)),
        lambda x: SPACES.evaluation_norms("y", x(Y)),
        lambda x: SPACES.function_spaces(x(X), x(Y)).rank_kernel,
    ],
    "SchattenProblem": [grams(SchattenProblem)],
    "SeparableProblem": [
        lambda x: SeparableProblem(SPACES, Pairs.grid(x(X), x(Y)), x(Z), 1.0, 1.0).phi_x
    ],
    "TensorSections": [
        lambda x: TensorSections(x(X), 2).X,
        lambda x: TensorSections(X, 1).function(Z[:, 0], 1.0)(x(Y)),
    ],
    "inspect": [
        lambda x: inspect(EDP(), x(X)).singular_values,
        lambda x: inspect(EDP(), x(X), x(Y)).maximum,
    ],
    "solve": [lambda x: solve(OperatorProblem(GRAM, np.eye(5), GRID, x(Z), 1.0), Spectral())],
}
WITHOUT_ARRAYS = {
    "problems are what it takes": "ADMM Alternating Cholesky ConjugateGradient DualNewton "
    "Factorized Spectral SpectralNewton",
    "elementwise on numpy arrays, which the problems have checked": "EpsilonInsensitive Hinge "
    "Huber Logistic Squared Schatten HalfSquare Norm PowerNorm",
    "made by rkbs": "Certificate ConvergenceError Inspection Solution",
    "abstract": "Kernel",
    "of fitted machines": "load save",
    "no object": "__version__",
}


def test_the_table_is_complete():
    named = set(ENTRIES) | set(" ".join(WITHOUT_ARRAYS.values()).split())
    assert named == set(rkbs.__all__)
    assert not set(ENTRIES) & set(" ".join(WITHOUT_ARRAYS.values()).split())


CASES = [(name, k) for name, entries in ENTRIES.items() for k in range(len(entries))]


@pytest.mark.parametrize(("name", "entry"), CASES)
def test_every_kind_of_array_works(name, entry, folder):
    assert_alike(ENTRIES[name][entry], folder, 1e-13)


def test_solvers_do_not_write_into_what_they_are_given():
    given = [read_only(values) for values in (X, Y, Z)]
    BinaryKernelMachine(alpha=0.1, solver=ADMM()).fit(Pairs.grid(*given[:2]), given[2])


NUMBERS = {
    "float32": np.float32,
    "longdouble": np.longdouble,
    "int64": np.int64,
    "array": np.asarray,
    "tensor": torch.tensor,
    "bfloat16": lambda value: torch.tensor(value, dtype=torch.bfloat16),
}
SEQUENCES = {
    "tuple": tuple,
    "numpy": np.array,
    "read-only": lambda values: read_only(np.array(values)),
    "pandas": pd.Series,
    "polars": pl.Series,
    "tensor": torch.tensor,
    "tensor with a gradient": lambda values: torch.tensor(values, requires_grad=True),
    "range": lambda values: range(1, 3),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_may_come_in_an_array_without_axes(kind):
    number = NUMBERS[kind]
    assert BinaryKernelRidge(alpha=number(2.0)).fit(GRID, Z).certificate_.passed
    assert OperatorProblem(GRAM, np.eye(5), GRID, Z, number(2.0)).alpha == 2.0
    assert Huber(number(2.0)) == Huber(2.0)
    if kind in ("int64", "array", "tensor"):
        assert PowerFeatures(EDP(), 2, number(3)).dim == PowerFeatures(EDP(), 2, 3).dim


@pytest.mark.parametrize("kind", SEQUENCES)
def test_numbers_may_come_in_any_sequence(kind):
    alphas = SEQUENCES[kind]([1.0, 2.0])
    with warnings.catch_warnings(action="ignore"):  # of two α one is always at an end
        assert len(BinaryKernelRidgeCV(alphas=alphas).fit(GRID, Z).leave_out_rmse_) == 2
        machine = BinaryKernelMachineCV(alphas=alphas, cv=2).fit(GRID, Z)
    assert machine.alphas_.tolist() == [2.0, 1.0]
    paths = Spectral().setup(OperatorProblem(GRAM, np.eye(5), GRID, Z, 1.0)).path(alphas)
    assert [solution.certificate.passed for solution in paths] == [True, True]
