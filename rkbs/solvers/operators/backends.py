"""Where corrections of ridge on some pairs are computed: numpy, torch, or the workers of a cluster.

Each gives M ↦ R_Xᵀ S*S(R_X M R_Yᵀ) R_Y, S the choice of pairs, in its own arrays.
"""

from __future__ import annotations

import abc
import itertools
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

import numpy as np

from rkbs._arrays import Array, check_count
from rkbs.problems.gram import GramProblem
from rkbs.solvers.operators._pair_products import PairProducts

Precision = Literal["float32", "float64"]


class Normal(abc.ABC):
    """M ↦ R_Xᵀ S*S(R_X M R_Yᵀ) R_Y, (r_x, r_y) → (r_x, r_y), in the arrays of a backend."""

    @abc.abstractmethod
    def __call__(self, M: Array) -> Array:
        """The image of M."""

    @abc.abstractmethod
    def array(self, M: np.ndarray) -> Array:
        """M in the backend's arrays and precision."""

    @abc.abstractmethod
    def numpy(self, M: Array) -> np.ndarray:
        """M in numpy, float64."""


class Backend(abc.ABC):
    """Where ``RefinedConjugateGradient`` computes its corrections, and in which precision.

    Attributes
    ----------
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> from rkbs.solvers import Backend, NumpyBackend
    >>> isinstance(NumpyBackend(), Backend)
    True
    """

    dtype: Precision

    def __post_init__(self) -> None:
        if self.dtype not in get_args(Precision):
            raise ValueError(f"dtype must be one of {get_args(Precision)}, got {self.dtype!r}")

    @abc.abstractmethod
    def normal(self, problem: GramProblem) -> Normal:
        """The operator of a problem."""


@final
@dataclass(frozen=True)
class NumpyBackend(Backend):
    """The products of ``ConjugateGradient``, on this machine.

    Examples
    --------
    >>> from rkbs.solvers import NumpyBackend
    >>> NumpyBackend("float64").dtype
    'float64'
    """

    dtype: Precision = "float32"

    def normal(self, problem: GramProblem) -> Normal:
        return _NumpyNormal(problem, np.dtype(self.dtype))


@final
@dataclass(frozen=True)
class TorchBackend(Backend):
    """torch, on any of its devices; needs ``rkbs[attention]``.

    Parameters
    ----------
    device : str
        As of ``torch.device``: "cpu", "cuda", "cuda:1".
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> from rkbs.solvers import TorchBackend
    >>> TorchBackend("cuda")
    TorchBackend(device='cuda', dtype='float32')
    """

    device: str = "cpu"
    dtype: Precision = "float32"

    def normal(self, problem: GramProblem) -> Normal:
        from rkbs.solvers.operators._torch_normal import TorchNormal  # the only place with torch

        return TorchNormal(problem, self.device, self.dtype)


@final
@dataclass(frozen=True, eq=False)
class DaskBackend(Backend):
    """The workers of a dask cluster, each with rows of the pairs; needs ``rkbs[cluster]``.

    A step sends M to the workers and adds up what comes back, in the order of the parts. Factors
    and pairs are results of tasks, not data that a worker holds alone: those of a worker that dies
    are computed again by another, and the sum is the same.

    Parameters
    ----------
    client : distributed.Client
    parts : int
        Into how many parts the pairs are split, of about equal size, by rows of X.
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> from rkbs.solvers import DaskBackend
    >>> DaskBackend(client=None, parts=8).parts  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    TypeError: client must be a distributed.Client, which has submit and gather, got NoneType
    """

    client: Any
    parts: int = 8
    dtype: Precision = "float64"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (hasattr(self.client, "submit") and hasattr(self.client, "gather")):
            raise TypeError(
                "client must be a distributed.Client, which has submit and gather, got "
                f"{type(self.client).__name__}"
            )
        check_count(self.parts, "parts")

    def normal(self, problem: GramProblem) -> Normal:
        return _DaskNormal(problem, self)


class _OfArrays(Normal):
    """In numpy's arrays, wherever they are multiplied."""

    dtype: np.dtype

    def array(self, M: np.ndarray) -> Array:
        return M.astype(self.dtype)

    def numpy(self, M: Array) -> np.ndarray:
        return M.astype(float)


class _NumpyNormal(_OfArrays):
    def __init__(self, problem: GramProblem, dtype: np.dtype) -> None:
        factors, pairs = problem.factors, problem.pairs
        left, right = (part.astype(dtype, copy=False) for part in (factors.left, factors.right))
        self.dtype, self.products = dtype, PairProducts(left, right, pairs.i, pairs.j)

    def __call__(self, M: Array) -> Array:
        return _image(self.products, M)


class _DaskNormal(_OfArrays):
    def __init__(self, problem: GramProblem, backend: DaskBackend) -> None:
        self.client, self.dtype = backend.client, np.dtype(backend.dtype)
        factors, pairs = problem.factors, problem.pairs
        right = self._task(_given, factors.right.astype(self.dtype, copy=False))
        order = np.argsort(pairs.i, kind="stable")
        i, j = pairs.i[order], pairs.j[order]
        self.parts = []
        for first, last in _parts(i, backend.parts):
            rows = slice(int(i[first]), int(i[last - 1]) + 1)
            left = factors.left[rows].astype(self.dtype, copy=False)
            indices = i[first:last] - rows.start, j[first:last]
            self.parts.append(self._task(PairProducts, left, right, *indices))

    def _task(self, work: Any, *inputs: Any) -> Any:
        import dask  # not at the top: it is an extra

        # Data in the graph is what makes it last; dask would rather have it scattered.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            return self.client.submit(work, *inputs, pure=False)

    def __call__(self, M: Array) -> Array:
        sent = self._task(_given, M)
        images = self.client.gather([self._task(_image, part, sent) for part in self.parts])
        return np.sum(images, axis=0)


def _given(data: np.ndarray) -> np.ndarray:
    return data


def _image(products: PairProducts, M: np.ndarray) -> np.ndarray:
    return products.pull(products.at_pairs(M))


def _parts(i: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Where parts of sorted rows begin and end, no row in two of them."""
    ends = np.searchsorted(i, i[np.arange(1, count) * len(i) // count])
    bounds = np.unique([0, *ends, len(i)]).tolist()
    return list(itertools.pairwise(bounds))
