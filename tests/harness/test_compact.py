"""Records are small, and hold what was found to the last digit."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.harness import compact
from verify.harness.evidence import drawn
from verify.harness.paths import REFERENCE

NAMES = st.sampled_from(["a", "b", "columns", "cells", "ρ = ½"])
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    LEAVES | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=30,
)


@given(VALUES)
def test_what_is_written_is_read_back(value):
    try:
        table = compact.tabulated(value)
    except ValueError:
        assert '"cells"' in json.dumps(value)
        return
    again = compact.spelled_out(json.loads(compact.to_text(table)))
    assert json.dumps(again) == json.dumps(value)  # -0.0, and 1 beside 1.0 and True


def test_rows_become_a_table_whose_rows_are_lines():
    rows = [
        {"name": f"row {n}", "found": [n / 7] * 20, "deep": [{"a": 1}, {"a": 2}]} for n in (1, 2)
    ]
    text = compact.to_text(compact.tabulated({"rows": rows}))
    lines = text.splitlines()
    assert sum("row " in line for line in lines) == 2
    assert '"columns": ["name","found","deep"],' in text
    assert text.count('"name"') == 1
    assert compact.spelled_out(json.loads(text)) == {"rows": rows}


@pytest.mark.parametrize(
    "value",
    [
        [{"a": 1}],
        [{"a": 1}, {"b": 1}],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [{}, {}],
        [{"a": 1}, 2],
    ],
)
def test_what_is_no_table_stays_as_it_is(value):
    assert compact.tabulated(value) == value


def test_a_dict_that_would_be_read_back_as_a_table_is_refused():
    with pytest.raises(ValueError, match="read back as a table"):
        compact.tabulated({"deep": [{"columns": [], "cells": []}]})


def test_what_is_not_finite_is_no_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact.to_text({"p": float("inf")})


def test_a_curve_keeps_the_digits_that_can_be_drawn():
    assert drawn([[1.23456789, 0.0], (-1.23456789e-12, float("inf"))]) == [
        [1.235, 0.0],
        [-1.235e-12, float("inf")],
    ]


def test_the_reference_records_are_small():
    assert sum(path.stat().st_size for path in REFERENCE.rglob("*.json")) < 3e6
