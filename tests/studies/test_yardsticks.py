"""Errors against floors: what NaN, wrong floors and shared nodes do to the checks."""

import numpy as np
import pytest

from verify.studies import yardsticks
from verify.studies.rows import best, excess
from verify.studies.yardsticks import Yardstick, floor_checks


def test_the_best_row_and_its_excess():
    rows = [
        {"target": "edp", "d": 1, "width": 4, "fit_error": fit, "error": 1e-6 + fit / 100}
        | {"floor_there": 1e-9, "norm": 2.0}
        for fit in (3e-6, 0.0, 2e-6)
    ]
    (row,) = best(rows)
    assert row["error"] == 1e-6
    assert excess(row) == pytest.approx(0.5)
    assert excess(row | {"floor_there": 4e-6}) == pytest.approx(0.25)


def test_nan_passes_no_floor_check():
    row = Yardstick.of("edp").row(lambda t, s: t @ s.T, 1)
    assert all(check.passed for check in floor_checks([row], "heads"))
    error, there, apart = floor_checks([row | {"error": np.nan}], "heads")
    assert [error.passed, there.passed, apart.passed] == [False, False, True]
    assert not any(c.passed for c in floor_checks([row | dict.fromkeys(row, np.nan)], "heads"))


@pytest.mark.parametrize("factor", [0, 0.9, 1.1])
def test_a_floor_that_is_another_is_seen(factor):
    row = Yardstick.of("edp").row(lambda t, s: t @ s.T, 1)
    apart = floor_checks([row | {"floor": factor * row["floor"]}], "heads")[2]
    assert not apart.passed


@pytest.mark.parametrize("dim", [1, 2, 4])
def test_heads_are_measured_where_they_were_not_trained(dim):
    trained, measured = yardsticks.training_measure(dim), yardsticks.measuring_measure(dim)
    for one, other in ((trained.x, measured.x), (trained.y, measured.y)):
        gaps = np.abs(one.nodes[:, None] - other.nodes).max(-1)
        assert gaps.min() > 1e-9
