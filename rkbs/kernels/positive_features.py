"""A kernel of finitely many positive features, to be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import Array, check_count, is_tensor, namespace
from rkbs.kernels._pairwise import at_least_single, dot, saturated
from rkbs.kernels.base import FeatureDimension, PositiveKernel


@final
@dataclass(frozen=True, eq=False, repr=False)
class PositiveFeatures(PositiveKernel):
    """κ(q, k) = Σ_{l ≤ D} exp(w_l·q + b_l) exp(w'_l·k + b'_l): D positive features on each side.

    The kernel of the least feature dimension that a designer can choose freely: attention with it
    selects at most D keys (theory §5, L1), and learned features attain D/n.

    Parameters
    ----------
    query_weights, key_weights : arrays of shape (D, d_x), (D, d_y)
        The w_l and w'_l, numpy or torch; with heads (H, D, d_x), (H, D, d_y).
    query_biases, key_biases : arrays of shape (D,)
        The b_l and b'_l; with heads (H, D).

    Raises
    ------
    ValueError
        For shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import PositiveFeatures
    >>> kernel = PositiveFeatures.random(d=2, count=3, rng=np.random.default_rng(0))
    >>> x = np.random.default_rng(1).normal(size=(8, 2))
    >>> np.linalg.matrix_rank(kernel(x, x)), kernel.rank_bound(2)
    (np.int64(3), 3)
    """

    query_weights: Array
    query_biases: Array
    key_weights: Array
    key_biases: Array

    def __post_init__(self) -> None:
        for side in ("query", "key"):
            weights, biases = getattr(self, f"{side}_weights"), getattr(self, f"{side}_biases")
            for value, name in ((weights, "weights"), (biases, "biases")):
                if not (is_tensor(value) or isinstance(value, np.ndarray)):
                    raise TypeError(
                        f"PositiveFeatures({side}_{name}=…) must be a numpy array or a tensor, got "
                        f"{type(value).__name__}"
                    )
            if weights.ndim < 2 or tuple(biases.shape) != tuple(weights.shape[:-1]):
                raise ValueError(
                    f"PositiveFeatures({side}_weights=…, {side}_biases=…) must have shapes "
                    f"(..., D, d) and (..., D), got {tuple(weights.shape)}, {tuple(biases.shape)}"
                )
        counts = self.query_weights.shape[-2], self.key_weights.shape[-2]
        if counts[0] != counts[1]:
            raise ValueError(
                "PositiveFeatures(query_weights=…, key_weights=…) must have as many features D on "
                f"both sides, got {counts[0]} and {counts[1]}"
            )

    @classmethod
    def random(cls, d: int, count: int, rng: np.random.Generator) -> PositiveFeatures:
        """D = ``count`` features of standard normal weights, without biases."""
        d, count = check_count(d, "d"), check_count(count, "count")
        query, key = rng.normal(size=(2, count, d))
        return cls(query, np.zeros(count), key, np.zeros(count))

    def __repr__(self) -> str:
        count, d = self.query_weights.shape[-2:]
        return f"PositiveFeatures(<{count} features of R^{d}>)"

    def log_formula(self, x: Array, y: Array) -> Array:
        query = _exponents(x, self.query_weights, self.query_biases)[..., :, None, :]
        key = _exponents(y, self.key_weights, self.key_biases)[..., None, :, :]
        exponents = saturated(query + key)  # (..., n, m, D)
        xp = namespace(exponents)
        if is_tensor(exponents):
            return exponents.logsumexp(-1)
        top = exponents.max(-1)
        return top + xp.log(xp.exp(exponents - top[..., None]).sum(-1))

    def rank_bound(self, d: int) -> int:
        """D; a Gram matrix has it as its rank unless weights coincide."""
        return int(self.query_weights.shape[-2])

    def square_dim(self, d: int) -> FeatureDimension:
        """D: a sum of D squares, each with a weight of the query's."""
        return self.rank_bound(d)


def _exponents(points: Array, weights: Any, biases: Any) -> Array:
    """w_l·x_i + b_l, shape (..., n, D)."""
    points = at_least_single(points)
    if not is_tensor(points):
        weights = weights.astype(points.dtype, copy=False)
        biases = biases.astype(points.dtype, copy=False)
    return dot(points, weights) + biases[..., None, :]
