"""thm2.multi_head_softmax: its verdict, what changes it, and row sums by hand."""

import numpy as np
from flint import fmpq
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants

from verify.claims.thm2 import multi_head_softmax as module
from verify.harness.evidence import Verdict


def unnormalized(q, k, weights=1.0):
    """e^{q·k}."""
    return np.exp(q @ k.T)


broken = Subject(
    "thm2.multi_head_softmax",
    constants(module, SIGNED=("oscillating",), DIMS=(8, 16), HEADS=(1, 2), DRAWS=1),
)
SABOTAGES = [
    broken(
        "heads are not normalized",
        constants(module, softmax_rows=unnormalized),
        noticed="two heads, error",
    ),
    broken(
        "descents see rows of equal sums",
        attribute(
            module,
            "descend",
            lambda right: lambda F, *args: right(F - F.mean(1, keepdims=True), *args),
        ),
        "slow",
        "descents over the distance, least",
    ),
    broken(
        "targets have constant row sums",
        attribute(module, "draw", lambda right: lambda rng: module.nearest(right(rng))),
        noticed="distance/‖F‖",
    ),
    broken(
        "the mean row sum is 0",
        constants(
            module, nearest=lambda F: [[a - sum(row, fmpq(0)) / 6 for a in row] for row in F]
        ),
        "slow",
        "two exact distances",
    ),
    broken(
        "surfaces keep their row means",
        constants(module, row_means=lambda F: np.zeros(351)),
        noticed="out of reach by a tenth",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


def test_the_share_out_of_reach_by_hand(monkeypatch):
    F = [[fmpq(1), fmpq(0)], [fmpq(0), fmpq(0)]]  # row sums 1 and 0: each row off by ¼, ¼
    near = [[fmpq(3, 4), fmpq(-1, 4)], [fmpq(1, 4), fmpq(1, 4)]]
    monkeypatch.setattr(module, "SIZE", 2)
    assert module.nearest(F) == near
    assert module.by_least_squares(F) == fmpq(1, 4)


def test_two_softmax_heads_have_the_row_sums_that_they_can_have():
    F = np.random.default_rng(0).normal(size=(6, 6))
    found = module.two_heads(F)
    np.testing.assert_allclose(found.sum(1), F.sum(1).mean(), rtol=1e-12)
    level = F + (F.sum(1).mean() - F.sum(1, keepdims=True)) / 6
    np.testing.assert_allclose(module.two_heads(level), level, atol=1e-13)
