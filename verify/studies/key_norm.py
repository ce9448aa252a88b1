"""RBF as EDP: with the key-norm bias, and on a sphere without it (theory §5, L4)."""

from __future__ import annotations

import numpy as np
from flint import arb, ctx, fmpq

from rkbs.kernels.base import Kernel
from rkbs.kernels.distance import RBF
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.key_norm import KeyNormBias
from verify.harness.evidence import greatest
from verify.oracles.exact import Point, upper
from verify.oracles.halfspace import BITS, rows


def unit_points(rng: np.random.Generator, n: int, d: int) -> list[list[fmpq]]:
    """Rational points of the unit sphere, by stereographic projection."""
    found = []
    for _ in range(n):
        t = [fmpq(int(value), 16) for value in rng.integers(-32, 33, size=d - 1)]
        square = sum((value * value for value in t), fmpq(0))
        found.append([(1 - square) / (1 + square), *(2 * value / (1 + square) for value in t)])
    return found


def rational_points_of(rng: np.random.Generator, n: int, d: int) -> list[list[fmpq]]:
    """Sixteenths in [−4, 4]."""
    return [[fmpq(int(v), 16) for v in row] for row in rng.integers(-64, 65, size=(n, d))]


def scaled_points(points: list[list[fmpq]], factor: fmpq) -> list[list[fmpq]]:
    """The points times a factor."""
    return [[factor * value for value in point] for point in points]


def in_floats(kernel: Kernel, queries: list[Point], keys: list[Point]) -> np.ndarray:
    """The library's attention weights of rational points as floats."""
    import torch

    from verify.studies.free_heads import weights

    q, k = (
        torch.tensor(
            [[float(v.p) / float(v.q) for v in point] for point in points], dtype=torch.float64
        )
        for points in (queries, keys)
    )
    return weights(kernel, q[None], k[None])[0].numpy()


def identities(rng: np.random.Generator) -> list[dict[str, float]]:
    """RBF(τ) against EDP of 2τq, with the key-norm bias and, on the sphere, without it.

    ``balls``: the largest distance of two rows' entries as balls bound it; ``floats``: of the
    library's weights from the balls of RBF, for both kernels. And ``without``: the bias is needed.
    """
    found = []
    for d, tau in ((1, fmpq(1, 2)), (2, fmpq(1)), (3, fmpq(3, 4))):
        for sphere in (False, True) if d > 1 else (False,):
            draw = unit_points if sphere else rational_points_of
            q, k = draw(rng, 6, d), draw(rng, 6, d)
            t = float(tau.p) / float(tau.q)
            rbf, plain = RBF(t), EDP()
            other = plain if sphere else KeyNormBias(plain, t)
            twice = scaled_points(q, 2 * tau)
            with ctx.workprec(BITS):
                first, second, third = rows(rbf, q, k), rows(other, twice, k), rows(plain, twice, k)
                near = _apart(first, second)
                far = _apart(first, third)
            middle = np.array([[float(w.mid()) for w in row] for row in first])
            gaps = (in_floats(rbf, q, k) - middle, in_floats(other, twice, k) - middle)
            found.append(
                {
                    "d": d,
                    "sphere": int(sphere),
                    "balls": near,
                    "without": far,
                    "floats": greatest(np.abs(gap).max() for gap in gaps),
                }
            )
    return found


def _apart(first: list[list[arb]], second: list[list[arb]]) -> float:
    return greatest(
        upper(abs(a - b))
        for r, s in zip(first, second, strict=True)
        for a, b in zip(r, s, strict=True)
    )
