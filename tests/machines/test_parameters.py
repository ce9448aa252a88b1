"""Kernels' parameters in scikit-learn's searches: kernel_x__tau."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from rkbs.data import Pairs
from rkbs.kernels import RBF, Constant, Identity, Quadratic
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
)

MACHINES = (BinaryKernelMachine, BinaryKernelMachineCV, BinaryKernelRidge, BinaryKernelRidgeCV)
SUM = RBF(0.5) + 2.0 * Identity()


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_every_parameter_is_kept_as_it_came_under_its_name(machine):
    """Also those that a base class keeps."""
    given = {name: object() for name in inspect.signature(machine).parameters}
    made = machine(**given)
    assert made.get_params(deep=False) == given == vars(made)
    assert vars(machine(*given.values())) == given


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_every_parameter_of_a_kernel_has_a_name(machine):
    made = machine(RBF(0.5), SUM)
    params = made.get_params()
    assert (params["kernel_x__tau"], params["kernel_y__a__tau"]) == (0.5, 0.5)
    assert params["kernel_y__b__kernel"] == Identity()
    assert not [name for name in made.get_params(deep=False) if "__" in name]
    made.set_params(
        kernel_x__tau=3.0, kernel_y__b__factor=5.0, kernel_y__a__tau=0.1, n_features_x=2
    )
    assert (made.kernel_x, made.kernel_y) == (RBF(3.0), RBF(0.1) + 5.0 * Identity())
    assert made.n_features_x == 2
    assert RBF(0.5) + 2.0 * Identity() == SUM  # a kernel itself never changes
    again = clone(made).set_params(**made.get_params())
    assert (again.kernel_x, again.kernel_y) == (made.kernel_x, made.kernel_y)


def test_a_new_kernel_and_its_parameters_at_once():
    made = BinaryKernelRidge(Constant()).set_params(kernel_x=Quadratic(), kernel_x__gamma=3.0)
    assert made.kernel_x == Quadratic(3.0)
    made.set_params(kernel_y=SUM, kernel_y__a=RBF(2.0), kernel_y__a__tau=7.0)
    assert made.kernel_y == RBF(7.0) + 2.0 * Identity()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kernel_x__sigma": 1}, r"kernel_x__sigma is no parameter of RBF\(.*it has kernel_x__tau"),
        ({"kernel_x__tau": -1.0}, r"RBF\(tau=…\) must be positive"),
        ({"kernel_y__tau": 1.0}, "kernel_y__tau is no parameter of None; it has none"),
        ({"solver__tol": 1.0, "kernel_z": 1}, "Invalid parameter"),
    ],
)
def test_what_is_no_parameter_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        BinaryKernelRidge(RBF()).set_params(**params)


def test_a_grid_search_finds_the_kernel():
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (20, 1)), rng.uniform(-1, 1, (15, 1))
    Z = np.sin(5 * X) * np.cos(Y[:, 0]) + 0.01 * rng.normal(size=(20, 15))
    grid = {"kernel_x__tau": [1e-4, 5.0], "kernel_y__a__tau": [1.0]}
    machine = BinaryKernelRidge(RBF(), RBF() + Constant(), alpha=1e-2)
    search = GridSearchCV(machine, grid, cv=3).fit(Pairs.grid(X, Y), Z.ravel())
    assert search.best_params_["kernel_x__tau"] == 5.0
    assert search.best_estimator_.kernel_x_ == RBF(5.0)
    assert machine.kernel_x == RBF()
