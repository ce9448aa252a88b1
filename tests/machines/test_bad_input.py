"""Bad input of the machines: the error names the argument."""

import numpy as np
import pytest
from machine_helpers import data

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, L2Distance, Precomputed, Quadratic
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
)
from rkbs.solvers import ADMM, Cholesky, SpectralNewton
from rkbs.terms.margin_losses import Hinge


def bad_inputs():
    X, Y, Z = data(4, 3)
    pairs, z = Pairs.grid(X, Y), Z.reshape(-1)
    hole = z.copy()
    hole[1] = np.nan
    indefinite = Precomputed(np.eye(4) - 0.9)
    skew = Precomputed(np.eye(4) + np.triu(np.ones((4, 4)), 1))
    rows = Pairs.grid(Precomputed.points(4), Y)
    ridge = BinaryKernelRidge
    machine = BinaryKernelMachine
    return {
        "domains": (
            lambda: machine().fit((X, Y), Z),
            TypeError,
            r"two arrays: for all pairs of two domains pass Pairs.grid\(X, Y\)",
        ),
        "domains in a list": (
            lambda: ridge().fit([X, Y], Z),
            TypeError,
            r"pass Pairs.grid\(X, Y\)",
        ),
        "another split": (
            lambda: machine(n_features_x=2).fit(pairs, z),
            ValueError,
            "n_features_x=2 contradicts the Pairs, whose X has 3 columns",
        ),
        "the loss's class": (
            lambda: machine(loss=Hinge).fit(pairs, np.sign(z)),
            TypeError,
            r"the class Hinge: did you mean Hinge\(\)\?",
        ),
        "0-1 labels": (
            lambda: machine(loss=Hinge()).fit(pairs, (z > 0).astype(int)),
            ValueError,
            r"pass 2\*z - 1",
        ),
        "true and false": (
            lambda: machine(loss=Hinge()).fit(pairs, z > 0),
            TypeError,
            r"pass 2\*z - 1",
        ),
        "holes": (
            lambda: machine().fit(pairs, hole.reshape(4, 3)),
            ValueError,
            r"by seen = ~np.isnan\(z\), Pairs.from_mask\(X, Y, seen\), z\[seen\]",
        ),
        "the kernel's class": (
            lambda: machine(RBF).fit(pairs, z),
            TypeError,
            r"kernel_x must be a Kernel or None, got the class RBF: did you mean RBF\(\)\?",
        ),
        "labels": (lambda: machine(loss=Hinge()).fit(pairs, z), ValueError, "z must be −1 or 1"),
        "loss's type": (lambda: machine(loss="hinge").fit(pairs, z), TypeError, "loss must be a L"),
        "penalty's type": (
            lambda: machine(penalty=1.5).fit(pairs, z),
            TypeError,
            "penalty must be a SpectralPenalty",
        ),
        "machine's alpha": (
            lambda: machine(alpha=0).fit(pairs, z),
            ValueError,
            "alpha must be pos",
        ),
        "machine's solver": (
            lambda: machine(solver=ADMM).fit(pairs, z),
            TypeError,
            "solver must be a Solver",
        ),
        "another problem's solver": (
            lambda: machine(solver=Cholesky()).fit(pairs, z),
            TypeError,
            r"one of this machine \(ADMM\(\), .*Cholesky solves problems of class OperatorProblem",
        ),
        "ridge with the other's solver": (
            lambda: ridge(solver=ADMM()).fit(pairs, z),
            TypeError,
            r"one of this machine \(Spectral\(\), Cholesky\(\), ConjugateGradient\(\)\) or None",
        ),
        "a loss with kinks": (
            lambda: machine(loss=Hinge(), solver=SpectralNewton()).fit(pairs, np.sign(z - 9)),
            ValueError,
            "needs a smooth loss",
        ),
        "NaN response": (lambda: ridge().fit(pairs, hole), ValueError, "z contains NaN"),
        "short response": (lambda: ridge().fit(pairs, z[:5]), ValueError, "z must have shape"),
        "transposed": (lambda: ridge().fit(pairs, Z.T), ValueError, r"or \(4, 3\)"),
        "text response": (lambda: ridge().fit(pairs, ["a"] * 12), TypeError, "z must be an array"),
        "no response": (lambda: ridge().fit(pairs), ValueError, "z must hold a response"),
        "alpha": (lambda: ridge(alpha=-1).fit(pairs, z), ValueError, "alpha must be positive"),
        "alphas": (
            lambda: BinaryKernelRidgeCV(alphas=(1.0, 0.0)).fit(pairs, z),
            ValueError,
            "alphas must be positive",
        ),
        "alphas' type": (
            lambda: BinaryKernelRidgeCV(alphas=1.0).fit(pairs, z),
            TypeError,
            "alphas must be a sequence",
        ),
        "solver's type": (
            lambda: ridge(solver="spectral").fit(pairs, z),
            TypeError,
            "solver must be a Solver",
        ),
        "huge responses": (lambda: ridge().fit(pairs, z * 1e200), ValueError, "z has the largest"),
        "tiny responses": (lambda: ridge().fit(pairs, z * 1e-200), ValueError, "z has the largest"),
        "no alphas": (
            lambda: BinaryKernelRidgeCV(alphas=()).fit(pairs, z),
            ValueError,
            "alphas must hold",
        ),
        "kernel's type": (lambda: ridge("rbf").fit(pairs, z), TypeError, "kernel_x must be"),
        "distance kernel": (
            lambda: ridge(kernel_y=L2Distance()).fit(pairs, z),
            ValueError,
            "kernel_y must be a Mercer kernel",
        ),
        "indefinite": (
            lambda: ridge(indefinite).fit(rows, z),
            ValueError,
            "^kernel_x=.* is no Mercer kernel: its matrix G is indefinite, its eigenvalues from -",
        ),
        "asymmetric": (
            lambda: ridge(skew).fit(rows, z),
            ValueError,
            "^kernel_x=.* is no Mercer kernel: its matrix G is asymmetric, max",
        ),
        "a table without its split": (
            lambda: ridge().fit(np.ones((3, 4)), np.arange(3.0)),
            ValueError,
            r"^n_features_x must be given for a table of 4 columns with rows \[x \| y\]",
        ),
        "hidden indefinite": (
            lambda: ridge(RBF() + Quadratic(-3.0)).fit(pairs, z),
            ValueError,
            "gram_x must be positive semi-definite",
        ),
        "hidden asymmetric": (
            lambda: ridge(EDP().pullback(np.eye(3), np.eye(3)[[1, 2, 0]])).fit(pairs, z),
            ValueError,
            "gram_x must be symmetric",
        ),
        "overflow": (
            lambda: ridge(EDP()).fit(Pairs.grid(1e3 * X, Y), z),
            OverflowError,
            "EDP",
        ),
        "other features": (
            lambda: ridge().fit(pairs, z).predict_grid(Y, Y),
            ValueError,
            "X has 2 features",
        ),
        "one column": (lambda: ridge().fit(X[:, :1], z[:4]), ValueError, r"1 feature\(s\)"),
        "split": (lambda: ridge(n_features_x=3).fit(X, z[:4]), ValueError, "n_features_x must"),
        "a repeated pair": (
            lambda: ridge().fit(Pairs(X, Y, [0, 0], [1, 1]), np.arange(2.0)),
            ValueError,
            "must not repeat a pair",
        ),
    }


@pytest.mark.parametrize("name", bad_inputs())
def test_bad_input_names_the_argument(name):
    call, error, message = bad_inputs()[name]
    with pytest.raises(error, match=message):
        call()
