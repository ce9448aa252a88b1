"""Sabotages of the claims on real data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rkbs.datasets import load_gdsc
from sabotage import Sabotage
from verify import data_gdsc


def shuffled_responses(patch: pytest.MonkeyPatch) -> None:
    def shuffled():
        data = load_gdsc()
        z = np.random.default_rng(0).permutation(data.z.ravel()).reshape(data.z.shape)
        return replace(data, z=z)

    patch.setattr(data_gdsc, "load_gdsc", shuffled)


SABOTAGES = (
    Sabotage("data.gdsc", "responses shuffled over all pairs", shuffled_responses, "slow"),
)
