"""Representations of what holds arrays: short, with the arrays' dtypes and shapes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import optional
import pytest
from optional import torch

from rkbs import inspect
from rkbs._arrays import short_repr
from rkbs.approximation import (
    TARGETS,
    Quadrature,
    constructive_head,
    sampled_floor,
    schmidt,
)
from rkbs.approximation.sup_bracket import certified_sup_error
from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF
from rkbs.problems import OperatorProblem
from rkbs.problems.expansion import OneSidedProblem
from rkbs.problems.product import ProductProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import (
    ADMM,
    Alternating,
    Cholesky,
    DualNewton,
    Eigen,
    Factorized,
    Spectral,
    SpectralNewton,
    solve,
)
from rkbs.spaces import RKBSPair
from rkbs.spaces.sections import FeatureSections
from rkbs.spaces.tensor_sections import TensorSections
from rkbs.terms.spectral_penalties import Schatten

attention = optional.module("rkbs.attention")
surfaces = optional.module("rkbs.attention.heads.surfaces")

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-1, 1, (30, 2)), RNG.uniform(-1, 1, (25, 2))
PAIRS, Z = Pairs.grid(X, Y), RNG.standard_normal((30, 25))
GRAMS = RBF()(X, X), RBF()(Y, Y)
SPACES = RKBSPair.from_kernel(EDP(), 2, 8, p=1.5)
PHI = SPACES.features_x(X)
GRID = Quadrature.gauss_legendre(64)
HEAD = constructive_head(TARGETS["edp"], 3, 32, quadrature=GRID)
PROBLEMS = {
    "operator": OperatorProblem(*GRAMS, PAIRS, Z, 0.1),
    "schatten": SchattenProblem(*GRAMS, PAIRS, Z, 0.1, penalty=Schatten(1.5)),
    "nuclear": SchattenProblem(*GRAMS, PAIRS, Z, 0.1),
    "separable": SeparableProblem(SPACES, PAIRS, Z, 0.1, 0.2),
    "product": ProductProblem(SPACES, PAIRS, Z, 0.1, 0.2),
    "one-sided": OneSidedProblem(FeatureSections(PHI, 1.5), Z[:, 0], 0.1),
    "tensor": OneSidedProblem(TensorSections(X, 1), Z[:, 0], 0.1),
}
GIVEN = PROBLEMS["product"].given("f", np.ones(SPACES.dim))
SOLVED = [
    ("operator", Spectral()),
    ("operator", Cholesky()),
    ("schatten", ADMM(1e-2)),
    ("schatten", SpectralNewton()),
    ("nuclear", Factorized()),
    ("separable", DualNewton(1e-6)),
    ("product", Alternating(max_iter=1)),
    ("one-sided", DualNewton(1e-6)),
    ("tensor", DualNewton(1e-6)),
]
OTHERS = {
    "given": GIVEN,
    "side": GIVEN.side,
    "factors": PROBLEMS["schatten"].factors,
    "eigen": Eigen.of(GRAMS[0], "gram_x"),
    "state": Spectral().setup(PROBLEMS["operator"]),
    "dense state": Cholesky().setup(PROBLEMS["operator"]),
    "spaces": SPACES,
    "element": SPACES.f(np.ones(SPACES.dim)),
    "function": TensorSections(X, 1).function(Z[:, 0], 1.0),
    "inspection": inspect(RBF(), X),
    "quadrature": GRID,
    "spectrum": schmidt(TARGETS["edp"], 32),
    "sampled": sampled_floor(TARGETS["edp"], (0, 1), samples=9, replicates=40, rng=RNG),
    "head": HEAD,
    "bracket": certified_sup_error(TARGETS["edp"], HEAD),
    "linear heads": attention.train_linear_heads(PHI, PHI[:25], PAIRS, Z, 0.1, 2, steps=2),
    "surfaces": surfaces.Surfaces.tabulate(
        TARGETS["edp"], GRID, attention.TwoTowerEnsemble.from_heads([HEAD])
    ),
}


def is_short(value):
    text = repr(value)
    assert len(text) < 400
    assert text.startswith(f"{type(value).__name__}(")
    assert "array" not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_are_shown_by_their_shapes(name):
    assert "z=float64[" in is_short(PROBLEMS[name])


@pytest.mark.parametrize(("name", "solver"), SOLVED)
def test_solutions_are_shown_by_their_shapes(name, solver):
    text = is_short(solve(PROBLEMS[name], solver))
    assert "float64[" in text
    assert f"'solver': '{type(solver).__name__}'" in text


@pytest.mark.parametrize("value", OTHERS.values(), ids=OTHERS)
def test_what_holds_arrays_is_shown_by_its_shapes(value):
    is_short(value)


class Point(NamedTuple):
    a: Any
    b: Any

    __repr__ = short_repr


@dataclass(frozen=True)
class Holder:
    value: Any

    __repr__ = short_repr


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((3, 2)), "float64[3, 2]"),
        (np.zeros((), np.int32), "int32[]"),
        (torch.zeros(3, 1), "float32[3, 1]"),
        (0.5, "0.5"),
        ("x", "'x'"),
        (None, "None"),
        ((np.ones(2), 1), "(float64[2], 1)"),
        ([1.0] * 999, "list[999]"),
        ({"a": np.ones(2), "b": [3]}, "{'a': float64[2], 'b': list[1]}"),
        (is_short, "is_short"),
        (Point(1, np.ones(4)), "Point(a=1, b=float64[4])"),
        (RBF(2.0), "RBF(tau=2.0)"),
    ],
)
def test_short_representations(value, text):
    assert repr(Holder(value)) == f"Holder(value={text})"
