"""What the GDSC claim checks its fits by, on a small problem of its own."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from rkbs import ADMM, RBF, BinaryKernelMachine, Pairs, Precomputed
from verify.data_gdsc import Machines, corrected_p


def setting():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((14, 2)), rng.standard_normal((12, 2))
    z = (np.sin(X[:, :1]) * Y[:, 0] + 0.2 * rng.standard_normal((14, 12))).reshape(-1)
    kernels = {"drug_kernels": {"a": RBF()(X, X)}, "cell_kernels": {"a": RBF()(Y, Y)}}
    machines = Machines(SimpleNamespace(**kernels), rng)
    pairs = Pairs.grid(Precomputed.points(14), Precomputed.points(12))
    some = rng.permutation(168)[:140]
    return machines, pairs[some], z[some]


def test_the_gap_by_hand_is_that_of_the_certificate_and_rejects_other_fits():
    machines, train, z = setting()
    kernels = Precomputed(machines.gram_x), Precomputed(machines.gram_y)
    machine = BinaryKernelMachine(*kernels, alpha=0.5, solver=ADMM(tol=1e-9)).fit(train, z)
    assert machines.nuclear_gap(train, z, 0.5, machine) < 2e-9
    rough = BinaryKernelMachine(*kernels, alpha=0.5, solver=ADMM(tol=1e-2)).fit(train, z)
    by_hand = machines.nuclear_gap(train, z, 0.5, rough)
    assert by_hand == pytest.approx(rough.certificate_.relative_gap, rel=1e-4)
    assert machines.nuclear_gap(train, z, 0.6, machine) > 1e-3
    assert machines.nuclear_gap(train, z + 0.1, 0.5, machine) > 1e-3
    machine.query_coef_ = 1.01 * machine.query_coef_
    assert machines.nuclear_gap(train, z, 0.5, machine) > 1e-6


def test_the_margin_must_stand_out_of_overlapping_folds():
    margins = np.array([0.2, 0.25, 0.22, 0.27])
    t = stats.ttest_1samp(margins, 0.0, alternative="greater")
    corrected = t.statistic * np.sqrt((1 / 4) / (1 / 4 + 1 / 9))
    assert corrected_p(margins, 0.1) == pytest.approx(stats.t.sf(corrected, 3))
    assert t.pvalue < corrected_p(margins, 0.1) < 0.01
    assert corrected_p(-margins, 0.1) > 0.99
    assert corrected_p(np.array([0.2, -0.15, 0.1, -0.1]), 0.1) > 0.1
