"""Kernel machines that choose their settings by themselves, and what that costs in FLOPs.

FLOPs are those of dense products and factorizations (Golub & Van Loan 2013); what is done element
by element is left out, here as for attention.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.kernels.distance import RBF
from rkbs.machines.ridge_cv import BinaryKernelRidgeCV
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import solve
from rkbs.solvers.operators.admm import ADMM
from verify.studies.finite_sample import Fit, Training

TAUS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of k(x, x') = exp(−τ ‖x − x'‖²/√dim), in both domains."""
RIDGE_ALPHAS = tuple(float(a) for a in 10.0 ** np.arange(-5, 1.6, 0.5))
NUCLEAR_ALPHAS = tuple(float(a) for a in 10.0 ** np.arange(1.5, -3.1, -0.5))
FOLDS = 3
_PATH, _FINAL = ADMM(tol=1e-3), ADMM(tol=1e-6)
"""Solvers: while α is being chosen, and of the fit."""


def means(training: Training) -> Fit:
    """Row mean + column mean − mean, each as far as it is known: the baseline."""
    start = time.perf_counter()
    pairs, z = training.pairs, training.z
    total = z.mean()
    rows = _means(pairs.i, z, len(pairs.X), total) - total
    columns = _means(pairs.j, z, len(pairs.Y), total) - total

    def predict(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        return total + _known(X, pairs.X, rows)[:, None] + _known(Y, pairs.Y, columns)

    return Fit(predict, {}, time.perf_counter() - start, 0.0)


def _means(index: np.ndarray, z: np.ndarray, size: int, default: float) -> np.ndarray:
    counts = np.bincount(index, minlength=size)
    sums = np.bincount(index, z, minlength=size)
    return np.where(counts > 0, sums / np.maximum(counts, 1), default)


def _known(points: np.ndarray, known: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """The effect of a point that is known, and 0 for another."""
    same = (points[:, None] == known).all(-1)  # (n, m)
    return same @ effects


def ridge(training: Training) -> Fit:
    """``BinaryKernelRidgeCV``: α and τ by exact leave-one-out over the pairs."""
    start = time.perf_counter()
    mean = training.z.mean()
    with warnings.catch_warnings():  # the path is the contest's, also where its end is the best
        warnings.filterwarnings("ignore", "the chosen alpha", UserWarning)
        machines = {
            # Centered by hand, as the heads are: theirs have no intercept either.
            tau: BinaryKernelRidgeCV(
                RBF(tau), RBF(tau), alphas=RIDGE_ALPHAS, fit_intercept=False, cv="exact"
            ).fit(training.pairs, training.z - mean)
            for tau in TAUS
        }
    tau = min(machines, key=lambda t: np.nanmin(machines[t].leave_out_rmse_))
    machine = machines[tau]
    return Fit(
        lambda X, Y: machine.predict_grid(X, Y) + mean,
        {"tau": tau, "alpha": machine.alpha_},
        time.perf_counter() - start,
        ridge_flops(training.pairs, len(TAUS), len(RIDGE_ALPHAS)),
    )


def nuclear(training: Training) -> Fit:
    """The machine with the nuclear norm: α by cross-validation over pairs, τ that of ``ridge``.

    The cost of choosing τ is part of it.
    """
    start = time.perf_counter()
    first = ridge(training)
    kernel, mean = RBF(first.chosen["tau"]), training.z.mean()
    X, Y, z = training.pairs.X, training.pairs.Y, training.z - mean
    grams = kernel(X, X), kernel(Y, Y)
    alpha, flops = _choose_alpha(grams, training.pairs, z)
    problem = SchattenProblem(*grams, training.pairs, z, alpha)
    solution = solve(problem, _FINAL).check()
    flops += nuclear_flops(training.pairs, solution.stats["iterations"])
    query, key, _ = problem.factored_expansion(solution.value.M)
    return Fit(
        lambda new_X, new_Y: kernel(new_X, X) @ query @ (kernel(new_Y, Y) @ key).T + mean,
        {**first.chosen, "alpha": alpha, "rank": solution.stats["rank"]},
        time.perf_counter() - start,
        first.flops + flops,
    )


def _choose_alpha(
    grams: tuple[np.ndarray, np.ndarray], pairs: Pairs, z: np.ndarray
) -> tuple[float, float]:
    """The α of least squared error over the folds, and the FLOPs of finding it."""
    fold = np.random.default_rng(0).permutation(len(z)) % FOLDS
    squared, flops = np.zeros(len(NUCLEAR_ALPHAS)), 0.0
    for k in range(FOLDS):
        rest, out = pairs[fold != k], pairs[fold == k]
        problem = SchattenProblem(*grams, rest, z[fold != k], NUCLEAR_ALPHAS[0])
        for a, solution in enumerate(_PATH.setup(problem).path(NUCLEAR_ALPHAS)):
            predicted = out.entries(problem.factors.push(solution.value.M))
            squared[a] += ((predicted - z[fold == k]) ** 2).sum()
            flops += nuclear_flops(rest, solution.stats["iterations"])
    return NUCLEAR_ALPHAS[int(np.argmin(squared))], flops


KERNEL_MACHINES: dict[str, Callable[[Training], Fit]] = {"ridge": ridge, "nuclear norm": nuclear}


def ridge_flops(pairs: Pairs, taus: int, alphas: int) -> float:
    """Of leave-one-out for all τ and α, and a fit for each τ, on n_x × n_y points, n = n_x = n_y.

    A τ: two eigendecompositions with vectors, 9n³ each. Complete grid: 4n³ for the rotated
    responses, 20n³ for each α (two products for c, four for the certificate, four for
    leave-one-out), 12n³ for the fit. Otherwise N pairs: 9N³ for the eigendecomposition of their
    Gram matrix; for each α and the fit three corrections of 4N² + 8n³ and a certificate of 8n³;
    6N² for leave-one-out.
    """
    n, N = len(pairs.X), len(pairs)
    if pairs.is_complete:
        return float(taus * (18 + 4 + 20 * alphas + 12) * n**3)
    each = 12 * N**2 + 32 * n**3
    return float(taus * (18 * n**3 + 9 * N**3 + (alphas + 1) * each + alphas * 6 * N**2))


def nuclear_flops(pairs: Pairs, iterations: int) -> float:
    """Of ADMM on n × n points, the ranks of the Gram matrices counted as n.

    An iteration: 22n³ for a singular value decomposition with vectors, 2n³ for its product, and
    on incomplete grids 8n³ to pull and push. A tenth of them is certified, at 22n³ (four
    products of two factors, and singular values of two matrices at 8n³/3).
    """
    n = len(pairs.X)
    each = 24 + (0 if pairs.is_complete else 8) + (16 + 16 / 3) / 10
    return float(iterations * each * n**3)
