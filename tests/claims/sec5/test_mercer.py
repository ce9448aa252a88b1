"""sec5.mercer: its verdict, what changes it, and the law on small tables."""

from functools import cache

import numpy as np
import pytest
from flint import fmpq
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, in_short

from verify.claims.sec5 import mercer as module
from verify.harness.evidence import Verdict
from verify.oracles import small_tables

TRAIN = cache(module.train)


def once(patch):
    patch.setattr(module, "train", TRAIN)
    few = tuple(module.symmetric_tables(n, most) for n, most in ((2, 4), (3, 4), (4, 3)))
    tables = {(t.shape[-1], int(t.max())): t for t in few}
    patch.setattr(module, "symmetric_tables", lambda n, most: tables[n, most])


def or_equal(tables, target, factors=()):
    tables = tables * np.array(factors or [1] * tables.shape[-1], dtype=tables.dtype)
    n = range(tables.shape[-1])
    best = tables.max(-1)
    return sum(tables[:, i, target[i]] == best[:, i] for i in n)


def without_the_own_key(arm, q, k, bias, target):
    logits = arm.sign * q @ k.T / 2 + bias
    np.fill_diagonal(logits, -np.inf)
    return int((logits.argmax(-1) == target).sum())


def other_arm(patch):
    patch.setitem(module.ARMS, "EDP, tied", module.ARMS["exp(−w·w′), tied"])


broken = Subject("sec5.mercer", in_short({(48, 400): (16, 200)}, once))
SABOTAGES = [
    broken("the own key hidden", constants(module, selected=without_the_own_key), noticed="law"),
    broken("a kernel that is not PSD for the Mercer kernel", other_arm, noticed="EDP, tied"),
    broken(
        "a law of one less",
        attribute(module.Arm, "law", lambda f: lambda self, length: f(self, length) - 1),
        noticed="selected − law",
    ),
    broken(
        "W^Q = W^K in all arms",
        attribute(module, "selected", lambda f: lambda arm, q, k, bias, pi: f(arm, q, q, bias, pi)),
        noticed="untied",
    ),
    broken("ties select", constants(module, strict=or_equal), noticed="all PSD 2 × 2"),
    broken(
        "all tables taken for PSD",
        constants(module, is_psd=lambda tables: np.ones(len(tables), bool)),
        noticed="all PSD 2 × 2",
    ),
    broken(
        "the three points in the other order",
        constants(module, THREE=module.THREE[::-1]),
        noticed="selected of 3",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize("length", module.LENGTHS)
def test_cycles(length):
    target = module.cycles(length)
    assert sorted(target) == list(range(12))
    assert (target != np.arange(12)).all()
    power = np.arange(12)
    for _ in range(length):
        power = target[power]
    assert (power == np.arange(12)).all()


def test_laws():
    laws = {name: [arm.law(length) for length in (2, 3, 4)] for name, arm in module.ARMS.items()}
    assert laws["EDP, tied"] == laws["EDP, tied, key bias"] == [6, 8, 9]
    assert laws["exp(−w·w′), tied"] == [12, 8, 9]
    assert laws["EDP, untied"] == [12, 12, 12]


def test_ties_select_nothing():
    arm = module.ARMS["EDP, tied"]
    points = np.ones((2, module.DIMENSION))
    assert module.selected(arm, points, points, np.zeros(2), np.array([1, 0])) == 0
    other = np.array([points[0], 2 * points[0]])
    assert module.selected(arm, other, other, np.zeros(2), np.array([1, 0])) == 1


def test_a_fixed_point_and_a_psd_table_larger_than_the_search():
    table = np.array([[[1, 3, 2], [3, 18, 24], [2, 24, c]] for c in (40, 39)], dtype=np.int16)
    assert list(small_tables.is_psd(table)) == [True, False]  # by hand: det = 0 and −9
    assert module.exhibit(((fmpq(0), fmpq(0)),) * 2)[0] == 0
