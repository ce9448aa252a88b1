"""Kernels of finite rank, from columns of another kernel, and what they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from rkbs._arrays import (
    Array,
    as_matrix,
    as_points,
    cast,
    check_count,
    check_number,
    first_equal,
    is_tensor,
    kind_error,
    namespace,
)
from rkbs.kernels._landmarks import diagonal, draw_landmarks
from rkbs.kernels._pairwise import common_dtype
from rkbs.kernels._parameters import head_parameter
from rkbs.kernels.base import Kernel

_ROWS = 4096
"""Points whose rows of a kernel are held at a time."""
_SAMPLE = 500
"""Points of which the left-out spectrum is estimated."""


@final
@dataclass(frozen=True)
class LeftOut:
    """What K − L Lᵀ is, a positive semi-definite matrix that is never formed.

    Attributes
    ----------
    share : float
        tr(K − L Lᵀ)/tr K, from the diagonals.
    norm_below, norm_above : float
        A bracket of ‖K − L Lᵀ‖/tr K: the largest eigenvalue of a block of it, and its trace.
    spectrum : tuple of float
        The largest eigenvalues of K − L Lᵀ over tr K, as the block, times n over its size,
        estimates them.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF
    >>> from rkbs.kernels import LowRank
    >>> x = np.linspace(0, 1, 50)[:, None]
    >>> left_out = LowRank(RBF(), x, rank=5).left_out(x)
    >>> left_out.norm_below <= left_out.norm_above == left_out.share < 1e-4
    True
    """

    share: float
    norm_below: float
    norm_above: float
    spectrum: tuple[float, ...]


@final
@dataclass(frozen=True, eq=False, repr=False)
class LowRank(Kernel):
    """k_r(x, x') = k(x, P) k(P, P)⁻¹ k(P, x'), of r landmarks P among some points: rank ≤ r.

    With k(P, P) = C Cᵀ its features are φ(x) = C⁻¹ k(P, x). It equals k where x or x' is a
    landmark; what it leaves out of a Gram matrix, K − L Lᵀ with L = φ(X), is positive
    semi-definite and known by its diagonal (``left_out``). Landmarks are drawn by randomly
    pivoted Cholesky, each with a probability that grows with what those before leave out of its
    own diagonal entry: fewer than ``rank`` where these leave a share of no more than ``tol``, or
    nothing but rounding. So a kernel of finitely many features is kept as it is, where ``rank``
    reaches its rank on the points. The cost is n · r evaluations of k and n · r² multiplications;
    no n × n matrix is formed.

    ``BinaryKernelRidge`` takes its features in place of a Gram matrix; elsewhere it is a kernel
    like any other.

    Parameters
    ----------
    kernel : Kernel
        k, Mercer.
    points : array of shape (n, d)
        Where landmarks are drawn from, as a rule the points of the domain.
    rank : int
        The most landmarks.
    tol : float
        The share tr(K − L Lᵀ)/tr K on ``points`` that is small enough, from 0 to 1.
    seed : int
        Of the draws.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit; for a kernel that is known not to be Mercer, has a
        parameter for each head, or asks who is who, as ``Identity`` does.

    Source: Chen, Epperly, Tropp & Webber (Communications on Pure and Applied Mathematics 2025),
    there in blocks; the features are those of Nyström's method.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF
    >>> from rkbs.kernels import LowRank
    >>> x = np.random.default_rng(0).uniform(size=(300, 2))
    >>> kernel = LowRank(RBF(), x, rank=40)
    >>> features = kernel.features(x)
    >>> features.shape, bool(abs(features @ features.T - RBF()(x, x)).max() < 1e-4)
    ((300, 40), True)
    """

    kernel: Kernel
    points: np.ndarray
    rank: int = 500
    tol: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        where = "LowRank({}=…)"
        if not isinstance(self.kernel, Kernel):
            raise kind_error(self.kernel, where.format("kernel"), Kernel)
        _check_kernel(self.kernel)
        points = as_matrix(self.points, where.format("points")).astype(float)
        points.setflags(write=False)  # landmarks are drawn once
        object.__setattr__(self, "points", points)
        check_count(self.rank, where.format("rank"))
        check_number(self.tol, where.format("tol"), least=0.0)
        check_count(self.seed, where.format("seed"), 0)

    def __repr__(self) -> str:
        return f"LowRank({self.kernel!r}, <{len(self.points)} points>, rank={self.rank})"

    is_mercer = True
    is_symmetric = True

    def rank_bound(self, d: int) -> int:
        """The number of landmarks."""
        return len(self.landmarks)

    @cached_property
    def landmarks(self) -> np.ndarray:
        """P, (r, d)."""
        return self.points[self.pivots]

    @cached_property
    def pivots(self) -> np.ndarray:
        """The rows of ``points`` that are landmarks, in the order of the columns of C."""
        return self._drawn[0]

    @cached_property
    def root(self) -> np.ndarray:
        """C, (r, r), lower triangular."""
        return self._drawn[1]

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        bound = self.kernel.rank_bound(self.points.shape[1])
        most = int(min(self.rank, len(self.points), np.inf if bound is None else bound))
        rng = np.random.default_rng(self.seed)
        return draw_landmarks(self.kernel, self.points, most, self.tol, rng)

    def features(self, x: Array) -> Array:
        """φ(x) = C⁻¹ k(P, x), with k_r(x, x') = φ(x)·φ(x'): (..., n, d) → (..., n, r), float64.

        Equal points of a matrix have equal features, which a product may round differently.
        """
        x = as_points(x, "x")
        if is_tensor(x) or x.ndim != 2:
            return self._features(x)
        out = np.empty((len(x), len(self.landmarks)))
        for start in range(0, len(x), _ROWS):
            out[start : start + _ROWS] = self._features(x[start : start + _ROWS])
        same = first_equal(x)
        return out[same] if (np.bincount(same) > 1).any() else out

    def _features(self, x: Array) -> Array:
        xp, C, P = namespace(x), self.root, self.landmarks
        x = cast(x, xp.float64)  # of k in single precision C⁻¹ would leave nothing
        if not len(P):
            return 0.0 * x[..., :0]
        if is_tensor(x):
            C, P = (xp.asarray(part, dtype=x.dtype, device=x.device) for part in (C, P))
            return xp.linalg.solve_triangular(C, self.kernel(x, P).mT, upper=False).mT
        from scipy.linalg import solve_triangular  # not at the top: rkbs is light

        rows = self.kernel(x, P)
        return solve_triangular(C, rows.reshape(-1, len(P)).T, lower=True).T.reshape(rows.shape)

    def formula(self, x: Array, y: Array) -> Array:
        xp = namespace(x)
        values = self._features(x) @ self._features(y).mT
        return cast(values, xp.promote_types(common_dtype(x, y), xp.float32))

    def left_out(self, x: np.ndarray) -> LeftOut:
        """What the features leave out of the Gram matrix k(X, X), also at other points.

        Parameters
        ----------
        x : array of shape (n, d)
        """
        x = as_matrix(x, "x").astype(float)
        L, own = self.features(x), diagonal(self.kernel, x)
        total = float(own.sum())
        rest = np.maximum(own - np.vecdot(L, L), 0.0)
        rng = np.random.default_rng(self.seed)
        some = rng.permutation(len(x))[:_SAMPLE]
        block = self.kernel(x[some], x[some]) - L[some] @ L[some].T
        sigma = np.maximum(np.linalg.eigvalsh(block)[::-1], 0.0) / total
        above = float(rest.sum()) / total
        below = float(min(sigma[0], above))
        spectrum = tuple((sigma[:10] * len(x) / len(some)).tolist())
        return LeftOut(above, below, above, spectrum)


def _check_kernel(kernel: Kernel) -> None:
    if kernel.is_mercer is False:
        raise ValueError(
            f"LowRank(kernel=…) must be a Mercer kernel, got {kernel!r}: of a binary kernel κ take "
            "κ.domain_x or κ.domain_y"
        )
    if found := head_parameter(kernel):
        raise ValueError(
            f"LowRank(kernel={kernel!r}) has a value for each head in {found}, but its points "
            "have no axis of heads: pass a number"
        )
    if kernel._told(lambda: np.zeros((1, 1), dtype=bool)) is not kernel:
        raise ValueError(
            f"LowRank(kernel={kernel!r}) asks who is who, of which a few landmarks say nothing: "
            "leave Identity out, or add it beside, LowRank(…) + Identity(), or take the effects "
            'of the machine, effects=("row", "column")'
        )
