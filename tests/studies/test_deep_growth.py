"""What a dimension more does to a network, and what a head was told."""

from dataclasses import replace

import numpy as np
import pytest
from deep_helpers import network

from verify.studies import deep_growth
from verify.studies.deep_growth import grew, grow, slopes_of, told
from verify.studies.deep_measures import heads_of


@pytest.mark.parametrize("kind", ["edp", "quartic"])
def test_the_slope_is_that_of_theorem_d_for_any_weights(kind):
    net, x = network(kind)
    for where, head in heads_of(net, x).items():
        found = slopes_of(net, x, where, head)
        u, sigma, v = head.beyond
        assert u @ head.pull @ v == pytest.approx(sigma)
        assert found["slope"] == pytest.approx(1 - sigma / head.decay, abs=1e-4)
        assert found["least drawn"] >= 1 - np.linalg.norm(head.pull, 2) / head.decay - 1e-4


def test_a_direction_that_is_another_has_another_slope(monkeypatch):
    net, x = network()
    (where, head), *_ = heads_of(net, x).items()
    u, sigma, v = head.beyond
    monkeypatch.setattr(type(head), "beyond", (np.roll(u, 1), sigma, v))
    found = slopes_of(net, x, where, replace(head))
    assert found["slope"] != pytest.approx(1 - sigma / head.decay, abs=1e-2)


@pytest.mark.parametrize(
    ("ratio", "word"),
    [(0.0, "idle"), (0.5, "enough"), (0.979, "enough"), (0.99, "undecided"), (1.03, "starved")],
)
def test_what_a_head_is_told(ratio, word):
    assert told({"ratio": ratio}) == word


def test_a_head_grew_if_its_rank_did():
    assert grew({"rank": 1, "grown rank": 2})
    assert not grew({"rank": 2, "grown rank": 2})


def test_rows_of_growing_start_beside_the_maps(monkeypatch):
    net, x = network(layers=1, dimension=2)
    monkeypatch.setattr(deep_growth, "network_of", lambda cell: net)
    monkeypatch.setattr(deep_growth, "settle", lambda longer, y, *plan: y)
    found = grow({"cell": {}, "x": x.tolist()}, "cpu")
    assert [head["rank"] for head in found["heads"]] == [2, 2]
    assert [head["grown rank"] for head in found["heads"]] == [3, 3]
    gain = sum(0.05**2 * 1e-2 * (1 - head["ratio"]) for head in found["heads"])
    assert found["after"] - found["before"] == pytest.approx(gain, rel=0.05)
