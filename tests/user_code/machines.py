"""Machines: a fit is of its own class, and what it sets has a type."""

from typing import assert_type

import numpy as np
import polars as pl

from rkbs import (
    ADMM,
    EDP,
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Cholesky,
    Huber,
    Kernel,
    PairKFold,
    Pairs,
    PairScorer,
    Schatten,
)
from rkbs.data import FoldSizes, c_index, score_by_unit, similarity_clusters
from rkbs.kernels import Repaired
from rkbs.problems import GapCertificate, KKTCertificate

x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
pairs, z = Pairs.grid(x, y), np.sin(x + 2 * y.T)
assert_type(pairs.matrix(z), np.ndarray)
assert_type(pairs.shape, tuple[int, int])
seen = pl.DataFrame({"drug": ["a", "b"], "cell": ["u", "u"], "z": [1.0, 2.0]})
assert_type(Pairs.from_frame(seen, "drug", "cell"), Pairs)
assert_type(Pairs.from_frame(seen, "drug", "cell", "z"), tuple[Pairs, np.ndarray])

ridge = BinaryKernelRidge(RBF(), RBF(), alpha=1e-6, solver=Cholesky()).fit(pairs, z)
assert_type(ridge, BinaryKernelRidge)
assert_type(BinaryKernelRidge.from_kernel(EDP(), alpha=0.1).fit(pairs, z), BinaryKernelRidge)
assert_type(ridge.predict(pairs), np.ndarray)
assert_type(ridge.predict_grid(x, y), np.ndarray)
assert_type(ridge.query(x), np.ndarray)
assert_type(ridge.key(y), np.ndarray)
assert_type(ridge.score(pairs, z), float)
assert_type(ridge.set_params(alpha=0.1), BinaryKernelRidge)
assert_type(ridge.dual_coef_, np.ndarray)
assert_type(ridge.query_coef_, np.ndarray)
assert_type(ridge.key_coef_, np.ndarray)
assert_type(ridge.X_fit_, np.ndarray)
assert_type(ridge.ids_x_, np.ndarray | None)
assert_type(ridge.row_effects_, np.ndarray | None)
assert_type(ridge.intercept_, float)
assert_type(ridge.kernel_x_, Kernel)
assert_type(ridge.repair_x_, Repaired | None)
assert_type(ridge.n_features_in_, int)
assert_type(ridge.n_features_x_, int)
if hasattr(ridge, "feature_names_in_x_"):  # of data frames
    assert_type(ridge.feature_names_in_x_, np.ndarray)
assert_type(ridge.certificate_, KKTCertificate)
assert_type(ridge.certificate_.kkt_residual, float)

chosen = BinaryKernelRidgeCV(RBF(), RBF(), alphas=np.geomspace(1e-3, 1, 4), leave="row")
chosen = chosen.fit(pairs, z, groups_x=np.arange(8))
assert_type(chosen, BinaryKernelRidgeCV)
assert_type(chosen.alpha_, float)
assert_type(chosen.leave_out_rmse_, np.ndarray)

machine = BinaryKernelMachine(RBF(), RBF(), Huber(0.5), Schatten(1.0), solver=ADMM()).fit(pairs, z)
assert_type(machine, BinaryKernelMachine)
assert_type(machine.dual_coef_, np.ndarray)
assert_type(machine.iota_coef_, np.ndarray)
assert_type(machine.singular_values_, np.ndarray)
assert_type(machine.rank_, int)
assert_type(machine.alpha_max_, float)
assert_type(machine.certificate_, GapCertificate)
assert_type(machine.certificate_.relative_gap, float)

path = BinaryKernelMachineCV(RBF(), RBF(), alphas=[1.0, 0.1], cv=3).fit(pairs, z)
assert_type(path, BinaryKernelMachineCV)
assert_type(path.alphas_, np.ndarray)
assert_type(path.cv_scores_, np.ndarray)
assert_type(path.alpha_, float)

folds = PairKFold(2, leave="both", groups_x=similarity_clusters(RBF()(x, x), 0.999))
for train, test in folds.split(pairs):
    assert_type(train, np.ndarray)
    assert_type(test, np.ndarray)
assert_type(folds.sizes(pairs), list[FoldSizes])
assert_type(folds.get_n_splits(), int)
assert_type(c_index(z, z), float)
assert_type(score_by_unit(c_index, z.ravel(), z.ravel(), pairs.i).mean, float)
assert_type(PairScorer(c_index, per="row")(ridge, pairs, z), float)
