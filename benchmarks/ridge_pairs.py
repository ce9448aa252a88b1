"""Ridge on some pairs of a grid: ``ConjugateGradient`` beside plain conjugate gradients and peers.

Claim: it takes at most 1.05 × the time of conjugate gradients on (K + αI) a = z without
preconditioner, with the best of three products, to the same KKT residual of 1e-10. The latter is
written here and shares no code with the solver; which product is best is measured beforehand and
does not count. Times are those of the process, the contenders alternate in one run, and medians are
reported. Ours holds M and the certificate but not the decompositions of the Gram matrices, in a
column of their own; plain conjugate gradients need none of these, and are shown without and with
M and the certificate. Who does not end within ``--most`` seconds is
stopped, and shown with the residual that is left.

Peers of other environments run in processes of their own, which count their own time:
``--old DIRECTORY`` is a checkout of rkbs with the solver of before, ``--rlscore PYTHON DIRECTORY``
an interpreter and a built checkout of RLScore, whose iterates are kept and judged afterwards.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.problems import OperatorProblem
from rkbs.solvers import ConjugateGradient

TOL = 1e-10
OLD = """
import sys, time, numpy as np
from rkbs import RBF, ConjugateGradient, OperatorProblem, Pairs, solve
d = np.load(sys.argv[1])
p = OperatorProblem(RBF(0.3)(d["X"], d["X"]), RBF(0.3)(d["Y"], d["Y"]),
                    Pairs(d["X"], d["Y"], d["i"], d["j"]), d["z"], float(d["alpha"]))
start = time.process_time()
s = solve(p, ConjugateGradient(max_iter=int(sys.argv[2])))
print(time.process_time() - start, s.stats["iterations"], s.certificate.kkt_residual)
"""
RLSCORE = """
import sys, time, numpy as np
sys.path.insert(0, sys.argv[2])
from rlscore.learner.cg_kron_rls import CGKronRLS
d = np.load(sys.argv[1])
K, L, i, j, z, alpha = (d[k] for k in ("K", "L", "i", "j", "z", "alpha"))
class Iterates:
    def __init__(self):
        self.kept = []
    def callback(self, learner):
        self.kept.append((time.process_time(), learner.A.copy()))
    def finished(self, learner):
        pass
def left(a):
    A = np.zeros((len(K), len(L))); A[i, j] = a
    return np.linalg.norm(z - (K @ A @ L)[i, j] - alpha * a) / np.linalg.norm(z)
it, start = Iterates(), time.process_time()
CGKronRLS(K1=K, K2=L, Y=z, label_row_inds=i, label_col_inds=j, regparam=float(alpha),
          maxiter=int(sys.argv[3]), callback=it)
low, high = 0, len(it.kept) - 1
while low < high:
    middle = (low + high) // 2
    low, high = (low, middle) if left(it.kept[middle][1]) <= 1e-10 else (middle + 1, high)
print(it.kept[low][0] - start, low + 1, left(it.kept[low][1]))
"""


def some_pairs(n: int, kept: int, pattern: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of so many pairs of an n × n grid."""
    rng = np.random.default_rng(0)
    weight = np.ones((n, n))
    if pattern == "power law":  # few rows and columns hold most of the pairs
        fall = 1 / np.arange(1, n + 1)
        weight = np.multiply.outer(rng.permutation(fall), rng.permutation(fall))
    if pattern == "block":  # a complete corner, and a hundredth beside it
        side = int(np.sqrt(0.9 * kept))
        weight = np.full((n, n), 1e-9)
        weight[:side, :side] = 1.0
    order = np.argsort(rng.exponential(size=(n, n)) / weight, axis=None)[:kept]
    return np.divmod(np.sort(order), n)


def problem_of(n: int, kept: int, pattern: str) -> OperatorProblem:
    """A smooth surface with noise, RBF kernels on 5 features."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, n, 5))
    i, j = some_pairs(n, kept, pattern)
    z = np.sin(X[i, 0] + Y[j, 0]) + 0.1 * rng.standard_normal(kept)
    return OperatorProblem(RBF(0.3)(X, X), RBF(0.3)(Y, Y), Pairs(X, Y, i, j), z, 1.0)


def sampled(
    K: np.ndarray, L: np.ndarray, i: np.ndarray, j: np.ndarray, a: np.ndarray
) -> np.ndarray:
    """Sparse × dense, then a scalar product for each pair."""
    right = np.ascontiguousarray((csr_array((a, (i, j)), shape=(len(K), len(L))) @ L).T)
    out = np.empty(len(a))
    for start in range(0, len(a), 64):
        some = slice(start, start + 64)
        out[some] = np.einsum("nk,nk->n", K[i[some]], right[j[some]])
    return out


def sparse_dense(
    K: np.ndarray, L: np.ndarray, i: np.ndarray, j: np.ndarray, a: np.ndarray
) -> np.ndarray:
    """Sparse × dense, then a product of full matrices."""
    return (K @ (csr_array((a, (i, j)), shape=(len(K), len(L))) @ L))[i, j]


def full(K: np.ndarray, L: np.ndarray, i: np.ndarray, j: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Two products of full matrices."""
    A = np.zeros((len(K), len(L)))
    A[i, j] = a
    return (K @ A @ L)[i, j]


def best_product(problem: OperatorProblem) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """The fastest of the three at these pairs."""
    given = (problem.gram_x, problem.gram_y, problem.pairs.i, problem.pairs.j)
    times = {}
    for product in (sampled, sparse_dense, full):
        spent = []
        for _ in range(3):
            start = time.process_time()
            product(*given, problem.z)
            spent.append(time.process_time() - start)
        times[product] = min(spent)
    best = min(times, key=lambda product: times[product])
    return best.__name__, lambda a: best(*given, a)


def plain(
    product: Callable[[np.ndarray], np.ndarray], z: np.ndarray, alpha: float, most: float
) -> tuple[np.ndarray, int]:
    """(K + αI)⁻¹ z by conjugate gradients, as in any textbook, and the steps."""
    a, r = np.zeros_like(z), z.copy()
    p, size, enough = r.copy(), r @ r, TOL * np.linalg.norm(z)
    start, steps = time.process_time(), 0
    while np.sqrt(size) > enough and time.process_time() - start < most:
        image = product(p) + alpha * p
        length = size / (p @ image)
        a += length * p
        r -= length * image
        last, size = size, r @ r
        p = r + size / last * p
        steps += 1
    return a, steps


def process(command: list[str], **environment: str) -> tuple[float, int, float]:
    """Seconds, steps and residual that another process reports."""
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=tempfile.gettempdir(),  # not where an rkbs lies that would be imported in its place
    )
    seconds, steps, residual = done.stdout.split()
    return float(seconds), int(steps), float(residual)


def save(problem: OperatorProblem, alpha: float, path: Path) -> None:
    """What the other processes read."""
    pairs = problem.pairs
    np.savez(
        path, X=pairs.X, Y=pairs.Y, i=pairs.i, j=pairs.j, z=problem.z, alpha=alpha,
        K=problem.gram_x, L=problem.gram_y,
    )  # fmt: skip


def cell(problem: OperatorProblem, alpha: float, options: argparse.Namespace) -> str:
    """A row of the table."""
    name, product = best_product(problem)
    found: dict[str, list[tuple[float, int, float]]] = {"setup": [], "rkbs": [], "plain": []}
    found["plain, certified"] = []
    at = problem.with_alpha(alpha)
    for _ in range(options.repeats):
        fresh = problem_of_same(problem)
        start = time.process_time()
        state = ConjugateGradient(max_iter=options.max_iter).setup(fresh)
        found["setup"].append((time.process_time() - start, 0, 0.0))
        start = time.process_time()
        solution = state.solve(alpha)
        found["rkbs"].append(
            (
                time.process_time() - start,
                solution.stats["iterations"],
                solution.certificate.kkt_residual,
            )
        )
        start = time.process_time()
        a, steps = plain(product, problem.z, alpha, options.most)
        spent = time.process_time() - start
        residual = at.certify(at.pull(a), alpha * a, TOL).kkt_residual
        found["plain"].append((spent, steps, residual))
        spent = time.process_time() - start
        found["plain, certified"].append((spent, steps, residual))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "problem.npz"
            save(problem, alpha, path)
            if options.old:
                command = [sys.executable, "-c", OLD, str(path), str(options.old_steps)]
                found.setdefault("old", []).append(process(command, PYTHONPATH=options.old))
            if options.rlscore:
                python, where = options.rlscore
                command = [python, "-c", RLSCORE, str(path), where, str(options.rlscore_steps)]
                found.setdefault("RLScore", []).append(process(command))
    middle = {key: sorted(values)[len(values) // 2] for key, values in found.items()}
    parts = [f"{key} {value[0]:.2f} s, {value[1]}, {value[2]:.0e}" for key, value in middle.items()]
    ours = middle["rkbs"][0]
    ratios = [
        f"{key} {middle[key][0] / ours:.2f}" for key in middle if key not in ("setup", "rkbs")
    ]
    return " | ".join([f"plain by {name}", *parts, "over ours: " + ", ".join(ratios)])


def problem_of_same(problem: OperatorProblem) -> OperatorProblem:
    """The problem without its decompositions."""
    return OperatorProblem(problem.gram_x, problem.gram_y, problem.pairs, problem.z, problem.alpha)


def main() -> None:
    """Print a row for each α."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=1000, help="points per domain")
    parser.add_argument("--pairs", type=int, nargs="+", default=[5000, 50_000])
    parser.add_argument("--pattern", default="random", choices=["random", "power law", "block"])
    parser.add_argument("--alphas", type=float, nargs="+", default=[100.0, 1.0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most", type=float, default=30.0, help="seconds of plain steps")
    parser.add_argument("--max-iter", type=int, default=5000)
    parser.add_argument("--old")
    parser.add_argument("--old-steps", type=int, default=5000, help="then it is stopped")
    parser.add_argument("--rlscore", nargs=2)
    parser.add_argument("--rlscore-steps", type=int, default=400)
    options = parser.parse_args()
    for kept in options.pairs:
        problem = problem_of(options.n, kept, options.pattern)
        for alpha in options.alphas:
            row = cell(problem, alpha, options)
            print(f"{options.n}² {options.pattern} {kept} α={alpha:g} | {row}", flush=True)


if __name__ == "__main__":
    main()
