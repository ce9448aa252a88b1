"""Points of which some are equal, who they are, and machines without intercept."""

from functools import partial

import numpy as np

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Constant,
    Identity,
)

# Without intercept, as the formulas are that the fits are compared with.
ridge, ridge_cv, nuclear, nuclear_cv = (
    partial(machine, fit_intercept=False)
    for machine in (
        BinaryKernelRidge,
        BinaryKernelRidgeCV,
        BinaryKernelMachine,
        BinaryKernelMachineCV,
    )
)


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 2)), RNG.normal(size=(6, 3))
X[4], Y[5] = X[1], Y[2]  # equal features
DRUGS, CELLS = list("abcdefg"), [10, 11, 12, 13, 14, 15]
Z = RNG.normal(size=(7, 6))
NEW = RNG.normal(size=(3, 2))
KERNEL = 1.5 * RBF() + 0.5 * Identity() + 0.25 * Constant()
