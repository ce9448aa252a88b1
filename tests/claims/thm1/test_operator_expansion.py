"""thm1.operator_expansion: its verdict, and what changes it; NaN does not pass."""

from dataclasses import replace

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import OPERATOR_COEFFICIENTS, attribute, of_coefficients

from verify.claims.thm1 import operator_expansion as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run

FOUND = {}
"""Operators over the whole space, by what they solve."""


def found_once(right):
    """The solve over the whole space, which no sabotage is about, once for equal problems."""

    def operator(phi_x, phi_y, pairs, z, alpha):
        key = (*(array.tobytes() for array in (phi_x, phi_y, pairs.i, pairs.j, z)), alpha)
        if key not in FOUND:
            FOUND[key] = right(phi_x, phi_y, pairs, z, alpha)
        return FOUND[key]

    return operator


broken = Subject("thm1.operator_expansion", attribute(module, "whole_space_operator", found_once))
SABOTAGES = [
    *(
        broken(what, of_coefficients(module, change))
        for what, change in OPERATOR_COEFFICIENTS.items()
    ),
    broken(
        "EDP's features cut at order 8",
        lambda patch: patch.setitem(
            module.SPACES, "EDP, d = 1", (*module.SPACES["EDP, d = 1"][:2], 8)
        ),
        noticed="T_expansion",
    ),
    broken(
        "W^Q := W^K",
        attribute(
            module.Setting,
            "draw",
            lambda right: classmethod(lambda cls, name, rng: symmetric(name, right(name, rng))),
        ),
        noticed="asymmetry",
    ),
]


def symmetric(name, setting):
    """The setting with W^K for W^Q in the kernel and in the features of X."""
    kernel = module.SPACES[name][0].pullback(setting.WK, setting.WK)
    return replace(setting, WQ=setting.WK, binary=kernel)


test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1, 2))
test_sabotage = is_noticed(SABOTAGES)


def test_coefficients_that_are_nan_are_not_confirmed(monkeypatch):
    of_coefficients(module, lambda c: c + np.nan)(monkeypatch)
    try:
        verdict = module.operator_expansion(Run()).verdict
    except np.linalg.LinAlgError:  # NaN may not get as far as a check
        return
    assert verdict is Verdict.UNCONFIRMED
