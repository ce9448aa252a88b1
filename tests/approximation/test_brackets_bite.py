"""The certified sup error sees mutants: lower ≤ sup ≤ upper, on errors whose sup is known."""

import math

import numpy as np
import pytest

from rkbs.approximation import _panels, _search
from rkbs.approximation.heads import Head
from rkbs.approximation.sup_bracket import certified_sup_error
from rkbs.approximation.surface import Target


def network(weights, slopes=(1.0, 1.0), biases=(0.0, 0.0)):
    """G(t, s) = Σ_j w_j tanh(a_j t + b_j)."""
    query = {"output.weight": [weights], "output.bias": [0.0]}
    key = {"output.weight": [(0.0, 0.0)], "output.bias": [1.0]}
    hidden = {"hidden.weight": np.reshape(slopes, (2, 1)), "hidden.bias": biases}
    towers = {"query": query | hidden, "key": key | hidden}
    arrays = {f"{t}.{n}": np.array(a) for t, tower in towers.items() for n, a in tower.items()}
    return Head.from_weights(arrays)


def bracket_of(formula, bound, sup, weights=(0.0, 0.0), **layer):
    """The bracket for a formula and a network, called when patched, and the sup."""
    target = Target("f", "", lambda t, s: formula(t, s.T), smooth=True, analytic_bound=bound)
    return lambda: (certified_sup_error(target, network(weights, **layer)), sup)


def chebyshev_t(m, x):
    return np.cos(m * np.arccos(x))


def below_pole(height, bound):
    """Infinite where the ellipse of that semi-axis reaches the pole at distance 1."""
    return bound if height < 1 else math.inf


BRACKETS = {
    "product": bracket_of(lambda t, s: t * s, lambda rho: rho**2, 1.0),
    "small tail": bracket_of(
        lambda t, s: t * s + 0.004 * chebyshev_t(7, t) * chebyshev_t(7, s),
        lambda rho: rho**2 + 0.004 * rho**14,
        1.004,
    ),
    "bump of the target": bracket_of(
        lambda t, s: 1 / (1 + (12 * (t - 0.442)) ** 2) + 0 * s,
        lambda rho: below_pole(h := 6 * (rho - 1 / rho), 1 / (1 - h) ** 2),
        1.0,
    ),
    "bump of the head": bracket_of(
        lambda t, s: 0 * t * s,
        lambda rho: 0.0,
        math.tanh(1.5),
        weights=(0.5, -0.5),
        slopes=(3e3, 3e3),
        biases=(-3e3 * 0.3773 + 1.5, -3e3 * 0.3773 - 1.5),
    ),
    "none": bracket_of(
        lambda t, s: np.tanh(3 * t) + 0 * s,
        lambda rho: below_pole(h := 1.5 * (rho - 1 / rho), 1 / (1 - h)),
        0.0,
        weights=(1.0, 0.0),
        slopes=(3.0, 3.0),
    ),
}


OVERSAMPLED, SURFACE_MISSED = _panels.oversampled, _panels.surface_missed


def improve_without_rounding(search, t, s):
    t, s = np.array([t]), np.array([s])
    found = np.abs(search.target(t, s) - search.query(t)[0] @ search.key(s)[0].T)
    search.lower = max(search.lower, found.item())


BRACKET_MUTANTS = {
    "rise between points forgotten": (
        "product",
        (_panels, "oversampled", lambda m, gain: (OVERSAMPLED(m, gain)[0], 1.0)),
    ),
    "rise along one axis only": (
        "product",
        (_panels, "oversampled", lambda m, gain: (OVERSAMPLED(m, gain)[0], gain**0.5)),
    ),
    "half the distance between points": (
        "product",
        (
            _panels,
            "oversampled",
            lambda m, gain: (
                (x := OVERSAMPLED(m, gain)[0]),
                1 / math.cos(m * math.pi / (4 * len(x))),
            ),
        ),
    ),
    "small coefficients forgotten": (
        "small tail",
        (_search, "dropped", lambda tables: 0.5 * _panels.dropped(tables)),
    ),
    "remainder of the target forgotten": (
        "bump of the target",
        (_search, "surface_missed", lambda bound, half: 0.0),
    ),
    "bound on the interval, not on ellipses": (
        "bump of the target",
        (
            _search,
            "surface_missed",
            lambda bound, half: SURFACE_MISSED(lambda rho: bound(1.0), half),
        ),
    ),
    "remainder of the head forgotten": (
        "bump of the head",
        (_panels.Tower, "missed", lambda tower, centers, half: np.zeros((len(centers), 1))),
    ),
    "rounding forgotten": (
        "none",
        (_search.Search, "improve", improve_without_rounding),
    ),
}


@pytest.mark.parametrize("name", BRACKETS)
def test_brackets_of_known_errors_hold(name):
    bracket, sup = BRACKETS[name]()
    assert bracket.lower <= sup <= bracket.upper
    assert bracket.upper <= 1.05 * sup + 1e-11


@pytest.mark.parametrize("mutant", BRACKET_MUTANTS)
def test_a_bracket_that_forgets_something_is_seen(mutant, monkeypatch):
    name, *patches = BRACKET_MUTANTS[mutant]
    for home, attribute, function in patches:
        monkeypatch.setattr(home, attribute, function)
    try:
        bracket, sup = BRACKETS[name]()
    except ValueError as error:  # seen already: the ends are exchanged
        if "are wrong" not in str(error):
            raise
        return
    assert not bracket.lower <= sup <= bracket.upper
