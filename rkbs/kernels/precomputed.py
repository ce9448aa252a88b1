"""A kernel given by its table of values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from rkbs._arrays import Array, as_matrix, cast, is_tensor, namespace
from rkbs._frames import check_labels
from rkbs.kernels._pairwise import common_dtype
from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension


@final
@dataclass(frozen=True, eq=False, repr=False)
class Precomputed(Kernel):
    """κ(i, j) = G_ij for a given matrix G; points are indices, or rows of similarities.

    Indices are arrays of shape (..., n, 1). A target x may instead be the row of its similarities
    to all columns, (..., n, n_y), κ(x, j) = x_j, whether or not it is a row of G: so comes what was
    not there when G was made. A source y may be its own row of G, which is found there.

    Indices are integers or, as other points, floating; then their dtype must hold every index of
    the matrix exactly (float16 up to 2048, bfloat16 256, float32 2^24). Structure is read off the
    matrix; where rounding leaves it open, the answer is None.

    As the kernel within a domain G is the n × n matrix of its similarities, symmetric and positive
    semi-definite, or else repaired by the machine (``repair_x="shift"``). A machine predicts new
    objects from their rows of similarities to the n, whether it was fitted on ``points(n)`` or on
    the rows of G themselves, ``Pairs.grid(G, Y)``. They may also be further rows, n, n + 1, …, of a
    taller matrix, ``np.vstack([G, rows])``.

    Parameters
    ----------
    matrix : array of shape (n_x, n_y)
        Copied, and read-only from then on.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Precomputed
    >>> G = np.array([[1.0, 0.5], [0.5, 1.0], [0.2, 0.9]])  # two objects, and a new one below
    >>> Precomputed(G)([[2]], Precomputed.points(2))
    array([[0.2, 0.9]])
    >>> Precomputed(G[:2])([[0.2, 0.9]], G[:2])  # the same from its row, to objects by theirs
    array([[0.2, 0.9]])
    >>> Precomputed(G[:2]).is_mercer, Precomputed(np.array([[1.0, 2.0], [2.0, 1.0]])).is_mercer
    (True, False)
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        check_labels(self.matrix, "matrix")
        matrix = as_matrix(self.matrix, "Precomputed(matrix=…)").copy()
        matrix.setflags(write=False)  # the structure below is read off once
        object.__setattr__(self, "matrix", matrix)

    def __repr__(self) -> str:
        return f"Precomputed(<{self.matrix.shape[0]} × {self.matrix.shape[1]}>)"

    @staticmethod
    def points(n: int) -> np.ndarray:
        """The n indices as points of shape (n, 1)."""
        return np.arange(n, dtype=float)[:, None]

    def _checked(self, formula: Callable, x: Array, y: Array, advice: str) -> Array:
        return super()._checked(formula, _floating(x), _floating(y), advice)

    def _indices(self, x: Array, axis: int) -> np.ndarray:
        name, size = "xy"[axis], self.matrix.shape[axis]
        most = 2 / float(namespace(x).finfo(x.dtype).eps)  # every integer up to it is exact
        if size - 1 > most:
            raise ValueError(
                f"{name} is of {x.dtype}, which holds indices up to {most:.0f} exactly, but the "
                f"precomputed matrix has {size} of them: pass {name} as integers or in float64"
            )
        index = x.detach().cpu().double().numpy() if is_tensor(x) else x
        broken = index[index != np.round(index)]  # NaN among them
        if x.shape[-1] != 1 or broken.size:
            got = f"shape {tuple(x.shape)}" if x.shape[-1] != 1 else f"the value {broken[0]:g}"
            raise ValueError(
                f"{name} must hold row numbers of a precomputed matrix, shape (..., n, 1), or rows "
                f"of similarities to its {self.matrix.shape[1]} columns, got {got}"
            )
        if index.min() < 0 or index.max() >= size:
            raise ValueError(
                f"{name} must hold indices from 0 to {size - 1} of the precomputed matrix "
                f"{self.matrix.shape}, got values from {index.min():g} to {index.max():g}"
            )
        return index[..., 0].astype(int)

    def formula(self, x: Array, y: Array) -> Array:
        i = None if self._holds_rows(x) else self._indices(x, 0)
        j = self._of_rows(y) if self._holds_rows(y) else self._indices(y, 1)
        dtype = namespace(x).promote_types(common_dtype(x, y), namespace(x).float32)
        if i is None:
            return _chosen(cast(x, dtype), j)
        gram = self.matrix[i[..., :, None], j[..., None, :]]
        return namespace(x).as_tensor(gram, dtype=dtype, device=x.device) if is_tensor(x) else gram

    def _holds_rows(self, x: Array) -> bool:
        """Whether points are rows of similarities to the columns, not indices."""
        return bool(x.shape[-1] == self.matrix.shape[1] > 1)

    @cached_property
    def _row_numbers(self) -> dict[bytes, int]:
        """The first object with each row, of the objects that are rows and columns."""
        rows = self.matrix[: min(self.matrix.shape)].astype(float) + 0.0  # −0.0 is 0.0
        return {row.tobytes(): k for k, row in reversed(list(enumerate(rows)))}

    def _of_rows(self, y: Array) -> np.ndarray:
        """The columns of objects that are given by their own rows."""
        rows = (y.detach().cpu().double().numpy() if is_tensor(y) else y.astype(float)) + 0.0
        flat = rows.reshape(-1, rows.shape[-1])
        found = [self._row_numbers.get(row.tobytes(), -1) for row in flat]
        if -1 in found:
            raise ValueError(
                f"y holds rows of similarities, of which row {found.index(-1)} is none of the "
                f"precomputed matrix {self.matrix.shape}: pass the rows of this very matrix, or "
                "Precomputed.points(n), and new objects as x"
            )
        return np.array(found, dtype=int).reshape(rows.shape[:-1])

    @cached_property
    def _rounding(self) -> float:
        """n · eps · max|G|: what rounding may have done to a symmetric matrix."""
        return max(self.matrix.shape) * np.finfo(self.matrix.dtype).eps * np.abs(self.matrix).max()

    @property
    def _square(self) -> np.ndarray:
        """The block of the points that are rows and columns."""
        n = min(self.matrix.shape)
        return self.matrix[:n, :n]

    @cached_property
    def is_symmetric(self) -> bool | None:
        """Of the points that are rows and columns; None where there are others."""
        gap = np.abs(self._square - self._square.T).max()
        if gap > self._rounding:
            return False
        return True if gap == 0 and self._square.shape == self.matrix.shape else None

    @cached_property
    def is_mercer(self) -> bool | None:
        """Of the points that are rows and columns; None where there are others."""
        if self.is_symmetric is False:
            return False
        rounding = len(self._square) * self._rounding
        if rounding == 0 or not _positive(self._square, -rounding):
            return None if rounding == 0 or _positive(self._square, rounding) else False
        return self.is_symmetric

    @property
    def is_positive(self) -> bool:
        return bool((self.matrix > 0).all())

    @property
    def is_nonnegative(self) -> bool:
        return bool((self.matrix >= 0).all())

    def feature_dim(self, d: int) -> FeatureDimension:
        """The number of points, where the matrix is safely of full rank; else unknown."""
        s = np.linalg.svd(self.matrix.astype(float), compute_uv=False)
        full = s[-1] > max(self.matrix.shape) * np.finfo(self.matrix.dtype).eps * s[0]
        return len(s) if full else None

    def rank_bound(self, d: int) -> int:
        """The lesser number of points of the two domains."""
        return min(self.matrix.shape)

    @property
    def domain_x(self) -> Kernel:
        """The kernel itself, unless its matrix is known not to be one of inner products.

        Raises
        ------
        ValueError
            Then, with what the matrix lacks and what to write.
        """
        if self.is_mercer is not False:
            return self
        raise ValueError(f"{self!r} is no within-domain kernel: {repair(self.matrix)}")

    @property
    def domain_y(self) -> Kernel:
        """As ``domain_x``."""
        return self.domain_x


def _positive(matrix: np.ndarray, shift: float) -> bool:
    """Whether all eigenvalues of a symmetric matrix lie above −``shift``, by Cholesky's factors."""
    shifted = matrix.astype(float)  # a copy
    shifted.flat[:: len(matrix) + 1] += shift
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True


def repair(matrix: np.ndarray) -> str:
    """What keeps a matrix of similarities from being a Gram matrix, and the numpy that mends it.

    Judged in float64, in which machines compute, so that one round of mending is enough.
    """
    n, m = matrix.shape
    if n < m:
        return f"the matrix of a domain's similarities is square, got {n} × {m}"
    square = matrix[:m].astype(float)
    gap, half = np.abs(square - square.T).max(), (square + square.T) / 2
    eigenvalues = np.linalg.eigvalsh(half)
    # Of a taller matrix the rows of new objects stay as they are.
    taller, G = n > m, f"G[:{m}]" if n > m else "G"
    advised, lacks = "symmetrize", []
    lines = ["G = G.astype(float)"] * (taller or matrix.dtype != float)
    if gap > 0:
        lacks.append(
            f"asymmetric, max|G − Gᵀ| = {gap:.3g} (largest entry {np.abs(square).max():.3g})"
        )
        lines.append(f"{G} = ({G} + {G}.T) / 2")
    if eigenvalues[0] < -m * np.finfo(float).eps * np.abs(eigenvalues).max():
        lacks.append(
            f"indefinite, its eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}"
        )
        lines.append(f"{G} = {G} - np.linalg.eigvalsh({G})[0] * np.eye(len({G}))")
        advised = "shift"
    part = " (of its symmetric part)" * (len(lacks) == 2)
    return (
        f"its matrix G is {' and '.join(lacks)}{part}. Pass the estimator "
        f'repair_x="{advised}" (repair_y for Y), which serves new objects too; by hand mend it by '
        f"{'; '.join(lines)} and pass Precomputed(G)"
    )


def _chosen(rows: Array, j: np.ndarray) -> Array:
    """rows[..., i, j], (..., n, m), for rows (..., n, n_y) and columns j (..., m)."""
    axes = max(rows.ndim, j.ndim + 1)
    rows = rows.reshape((1,) * (axes - rows.ndim) + tuple(rows.shape))
    j = j.reshape((1,) * (axes - 1 - j.ndim) + j.shape)[..., None, :]
    if is_tensor(rows):
        xp = namespace(rows)
        return xp.take_along_dim(rows, xp.as_tensor(j, device=rows.device), -1)
    return np.take_along_axis(rows, j, -1)


def _floating(index: Array) -> Array:
    """Integer tensors in float64, as integer arrays are; others unchanged."""
    if not is_tensor(index) or index.is_floating_point() or index.is_complex():
        return index
    return index if index.dtype == namespace(index).bool else index.double()
