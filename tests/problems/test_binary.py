"""What the separable and the product reading share: bad input names the argument in both."""

from dataclasses import replace

import numpy as np
import pytest

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP
from rkbs.problems.binary import BinaryProblem
from rkbs.problems.product import ProductProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import Alternating, DualNewton, solve
from rkbs.spaces import RKBSPair
from rkbs.terms.margin_losses import Logistic

SOLVERS = {SeparableProblem: DualNewton(), ProductProblem: Alternating()}
every_reading = pytest.mark.parametrize("reading", SOLVERS)


def make(reading):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((2, 2, 3)) / 2
    pairs = Pairs.grid(rng.uniform(-1, 1, (6, 3)), rng.uniform(-1, 1, (5, 3)))
    z = rng.standard_normal(len(pairs))
    return reading(RKBSPair.from_kernel(EDP(), 2, 3, 1.5, *W), pairs, z, 0.1, 0.2)


def test_table_has_every_reading():
    assert set(BinaryProblem.__subclasses__()) == set(SOLVERS)


@every_reading
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"spaces": None}, TypeError, "spaces must be a RKBSPair"),
        ({"pairs": None}, TypeError, "pairs must be a Pairs"),
        ({"loss": "squared"}, TypeError, "loss must be a DualLoss"),
        ({"regularizer_x": 2}, TypeError, "regularizer_x must be a Regularizer"),
        ({"regularizer_y": 2}, TypeError, "regularizer_y must be a Regularizer"),
        ({"z": np.ones(7)}, ValueError, "z must have shape"),
        ({"z": np.full(30, np.nan)}, ValueError, "z contains NaN"),
        ({"z": np.full(30, 1e200)}, ValueError, "rescale the responses"),
        ({"z": np.full(30, 1e-200)}, ValueError, "rescale the responses"),
        ({"alpha_x": 0.0}, ValueError, "alpha_x must be positive"),
        ({"alpha_y": -1.0}, ValueError, "alpha_y must be positive"),
        ({"alpha_y": "1"}, TypeError, "alpha_y must be a real number"),
        ({"loss": Logistic()}, ValueError, "z must be −1 or 1"),
    ],
)
def test_bad_problems_name_the_argument(reading, change, error, message):
    problem = make(reading)
    with pytest.raises(error, match=message):
        replace(problem, **change)


@every_reading
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features_x": 3}, TypeError, "features_x must be callable"),
        ({"dim": "a"}, TypeError, "dim must be an integer"),
        ({"dim": 0}, ValueError, "dim must be at least 1"),
        ({"dim": 7}, ValueError, r"features_[xy] must give 7 features"),
        ({"features_x": lambda x: x[:, :1]}, ValueError, "features_x must give 3 features"),
        ({"features_y": lambda y: y[:, :1]}, ValueError, "features_y must give 3 features"),
    ],
)
def test_pairs_of_spaces_that_are_none(reading, change, error, message):
    arguments = {"features_x": lambda x: x, "features_y": lambda y: y, "dim": 3, "p": 1.5}

    def learn(**spaces):
        grid = Pairs.grid(np.eye(3), np.eye(3))
        problem = reading(RKBSPair(**spaces), grid, np.ones(9), 0.1, 0.1)
        return solve(problem, SOLVERS[reading])

    assert learn(**arguments).certificate.passed
    with pytest.raises(error, match=message):
        learn(**arguments | change)
