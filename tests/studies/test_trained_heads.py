"""The claims on training hold on a few targets, and do not pass with wrong floors or training."""

import pytest

from verify.studies import trained_heads
from verify.studies.trained_heads import configuration, models, train_batch


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


def test_random_starts_of_flatter_layers_in_more_dimensions():
    heads = [trained_heads.constructive_start(name, 2, 200, 0) for name in ("edp", "edp_4d")]
    assert [head.hidden_x.slopes.shape for head in heads] == [(200, 1), (200, 4)]
    assert heads[0].hidden_x.slopes.std() > 2 * heads[1].hidden_x.slopes.std()
