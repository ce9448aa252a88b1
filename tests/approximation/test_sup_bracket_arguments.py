"""Arguments of the certified sup error: what is wrong with them is named."""

import dataclasses
import math
from contextlib import nullcontext

import numpy as np
import pytest
from bracket_helpers import certify, random_weights

from rkbs.approximation import TARGETS
from rkbs.approximation import sup_bracket as certified
from rkbs.approximation.sup_bracket import certified_sup_error
from rkbs.approximation.surface import Target

W = random_weights(0, 1.0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (W | {"query.hidden.weight": np.ones((12, 2))}, r"head must be on the line.* = \(2, 1\)"),
        (W | {"key.hidden.weight": np.ones((12, 3))}, r"head must be on the line.* = \(1, 3\)"),
        ({n: a * 1e200 if "output" in n else a for n, a in W.items()}, "'edp' contains NaN or inf"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_heads_that_cannot_be_certified_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        certify(TARGETS["edp"], weights)


def test_other_bad_arguments_are_named():
    with pytest.raises(ValueError, match="'mine' has no analytic_bound: a bound of"):
        certify(Target("mine", "", lambda t, s: t @ s.T, smooth=True), W)
    with pytest.raises(ValueError, match="targets on the line, got dim=2"):
        certify(TARGETS["edp_2d"], W)
    for ratio in (1, 0.5, 1 + 1e-9, math.nan):
        with pytest.raises(ValueError, match="ratio must be"):
            certify(TARGETS["edp"], W, ratio=ratio)
    with pytest.raises(ValueError, match="max_cells must be at least 1"):
        certify(TARGETS["edp"], W, max_cells=0)
    holes = dataclasses.replace(
        TARGETS["edp"], function=lambda t, s: np.where(t == t.min(), np.nan, t @ s.T)
    )
    with pytest.raises(ValueError, match="NaN"):
        certify(holes, W)


EDP = TARGETS["edp"]
LIES = {
    "NaN": (EDP, {"analytic_bound": lambda rho: math.nan}, "is nan, but"),
    "negative": (EDP, {"analytic_bound": lambda rho: -1.0}, "is -1, but"),
    "too small": (EDP, {"analytic_bound": lambda rho: 1e-3}, "is 0.001, but"),
    "NaN outside": (
        EDP,
        {"analytic_bound": lambda rho: 8.0 if rho <= 1 else math.nan},
        "must be ≥ 0, or infinite, got nan",
    ),
    "other pieces": (
        TARGETS["kink"],
        {"pieces": (lambda t, s: 0 * (t - s.T), lambda t, s: 0 * (t - s.T))},
        "pieces of target 'kink' differ from F by 2",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_target_that_its_own_values_refute(name):
    target, changes, message = LIES[name]
    with pytest.raises(ValueError, match=message):
        certify(dataclasses.replace(target, **changes), W)


@pytest.mark.parametrize(("past", "refuted"), [(0.5, False), (1.5, True)])
@pytest.mark.parametrize("name", ["bound", "pieces"])
def test_values_refute_a_target_by_more_than_rounding(name, past, refuted):
    """|F| a billionth over its bound, sides a trillionth of it off F: by half of that, or more."""
    kink = TARGETS["kink"]
    if name == "bound":
        size = 1 + 1e-9 * past
        changed = Target(
            "", "", lambda t, s: size * t @ s.T, smooth=True, analytic_bound=lambda rho: 1.0
        )
    else:
        off = 1e-12 * past * kink.analytic_bound(1.0)
        upper, lower = kink.pieces
        changed = dataclasses.replace(kink, pieces=(lambda t, s: upper(t, s) + off, lower))
    with pytest.raises(ValueError, match=name) if refuted else nullcontext():
        certified._check_declared(changed)


def test_a_surface_that_declares_nothing_and_weights_that_are_no_head():
    with pytest.raises(TypeError, match="target must be a Target"):
        certify(lambda t, s: t @ s.T, W)
    with pytest.raises(TypeError, match="head must be a Head, got dict"):
        certified_sup_error(EDP, W)


def test_weights_may_be_tensors():
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in W.items()}
    found, same = certify(EDP, tensors), certify(EDP, W)
    assert (found.lower, found.upper) == (same.lower, same.upper)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bounds_that_overflow_are_no_bounds():
    """Finite weights whose rounding bound is not: NaN must not pass as small."""
    huge = {name: value.copy() for name, value in W.items()}
    huge["query.hidden.weight"][0] = huge["query.hidden.bias"][0] = 1e308
    huge["query.output.weight"][:, 0] = 0
    with pytest.raises(ValueError, match="NaN or infinity"):
        certify(EDP, huge)
