"""sec5.half_degree: its verdict, what changes it, and the law on heads made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from flint import fmpq
from sabotage import Subject, is_noticed
from sabotage.patches import heads_once, in_short, returned, scaled, untrained

from rkbs.kernels.dot_product import EDP, Quadratic
from verify.claims.sec5 import half_degree as module
from verify.harness.evidence import Verdict
from verify.oracles import leverage, weights

broken = Subject("sec5.half_degree", in_short({(48, 400): (16, 250)}, heads_once))
SABOTAGES = [
    broken("self-weights × 1.3", scaled(weights, "own", 1.3), noticed="tr A − M"),
    broken(
        "leverages × 0.9",
        returned(leverage, "leverages", lambda found: [9 * x / 10 for x in found]),
        noticed="trained: weight − leverage",
    ),
    broken(
        "leverages of one key and the next",
        returned(leverage, "leverages", lambda found: found[1:] + found[:1]),
        noticed="weight − leverage",
    ),
    broken(
        "p_{2m} as a sum of squares without cross terms",
        returned(
            leverage,
            "square_matrix",
            lambda G: [[x * (i == j) for j, x in enumerate(row)] for i, row in enumerate(G)],
        ),
        noticed="Σ G",
    ),
    broken(
        "M one less",
        returned(module, "trials", lambda found: [replace(t, M=t.M and t.M - 1) for t in found]),
        noticed="R − (2M − 1)",
    ),
    broken(
        "T2 := EDP",
        lambda patch: patch.setitem(module.KERNELS, "T2", EDP()),
        noticed="trained: R − (2M − 1)",
    ),
    broken("predicted self-weights × 1.02", scaled(module, "predicted", 1.02), noticed="predicted"),
    broken(
        "keys of other norms",
        returned(
            module,
            "design",
            lambda table: [[2 * x for x in table[0]], *table[1:]],
        ),
        noticed="in balls",
    ),
    broken("heads that are not trained", untrained, noticed="n = 2d + 1"),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize("d", [2, 3, 4, 9])
def test_designs(d):
    gram = np.array([[float(x) for x in row] for row in leverage.design(d)])
    values = np.linalg.eigvalsh(gram)
    assert gram.shape == (2 * d + 1,) * 2
    assert np.allclose(np.diag(gram), 1, atol=1e-14)
    assert np.allclose(gram.sum(0), 0, atol=1e-13)
    assert np.allclose(values, [0] * (d + 1) + [(2 * d + 1) / d] * d, atol=1e-13)


def test_the_predicted_self_weight_is_the_largest_over_the_sharpness():
    for d in (2, 3, 5):
        s = np.linspace(0.1, 20, 20001)
        own = (1 + s + s**2 / 2) / (1 + s**2 / (2 * d))
        assert own.max() == pytest.approx(2 * d * module.predicted("T2", d, 2 * d), rel=1e-6)
        assert 2 * d + 1 < own.max() * 2 < 2 * d + 2  # above ½ up to 2d + 1


def test_a_weight_can_be_its_leverage():
    keys = [[fmpq(x)] for x in (-1, 0, 3)]
    _, excess, total = leverage.exact_law(Quadratic(1.0), 1, [[fmpq(-1, 3)]], keys, [fmpq(1)] * 3)
    assert excess < 0
    assert total == 0
