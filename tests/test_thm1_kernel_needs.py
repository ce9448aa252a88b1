"""What Theorem 1 needs of κ: the claim holds, and isometries are isometries."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from verify.claims.thm1 import kernel_needs as needs
from verify.harness.evidence import Verdict
from verify.harness.run import Run


@pytest.mark.parametrize("seed", [0, 1])
def test_holds(seed):
    assert needs.kernel_needs(Run(seed=seed)).verdict is Verdict.HOLDS


def test_isometries_keep_every_norm_and_no_rotation_does():
    rng = np.random.default_rng(0)
    v = rng.standard_normal(28)
    for p in (1.25, 2.0, 5.0):
        for S in needs.isometries(28, rng).values():
            assert np.linalg.norm(S @ v, p) == pytest.approx(np.linalg.norm(v, p), rel=1e-14)
    turned = ortho_group.rvs(28, random_state=rng) @ v
    assert np.linalg.norm(turned, 5) != pytest.approx(np.linalg.norm(v, 5), rel=1e-3)
