"""The claims on training hold on a few targets, and do not pass with wrong floors or training."""

import numpy as np
import pytest

from rkbs.approximation import TARGETS, Quadrature, SampledFloor, sampled_floor
from verify.claims.thm2 import floor_sampled as thm2_dimensions
from verify.claims.thm2 import trained as thm2_training
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import trained_heads, yardsticks
from verify.studies.rows import best, excess
from verify.studies.trained_heads import configuration, models, train_batch
from verify.studies.yardsticks import Yardstick, floor_checks


@pytest.fixture
def few(monkeypatch):
    """One or two targets on the line, and fewer dimensions and seeds."""
    monkeypatch.setattr(thm2_training, "LINE", ("oscillating",))
    monkeypatch.setattr(thm2_training, "FEW", ("oscillating", "kink"))
    batches = [
        batch | {"seeds": [0], "dims": [2] if batch["targets"] == ["waves_2d"] else [2, 8]}
        for batch in thm2_training._by_projection(Run())
    ]
    monkeypatch.setattr(thm2_training, "_by_projection", lambda run: batches)
    return monkeypatch


def test_the_limit_is_reached(few):
    evidence = thm2_training.limit(Run())
    assert evidence.verdict is Verdict.HOLDS
    assert {row["width"] for row in evidence.data["rows"]} == {16, 64}
    assert all(row["models"] for row in evidence.data["batches"])


def test_rows_are_in_the_order_of_the_models():
    batch = configuration(
        ("edp", "kink"), (1, 3), 4, (5, 6), {"kind": "Adam", "steps": 2, "lr": 1e-2}
    )
    found = train_batch(batch, "cpu")
    labels = [(row["target"], row["d"], row["seed"]) for row in found["rows"]]
    assert labels == models(batch)
    assert found["models"] == 8
    alone = train_batch(batch | {"targets": ["kink"], "dims": [3], "seeds": [6]}, "cpu")["rows"]
    assert alone[0]["error"] == pytest.approx(found["rows"][-1]["error"], rel=1e-6)


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


def test_random_starts_of_flatter_layers_in_more_dimensions():
    heads = [trained_heads.constructive_start(name, 2, 200, 0) for name in ("edp", "edp_4d")]
    assert [head.hidden_x.slopes.shape for head in heads] == [(200, 1), (200, 4)]
    assert heads[0].hidden_x.slopes.std() > 2 * heads[1].hidden_x.slopes.std()


def test_sampled_floors_hold_what_is_known(monkeypatch):
    monkeypatch.setattr(thm2_dimensions, "SPACES", ("edp_2d", "waves_2d"))
    assert thm2_dimensions.floor_sampled(Run()).verdict is Verdict.HOLDS


def test_sampled_floors_by_definition():
    target, rng = TARGETS["waves_2d"], np.random.default_rng(3)
    found = sampled_floor(target, (0, 2), samples=40, replicates=2, rng=rng)
    rng = np.random.default_rng(3)
    for k in range(2):
        here, there = (Quadrature.monte_carlo(40, 2, rng) for _ in range(2))
        F = target(here.x.nodes, here.y.nodes)
        U, sizes, Vt = np.linalg.svd(F)
        assert found.below[k] * found.size**2 == pytest.approx(
            [np.mean(F**2), np.sum(sizes[2:] ** 2) / 1600], rel=1e-12
        )
        new = target(there.x.nodes, there.y.nodes)
        u = target(there.x.nodes, here.y.nodes) @ Vt[:2].T / sizes[:2]
        v = target(here.x.nodes, there.y.nodes).T @ U[:, :2] / sizes[:2]
        expected = np.mean((new - (u * sizes[:2]) @ v.T) ** 2)
        assert found.above[k] * found.size**2 == pytest.approx(
            [np.mean(new**2), expected], rel=1e-10
        )


def test_intervals_are_means_and_standard_errors():
    sampled = SampledFloor((1,), np.array([[1.0], [3.0]]), np.array([[4.0], [4.0]]))
    lower, upper = sampled.floors(0.5)
    assert lower == pytest.approx(np.sqrt([2 - 0.5 * 1]))
    assert upper == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicates": 1}, "replicates must be at least 2"),
        ({"samples": 1}, "samples must be at least 2"),
        ({"dims": (-1,)}, "dims must be at least 0"),
        ({"dims": (1, 9)}, "dims must be less than samples = 9, got 9"),
    ],
)
def test_bad_arguments_are_named(options, message):
    options = {"dims": (1,), "samples": 9, "replicates": 2} | options
    with pytest.raises(ValueError, match=message):
        sampled_floor(TARGETS["edp_2d"], options.pop("dims"), **options, rng=None)
