"""Arrangements of queries and keys of kernels of few features: trained, random and structured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP, Quadratic, TaylorEDP
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.positive_features import PositiveFeatures
from verify.harness.run import Run
from verify.oracles import weights as plain

if TYPE_CHECKING:
    from torch import Tensor

Made = tuple[Kernel, list["Tensor"]]
"""A kernel, and its parameters that are trained with queries and keys."""


def features(count: int, d: int, heads: tuple[int, ...], seed: int) -> Made:
    """Positive features of R^d, each head's own, to be trained."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    size = (*heads, count)
    made = {"generator": rng, "dtype": torch.float64, "requires_grad": True}
    query, key = (torch.randn(*size, d, **made) for _ in range(2))
    biases = [torch.zeros(size, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    parameters = [query, biases[0], key, biases[1]]
    return PositiveFeatures(*parameters), parameters


def _fixed(kernel: Kernel) -> Callable[[tuple[int, ...], int], Made]:
    return lambda heads, seed: (kernel, [])


def _with_features(
    combine: Callable[[Kernel], Kernel], count: int, d: int = 2
) -> Callable[..., Made]:
    def make(heads: tuple[int, ...], seed: int) -> Made:
        kernel, parameters = features(count, d, heads, seed)
        return combine(kernel), parameters

    return make


@dataclass(frozen=True)
class Case:
    """A kernel of D features, at how many keys it is trained (quick, full), and in which R^d."""

    D: int | None
    make: Callable[[tuple[int, ...], int], Made]
    quick: tuple[int, ...]
    full: tuple[int, ...]
    d: int = 2


NORM = KeyNormBias(Quadratic(0.0), 0.5)
CASES = {
    "4 features": Case(4, _with_features(lambda κ: κ, 4), (4, 12), (2, 3, 4, 5, 6, 8, 12, 16)),
    "8 features": Case(8, _with_features(lambda κ: κ, 8, 8), (8, 12), (4, 6, 8, 9, 12, 16, 20), 8),
    "T2": Case(6, _fixed(TaylorEDP(2)), (12,), (3, 4, 5, 6, 7, 9, 12)),
    "T4": Case(15, _fixed(TaylorEDP(4)), (18,), (5, 7, 8, 12, 15, 20)),
    "quadratic": Case(6, _fixed(Quadratic(1.0)), (9,), (3, 4, 5, 6, 7, 9, 12)),
    "T2, key norms": Case(6, _fixed(KeyNormBias(TaylorEDP(2), 0.5)), (9,), (5, 6, 7, 12)),
    "sum": Case(5, _with_features(lambda κ: NORM + κ, 2), (9,), (4, 5, 6, 10)),
    "product": Case(6, _with_features(lambda κ: NORM * κ, 2), (9,), (5, 6, 7, 12)),
    "EDP": Case(None, _fixed(EDP()), (12,), (4, 8, 12, 16, 20)),
}
"""D of T_N is C(2 + N, N), that of squares of q·k/√d 3; ranks add in sums, multiply in products."""


@dataclass(frozen=True, eq=False)
class Arrangements:
    """Queries and keys (heads, n, d) of one case, and its kernel."""

    case: str
    kind: str
    kernel: Kernel
    q: np.ndarray
    k: np.ndarray


def circle(n: int, d: int, sharpness: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """n keys on a circle and aligned queries: q_i·k_i/√d = β, a head for each β."""
    angles = 2 * np.pi * np.arange(n) / n
    keys = np.zeros((len(sharpness), n, d))
    keys[..., 0], keys[..., 1] = np.cos(angles), np.sin(angles)
    return keys * np.sqrt(d) * np.array(sharpness)[:, None, None], keys


def arrangements(run: Run) -> Iterator[Arrangements]:
    """Of every case trained heads, normal ones, and keys on a circle, also in D groups."""
    from verify.studies.free_heads import starts, trained

    heads, steps = run.pick(quick=(48, 300), full=(96, 1000))
    for name, case in CASES.items():
        for n in run.pick(quick=case.quick, full=case.full):
            kernel, parameters = case.make((heads,), run.seed)
            q, k = trained(kernel, n, case.d, heads, steps, seed=run.seed, parameters=parameters)
            yield Arrangements(name, "trained", kernel, q, k)
        n = 2 * case.D if case.D else 30
        kernel, _ = case.make((1,), run.seed + 1)
        drawn_at_random = starts(240, n, case.d, (0.3, 1.0, 2.0, 4.0), run.seed)
        yield Arrangements(name, "normal", kernel, *(x.numpy() for x in drawn_at_random))
        yield Arrangements(name, "circle", kernel, *circle(n, case.d, (0.5, 1, 2, 4, 8, 100)))
        if case.D:
            groups = circle(case.D, case.d, (0.5, 1, 2, 4, 8))
            q, k = (np.repeat(points, 2, axis=1) for points in groups)
            yield Arrangements(name, "groups", kernel, q, k)


def row_of(found: Arrangements) -> dict[str, Any]:
    """The best that its heads do, by plain sums; and how far the library's weights are off."""
    import torch

    from verify.studies import free_heads

    A = plain.of_kernel(found.kernel, found.q, found.k)
    n, D = A.shape[-1], CASES[found.case].D
    with torch.no_grad():
        there = free_heads.weights(found.kernel, *map(torch.tensor, (found.q, found.k)))
    values = np.linalg.svd(A, compute_uv=False)
    return {
        "case": found.case,
        "D": D,
        "kind": found.kind,
        "n": n,
        "heads": len(A),
        "trace": float(plain.own(A).sum(-1).max()),
        "mean_log": float(plain.mean_log(A).min()),
        "R": int(plain.selected(A).max()),
        "squares": float(((A - np.eye(n)) ** 2).sum((-1, -2)).min()),
        "beyond_rank": float(values[:, D:].max()) if D and n > D else 0.0,
        "apart": float(abs(there.numpy() - A).max()),
    }
