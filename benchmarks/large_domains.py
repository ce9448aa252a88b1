"""Kernel ridge on 20,000 × 20,000 points and a million of their pairs, and on a small grid by rank.

Bounds, fixed before the first run: 60 s of process time on one thread and 2 GiB at the peak for
the fit of ``BinaryKernelRidge`` with ``LowRank`` kernels of rank 500, certificate and report of
what is left out included. With --single also with steps in float32. Baselines on
the same pairs: conjugate gradients with the same products and no preconditioner, in the features
as they are drawn, for the time of the fit; and ridge on random Fourier features of [x | y], whose
kernel is the product of the two. A fit without a constant follows, of responses less their mean.
The peak is that of the process before any other has run. Run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from rkbs import RBF, BinaryKernelRidge, LowRank, LowRankGram, OperatorProblem, Pairs
from rkbs.solvers import RefinedConjugateGradient
from rkbs.solvers.operators._pair_products import PairProducts

TAU, ALPHA, NOISE, D = 0.1, 1.0, 0.1, 5
FRESH = 100_000


def responses(X: np.ndarray, Y: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """A smooth function of both points, without noise."""
    return np.sin(X[i, 0] + Y[j, 0]) + np.cos(X[i, 1] * Y[j, 1]) + 0.5 * X[i, 2] * Y[j, 3]


def draw(n: int, count: int) -> tuple[Pairs, np.ndarray, Pairs, np.ndarray]:
    """Pairs with noisy responses, and fresh ones."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, n, D))
    fresh = min(FRESH, n * n - count)
    flat = rng.choice(n * n, count + fresh, replace=False)
    parts = [np.divmod(np.sort(part), n) for part in (flat[:count], flat[count:])]
    z = [responses(X, Y, *part) + NOISE * rng.standard_normal(len(part[0])) for part in parts]
    return Pairs(X, Y, *parts[0]), z[0], Pairs(X, Y, *parts[1]), z[1]


def r2(z: np.ndarray, predicted: np.ndarray) -> float:
    """The share of the variance that predictions explain."""
    return 1 - float(((z - predicted) ** 2).sum() / ((z - z.mean()) ** 2).sum())


def peak() -> float:
    """GiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def large(n: int, count: int, rank: int, with_single: bool) -> None:
    """The fit, against its bounds and the baselines."""
    pairs, z, fresh, z_fresh = draw(n, count)
    before = peak()
    start = time.process_time()
    kernels = [LowRank(RBF(TAU), points, rank) for points in (pairs.X, pairs.Y)]
    machine = BinaryKernelRidge(*kernels, alpha=ALPHA).fit(pairs, z)
    took = time.process_time() - start
    print(f"{n}² points, {count:,} pairs, rank {rank}, α = {ALPHA}")
    print(f"fit {took:.1f} s (bound 60), peak {peak():.2f} GiB (bound 2; data {before:.2f})")
    print(machine.certificate_)
    most = 1 - NOISE**2 / z_fresh.var()
    score = r2(z_fresh, machine.predict(fresh))
    print(f"R² on {len(fresh):,} fresh pairs {score:.5f}; without noise it would be {most:.5f}")
    for name in ("x", "y"):
        left_out = getattr(machine, f"left_out_{name}_")
        spectrum = " ".join(f"{value:.1e}" for value in left_out.spectrum)
        print(f"left out of K_{name}: {left_out.share:.2e} of the trace; ‖rest‖/tr K from", end=" ")
        print(f"{left_out.norm_below:.1e}, its largest eigenvalues/tr K about {spectrum}")
    without_constant(kernels, pairs, z, fresh, z_fresh)
    if with_single:
        single(kernels, pairs, z, machine.predict(fresh), fresh)
    without_preconditioner(machine, kernels, pairs, z, took)
    fourier(pairs, z, fresh, z_fresh)


def without_constant(
    kernels: list[LowRank], pairs: Pairs, z: np.ndarray, fresh: Pairs, z_fresh: np.ndarray
) -> None:
    """The fit of responses less their mean; landmarks are drawn already."""
    machine, took = timed(
        lambda: BinaryKernelRidge(*kernels, alpha=ALPHA, fit_intercept=False).fit(
            pairs, z - z.mean()
        )
    )
    residual = machine.certificate_.kkt_residual
    score = r2(z_fresh - z.mean(), machine.predict(fresh))
    print(f"without a constant: {took:.1f} s, KKT residual {residual:.1e}, R² {score:.5f}")


def single(
    kernels: list[LowRank], pairs: Pairs, z: np.ndarray, right: np.ndarray, fresh: Pairs
) -> None:
    """The fit with steps in single precision; landmarks are drawn already, which takes 2 s."""
    solver = RefinedConjugateGradient()
    machine, took = timed(
        lambda: BinaryKernelRidge(*kernels, alpha=ALPHA, solver=solver).fit(pairs, z)
    )
    off = np.linalg.norm(machine.predict(fresh) - right) / np.linalg.norm(right)
    residual = machine.certificate_.kkt_residual
    print(
        f"steps in float32: {took:.1f} s, KKT residual {residual:.1e}, predictions off by {off:.1e}"
    )


def without_preconditioner(
    machine: BinaryKernelRidge, kernels: list[LowRank], pairs: Pairs, z: np.ndarray, budget: float
) -> None:
    """Conjugate gradients in the features as drawn, for as long as the fit took."""
    grams = [LowRankGram(k.features(p)) for k, p in zip(kernels, (pairs.X, pairs.Y), strict=True)]
    z = z - machine.intercept_
    problem = OperatorProblem(*grams, pairs, z, ALPHA)
    products = PairProducts(*(gram.features for gram in grams), pairs.i, pairs.j)
    start = time.process_time()
    M, G = np.zeros((grams[0].features.shape[1], grams[1].features.shape[1])), products.pull(z)
    step, steps = G, 0
    while time.process_time() - start < budget:
        image = products.pull(products.at_pairs(step)) + ALPHA * step
        length = np.vdot(G, G) / np.vdot(step, image)
        M, rest = M + length * step, G - length * image
        step, G = rest + np.vdot(rest, rest) / np.vdot(G, G) * step, rest
        steps += 1
    x, y = problem.factors.dual_left, problem.factors.dual_right
    turned = x.T @ M @ y  # both are rotations of the features
    left = problem.certify(turned, z - problem.at_pairs(turned), 1e-10).kkt_residual
    print(f"no preconditioner: KKT residual {left:.1e} after {steps} steps, the same time")


def fourier(
    pairs: Pairs, z: np.ndarray, fresh: Pairs, z_fresh: np.ndarray, count: int = 750
) -> None:
    """Ridge on random Fourier features of [x | y], by its normal equations."""
    start = time.process_time()
    rng = np.random.default_rng(1)
    W = rng.standard_normal((2 * D, count)) * np.sqrt(2 * TAU / np.sqrt(D))
    shift = rng.uniform(0, 2 * np.pi, count)

    def features(some: Pairs, part: slice) -> np.ndarray:
        table = np.hstack([some.X[some.i[part]], some.Y[some.j[part]]])
        return np.sqrt(2 / count) * np.cos(table @ W + shift)

    gram, right = ALPHA * np.eye(count), np.zeros(count)
    for part in slices(len(z)):
        F = features(pairs, part)
        gram += F.T @ F
        right += F.T @ (z[part] - z.mean())
    weights = np.linalg.solve(gram, right)
    found = [features(fresh, part) @ weights for part in slices(len(z_fresh))]
    score = r2(z_fresh, np.concatenate(found) + z.mean())
    took = time.process_time() - start
    print(f"ridge on {count} random Fourier features of [x | y]: R² {score:.5f} in {took:.1f} s")


def slices(count: int) -> list[slice]:
    """Parts of so many numbers."""
    return [slice(k, min(k + 10_000, count)) for k in range(0, count, 10_000)]


def timed(work: Callable[[], BinaryKernelRidge]) -> tuple[BinaryKernelRidge, float]:
    """What a call gives, and its process time."""
    start = time.process_time()
    return work(), time.process_time() - start


def small(n: int = 600) -> None:
    """Fits of several ranks beside the exact one, on a tenth of the pairs."""
    pairs, z, fresh, z_fresh = draw(n, n * n // 10)
    exact, took = timed(lambda: BinaryKernelRidge(RBF(TAU), RBF(TAU), alpha=ALPHA).fit(pairs, z))
    right = exact.predict(fresh)
    print(f"\n{n}² points, {len(z):,} pairs: exact R² {r2(z_fresh, right):.5f} in {took:.1f} s")
    print("rank   left out of K_X   ‖h − h_exact‖/‖h_exact‖   R² on fresh pairs   s")
    for rank in (25, 50, 100, 200, 400, 600):
        kernels = [LowRank(RBF(TAU), points, rank) for points in (pairs.X, pairs.Y)]
        machine, took = timed(lambda k=kernels: BinaryKernelRidge(*k, alpha=ALPHA).fit(pairs, z))
        found = machine.predict(fresh)
        off = np.linalg.norm(found - right) / np.linalg.norm(right)
        share = machine.left_out_x_.share
        print(f"{rank:4d} {share:14.1e} {off:22.1e} {r2(z_fresh, found):22.5f} {took:9.1f}")


def main() -> None:
    """Print both, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="points per domain")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--rank", type=int, default=500)
    parser.add_argument("--only", choices=("large", "small"), help="one of the two")
    parser.add_argument("--single", action="store_true", help="steps in float32 too")
    options = parser.parse_args()
    if options.only != "small":
        large(options.n, options.pairs, options.rank, options.single)
    if options.only != "large":
        small()


if __name__ == "__main__":
    main()
