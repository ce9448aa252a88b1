"""Ridge on complete grids by other libraries, each on what it can hold, beside ours in one run.

The table of benchmarks/PEERS.md, section "Complete grids". Needs scikit-learn, gpytorch (with
linear_operator) and RLScore; a contender that cannot be imported is named, and the rest are run.
Process time, interleaved, medians; every contender's predictions are compared with ours.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy.linalg import cholesky
from scipy.optimize import minimize

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Linear
from rkbs.machines import BinaryKernelRidge
from rkbs.problems import OperatorProblem
from rkbs.solvers import Spectral

ALPHA = 0.1
PATH = np.logspace(-3, 2, 50)
INSTALL = {
    "sklearn": "pip install scikit-learn",
    "gpytorch": "pip install gpytorch",
    "rlscore": "clone github.com/aatapa/RLScore, pip install cython, python setup.py build_ext",
}
Work = Callable[[], np.ndarray | None]
"""Fits, and returns fitted values or scores, or None where they are not to be had."""


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of both domains, and responses with noise."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, n, 8))
    return X, Y, np.sin(X[:, :1] + Y[:, 0]) + 0.5 * rng.standard_normal((n, n))


def ours(n: int) -> Work:
    """The machine, from the features to certified coefficients; its fitted values."""
    X, Y, Z = data(n)
    pairs = Pairs.grid(X, Y)

    def fit() -> np.ndarray:
        machine = BinaryKernelRidge(RBF(), RBF(), ALPHA, fit_intercept=False).fit(pairs, Z)
        return Z - ALPHA * machine.dual_coef_

    return fit


def rlscore(n: int) -> Work:
    """``KronRLS``, from the features."""
    from rlscore.learner.kron_rls import KronRLS

    X, Y, Z = data(n)

    def fit() -> np.ndarray:
        gram_x, gram_y = RBF()(X, X), RBF()(Y, Y)
        learner = KronRLS(K1=gram_x, K2=gram_y, Y=Z.ravel(order="F"), regparam=ALPHA)
        return Z - ALPHA * np.asarray(learner.A)

    return fit


def linear_operator(n: int) -> Work:
    """The Kronecker operator of GPyTorch, a solve with the noise ALPHA in its eigenbases."""
    import gpytorch  # noqa: F401 - its settings
    import linear_operator as lo
    import torch

    X, Y, Z = data(n)
    target = torch.from_numpy(Z).reshape(-1, 1)

    def fit() -> np.ndarray:
        grams = [torch.from_numpy(RBF()(points, points)) for points in (X, Y)]
        product = lo.operators.KroneckerProductLinearOperator(*map(lo.to_linear_operator, grams))
        noise = lo.operators.ConstantDiagLinearOperator(
            torch.tensor([ALPHA], dtype=torch.float64), diag_shape=n * n
        )
        operator = lo.operators.KroneckerProductAddedDiagLinearOperator(product, noise)
        with lo.settings.max_cholesky_size(0):
            found = operator.solve(target)
        return Z - ALPHA * found.numpy().reshape(n, n)

    return fit


def scikit(n: int, kind: str) -> Work:
    """``KernelRidge`` and ``GaussianProcessRegressor``, of the Gram matrix of the pairs."""
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels
    from sklearn.kernel_ridge import KernelRidge

    X, Y, Z = data(n)
    table = np.hstack([np.repeat(X, n, 0), np.tile(Y, (n, 1))])

    def fit() -> np.ndarray:
        if kind == "KernelRidge":
            gram = np.kron(RBF()(X, X), RBF()(Y, Y))
            twin = KernelRidge(kernel="precomputed", alpha=ALPHA).fit(gram, Z.ravel())
            return Z - ALPHA * twin.dual_coef_.reshape(n, n)
        kernel = kernels.RBF((8**0.5 / 2) ** 0.5)  # exp(−‖q − k‖²/√8), of both domains at once
        process = GaussianProcessRegressor(kernel, alpha=ALPHA, optimizer=None)
        process.fit(table, Z.ravel())
        return Z - ALPHA * process.alpha_.reshape(n, n)

    return fit


def descent(n: int) -> Work:
    """L-BFGS on M of h = R_X M R_Yᵀ with Cholesky factors R, to a gradient of 1e-8."""
    X, Y, Z = data(n)

    def fit() -> np.ndarray:
        R, S = (cholesky(RBF()(points, points), lower=True) for points in (X, Y))

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            M = flat.reshape(n, n)
            rest = R @ M @ S.T - Z
            gradient = R.T @ rest @ S + ALPHA * M
            return float(np.vdot(rest, rest) + ALPHA * np.vdot(M, M)) / 2, gradient.ravel()

        options = {"maxiter": 5000, "maxfun": 10000, "gtol": 1e-8, "ftol": 0.0, "maxcor": 10}
        found = minimize(objective, np.zeros(n * n), jac=True, method="L-BFGS-B", options=options)
        return R @ found.x.reshape(n, n) @ S.T

    return fit


def our_scores(n: int, kernel: RBF | Linear) -> Work:
    """50 α, pairs left out: setup and scores."""
    X, Y, Z = data(n)
    pairs = Pairs.grid(X, Y)

    def score() -> np.ndarray:
        problem = OperatorProblem(kernel(X, X), kernel(Y, Y), pairs, Z, 1.0)
        return Spectral().setup(problem).leave_out_rmse(PATH)

    return score


def rlscore_scores(n: int) -> Work:
    """The same by ``KronRLS``: ``solve`` and ``in_sample_loo`` at each α."""
    from rlscore.learner.kron_rls import KronRLS

    X, Y, Z = data(n)
    z = Z.ravel(order="F")

    def score() -> np.ndarray:
        learner = KronRLS(K1=RBF()(X, X), K2=RBF()(Y, Y), Y=z, regparam=1.0)
        found = []
        for alpha in PATH:
            learner.solve(alpha)
            left = np.asarray(learner.in_sample_loo()).reshape(-1)
            found.append(np.sqrt(np.mean((left - z) ** 2)))
        return np.array(found)

    return score


def ridge_cv(n: int) -> Work:
    """``RidgeCV`` on the products of the features, which the linear kernels stand for."""
    from sklearn.linear_model import RidgeCV

    X, Y, Z = data(n)
    scale = np.sqrt(8.0)  # Linear() divides by √d in each domain

    def score() -> np.ndarray:
        table = np.einsum("ia,jb->ijab", X, Y).reshape(n * n, -1) / scale
        machine = RidgeCV(PATH, fit_intercept=False, store_cv_results=True)
        machine.fit(table, Z.ravel())
        return np.sqrt(machine.cv_results_.mean(0))

    return score


TABLES: dict[str, dict[str, Callable[[], Work]]] = {
    "fit, 1000 × 1000": {
        "ours, certified": lambda: ours(1000),
        "RLScore KronRLS": lambda: rlscore(1000),
        "GPyTorch Kronecker operator, eigen": lambda: linear_operator(1000),
    },
    "fit, 200 × 200": {
        "ours, certified": lambda: ours(200),
        "RLScore KronRLS": lambda: rlscore(200),
        "GPyTorch Kronecker operator, eigen": lambda: linear_operator(200),
        "L-BFGS on M, gradient 1e-8": lambda: descent(200),
    },
    "fit, 60 × 60": {
        "ours, certified": lambda: ours(60),
        "scikit-learn KernelRidge": lambda: scikit(60, "KernelRidge"),
        "scikit-learn GaussianProcessRegressor": lambda: scikit(60, "process"),
    },
    "50 leave-one-out scores, 300 × 300, RBF": {
        "ours": lambda: our_scores(300, RBF()),
        "RLScore KronRLS": lambda: rlscore_scores(300),
    },
    "50 leave-one-out scores, 300 × 300, linear kernels on 8 features": {
        "ours": lambda: our_scores(300, Linear()),
        "scikit-learn RidgeCV on 64 products": lambda: ridge_cv(300),
    },
}


def compare(name: str, makers: dict[str, Callable[[], Work]], repeats: int) -> None:
    """Alternating runs, medians, and how far each is from ours."""
    contenders: dict[str, Work] = {}
    for label, make in makers.items():
        try:
            contenders[label] = make()
        except ImportError as error:
            advice = INSTALL.get((error.name or "").partition(".")[0], "install it")
            print(f"{label}: no module {error.name}; {advice}")
    times: dict[str, list[float]] = {label: [] for label in contenders}
    found: dict[str, np.ndarray | None] = {}
    for k in range(repeats + 1):
        for label, work in contenders.items():
            start = time.process_time()
            found[label] = work()
            if k:  # the first is to warm up
                times[label].append(time.process_time() - start)
    first = next(iter(contenders))
    print(f"\n{name}")
    for label, values in times.items():
        ratio = np.median(np.array(values) / times[first])
        gap = np.abs(found[label] - found[first]).max() / np.abs(found[first]).max()
        print(f"| {label} | {np.median(values):.3f} s | {ratio:.2f} | {gap:.0e} |")


def main() -> None:
    """Print one table after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="tables whose name contains this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, makers in TABLES.items():
        if options.only in name:
            compare(name, makers, options.repeats)


if __name__ == "__main__":
    main()
