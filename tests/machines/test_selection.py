"""What cross-validation says of its choice: α without certificate, α at an end of the path."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from rkbs import RBF, BinaryKernelRidge, BinaryKernelRidgeCV, Pairs
from rkbs.kernels import Linear
from rkbs.laws import relative
from rkbs.machines._selection import warn_end_of_path, warn_uncertified
from rkbs.solvers.operators import dense
from rkbs.solvers.operators.dense import DenseState
from rkbs.solvers.operators.spectral_state import SpectralState


@pytest.mark.parametrize(("alpha", "end"), [(0.1, "smallest"), (10.0, "largest")])
def test_an_end_of_the_path_is_named(alpha, end):
    with pytest.warns(UserWarning, match=f"alpha = {alpha:.3g} is the {end} of the 3 on the path"):
        warn_end_of_path(alpha, [10.0, 0.1, 1.0])


def test_inside_a_path_and_of_one_alpha_nothing_is_said():
    warn_end_of_path(1.0, [10.0, 0.1, 1.0])
    warn_end_of_path(1.0, [1.0])
    warn_end_of_path(1.0, [1.0, 1.0])
    warn_uncertified([], "in some fold")


def test_alphas_without_certificate_are_named():
    with pytest.warns(ConvergenceWarning, match=r"certified in some fold.*alpha = 1e-09, 0.001\."):
        warn_uncertified([1e-9, 1e-3], "in some fold")


RNG = np.random.default_rng(0)
GRID = Pairs.grid(RNG.normal(size=(6, 2)), RNG.normal(size=(5, 2)))
HALF = GRID[np.sort(RNG.permutation(30)[:18])]
Z = RNG.normal(size=(6, 5))
NAN = np.nan
UNCERTIFIED = "not certified in the fit to all pairs.* alpha = "
CHOICES = [  # leave-out errors of α = 1, 0.1 and 10, which fits fail, the choice, what is said
    ((1.0, 2.0, 3.0), (), 1.0, []),
    ((2.0, 1.0, 3.0), (), 0.1, ["the chosen alpha = 0.1 is the smallest of the 3"]),
    ((3.0, 2.0, 1.0), (), 10.0, ["the chosen alpha = 10 is the largest of the 3"]),
    # Of equal errors the largest α.
    ((1.0, 1.0, 3.0), (), 1.0, []),
    ((1.0, 3.0, 1.0), (), 10.0, ["the chosen alpha = 10 is the largest of the 3"]),
    # Where no α is better than another, an end is no news.
    ((1.0, 1.0, 1.0), (), 10.0, []),
    # An α whose fit is not certified is left out, and named.
    ((2.0, 1.0, 3.0), (0.1,), 1.0, [UNCERTIFIED + r"0\.1\. "]),
    ((0.5, 1.0, 1.0), (1.0,), 10.0, [UNCERTIFIED + r"1\. "]),
    ((0.7, 1.0, 0.5), (1.0, 10.0), 0.1, [UNCERTIFIED + r"1, 10\. "]),
    (
        (3.0, 1.0, 0.5),
        (10.0,),
        0.1,
        [UNCERTIFIED + r"10\. ", "the chosen alpha = 0.1 is the smallest of the 3"],
    ),
    # One of equal errors.
    ((1.0, 1.0, 1.0), (10.0,), 1.0, [UNCERTIFIED + r"10\. "]),
    # One of more error is not tried.
    ((1.0, 2.0, 3.0), (0.1, 10.0), 1.0, []),
    # No error at all is the last to be tried.
    ((1.0, NAN, 3.0), (), 1.0, []),
]


def failing(path, alphas):
    """A state's path whose fits at some α are not certified, and the list of all that it fitted."""
    fitted = []

    def wrong(self, asked):
        for solution in path(self, asked):
            alpha = solution.problem.alpha
            fitted.append(alpha)
            certificate = replace(solution.certificate, kkt_residual=np.inf)
            yield replace(solution, certificate=certificate) if alpha in alphas else solution

    return wrong, fitted


@pytest.mark.parametrize("pairs", [GRID, HALF], ids=["grid", "half"])
@pytest.mark.parametrize(("errors", "failed", "alpha", "says"), CHOICES)
def test_the_choice_of_alpha_by_its_errors(errors, failed, alpha, says, pairs, monkeypatch):
    error = dict(zip((1.0, 0.1, 10.0), errors, strict=True))
    state = SpectralState if pairs is GRID else DenseState
    path, fitted = failing(state.path, failed)
    monkeypatch.setattr(state, "path", path)
    monkeypatch.setattr(
        BinaryKernelRidgeCV, "_rmse", lambda self, state, at, _: np.array([error[a] for a in at])
    )
    machine = BinaryKernelRidgeCV(RBF(), RBF(), alphas=tuple(error))
    with warnings.catch_warnings(record=True, action="always") as told:
        machine.fit(pairs, Z[pairs.i, pairs.j])
    assert len(told) == len(says)
    for warning, words in zip(told, says, strict=True):
        assert re.match(words, str(warning.message))
    assert machine.alpha_ == alpha
    tried = [a for a in error if a in failed and a in fitted]
    kept = [NAN if a in tried else error[a] for a in error]
    assert np.array_equal(machine.leave_out_rmse_, kept, equal_nan=True)
    # from the least error on, and none after the first that is certified
    assert sorted(fitted) == sorted([*tried, alpha])
    assert [error[a] for a in fitted] == sorted(error[a] for a in fitted)
    fit = BinaryKernelRidge(RBF(), RBF(), alpha=alpha).fit(pairs, Z[pairs.i, pairs.j])
    assert relative(machine.dual_coef_, fit.dual_coef_) < 1e-10
    assert machine.certificate_.passed


@pytest.mark.parametrize("pairs", [GRID, HALF], ids=["grid", "half"])
@pytest.mark.parametrize("effects", [(), ("row",)], ids=["operator", "effects"])
def test_the_error_of_an_alpha_does_not_depend_on_the_others(effects, pairs, monkeypatch):
    """The pairs are decomposed once, in the way that the least α needs."""
    monkeypatch.setattr(dense, "_QUICK", 0)  # as with many pairs
    alphas, z = (1.0, 1e-13, 1e6, 1e-3), Z[pairs.i, pairs.j]
    machine = BinaryKernelRidgeCV(Linear(), Linear(), effects=effects)

    def rmse(*alphas):
        return machine.set_params(alphas=alphas).fit(pairs, z).leave_out_rmse_

    with warnings.catch_warnings(action="ignore"):  # the best may be at an end
        together = rmse(*alphas)
    np.testing.assert_allclose(together, [rmse(alpha)[0] for alpha in alphas], rtol=1e-9)
