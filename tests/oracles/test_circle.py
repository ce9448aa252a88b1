"""Kernels on the circle: how many points show a negative eigenvalue, and which eigenvalues."""

import itertools
import math

import numpy as np
import pytest
from flint import fmpq

from verify.oracles import circle


@pytest.mark.parametrize(
    ("epsilon", "n", "share"),
    [
        (fmpq(1), 5, -1e-2),
        (fmpq(1, 2), 8, -5e-4),
        (fmpq(1, 4), 14, -4e-8),
        (fmpq(1, 8), 26, -2e-17),
        (fmpq(1, 16), 52, -4e-40),
    ],
)
def test_fewest_points_on_the_circle(epsilon, n, share):
    found = circle.fewest(epsilon, 2)
    assert (found.n, found.definite, found.agree) == (n, True, True)
    assert found.share == pytest.approx(share, rel=0.3)
    assert circle.predicted(epsilon) == n


@pytest.mark.parametrize("d", [1, 2, 4])
def test_circulant_eigenvalues_are_numpys(d):
    n, epsilon = 9, 0.5
    angles = 2 * np.pi * np.arange(n) / n
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    gram = np.exp(points @ np.array([[1, epsilon], [-epsilon, 1]]) @ points.T / math.sqrt(d))
    spectrum = np.linalg.eigvalsh((gram + gram.T) / 2)
    for values in (
        circle.eigenvalues(fmpq(1, 2), d, n),
        circle.eigenvalues_by_modes(fmpq(1, 2), d, n),
    ):
        found = [float(v.mid()) for v in values]
        every = sorted([found[0], *itertools.chain(*zip(found[1:], found[1:], strict=True))])
        np.testing.assert_allclose(every, spectrum, atol=1e-13)
