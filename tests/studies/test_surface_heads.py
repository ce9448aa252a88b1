"""A head's regression of surfaces: the bound is met where σ ≤ λ, and not by a starved head."""

import numpy as np
import pytest

from verify.studies import surface_heads
from verify.studies.surface_heads import DECAY, certified, points, trained


@pytest.mark.parametrize("name", surface_heads.SURFACES)
def test_enough_dimension_is_certified_and_too_little_is_not(name):
    enough, starved = certified(name, 7, 0), certified(name, 1, 0)
    assert enough["ratio"] <= 1
    assert enough["gap"] <= 1e-6
    assert enough["rank"] < 7
    assert starved["ratio"] > 1
    assert min(starved["gap"], starved["excess"]) > 1e-4
    assert max(enough["expansion"], starved["expansion"]) < 1e-5


def test_the_objective_is_that_of_the_losses_and_the_decay():
    X, Y, z = points("wave", 1)
    query, key, value = trained(X, Y, z, 2, 1)
    rest = X @ query.T @ key @ Y.T - z
    decay = (query**2).sum() + (key**2).sum()
    assert value == pytest.approx(((rest**2).sum() + DECAY * decay) / 2)
    nuclear = np.linalg.svd(query.T @ key, compute_uv=False).sum()
    assert decay / 2 == pytest.approx(nuclear, rel=1e-6)


def test_a_head_that_is_not_trained_has_no_certificate(monkeypatch):
    right = surface_heads.trained

    def wrong(*given):
        query, key, value = right(*given)
        return 1.01 * query, key, value

    monkeypatch.setattr(surface_heads, "trained", wrong)
    assert certified("kink", 5, 0)["gap"] > 1e-3
