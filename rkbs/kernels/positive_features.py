"""A kernel of finitely many positive features, to be learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from rkbs._arrays import Array, as_floating, check_count, check_finite, is_tensor
from rkbs.kernels._pairwise import dot, log_dot, saturated
from rkbs.kernels._parameters import ARRAY, Parametric, check_heads, fitting
from rkbs.kernels.base import PositiveKernel
from rkbs.kernels.structure import FeatureDimension


@final
@dataclass(frozen=True, eq=False, repr=False)
class PositiveFeatures(Parametric, PositiveKernel):
    """κ(q, k) = Σ_{l ≤ D} exp(w_l·q + b_l) exp(w'_l·k + b'_l): D positive features on each side.

    The kernel of the least feature dimension that a designer can choose freely: attention with it
    selects at most D keys (theory §5, L1), and learned features attain D/n. Neither values nor
    gradients need an n × m × D array.

    Parameters
    ----------
    query_weights, key_weights : arrays of shape (D, d_x), (D, d_y)
        The w_l and w'_l, numpy (copied) or torch; with heads (H, D, d_x), (H, D, d_y), for points
        (..., H, n, d).
    query_biases, key_biases : arrays of shape (D,)
        The b_l and b'_l; with heads (H, D).

    Raises
    ------
    TypeError, ValueError
        For what is no array of finite numbers, and for shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import PositiveFeatures
    >>> kernel = PositiveFeatures.random(d=2, count=3, rng=np.random.default_rng(0))
    >>> x = np.random.default_rng(1).normal(size=(8, 2))
    >>> np.linalg.matrix_rank(kernel(x, x)), kernel.rank_bound(2)
    (np.int64(3), 3)
    """

    query_weights: Array = field(metadata=ARRAY)
    query_biases: Array = field(metadata=ARRAY)
    key_weights: Array = field(metadata=ARRAY)
    key_biases: Array = field(metadata=ARRAY)

    def __post_init__(self) -> None:
        for side in ("query", "key"):
            for name in (f"{side}_weights", f"{side}_biases"):
                object.__setattr__(self, name, _checked(getattr(self, name), name))
            weights, biases = getattr(self, f"{side}_weights"), getattr(self, f"{side}_biases")
            shape = tuple(weights.shape)
            fits = len(shape) in (2, 3) and 0 not in shape and tuple(biases.shape) == shape[:-1]
            if not fits:
                raise ValueError(
                    f"PositiveFeatures({side}_weights=…, {side}_biases=…) must have shapes (D, d) "
                    f"and (D,), with heads (H, D, d) and (H, D), got {shape} and "
                    f"{tuple(biases.shape)}"
                )
        counts = [tuple(w.shape[:-1]) for w in (self.query_weights, self.key_weights)]
        if counts[0] != counts[1]:
            raise ValueError(
                "PositiveFeatures(query_weights=…, key_weights=…) must have the same features, "
                f"(D,) or with heads (H, D), on both sides, got {counts[0]} and {counts[1]}"
            )

    @classmethod
    def random(cls, d: int, count: int, rng: np.random.Generator) -> PositiveFeatures:
        """D = ``count`` features of standard normal weights, without biases."""
        d, count = check_count(d, "d"), check_count(count, "count")
        query, key = rng.normal(size=(2, count, d))
        return cls(query, np.zeros(count), key, np.zeros(count))

    def __repr__(self) -> str:
        *heads, count, d = self.query_weights.shape
        of = "".join(f", {H} heads" for H in heads)
        return f"PositiveFeatures(<{count} features of R^{d}{of}>)"

    def _with_heads(self) -> list[str]:
        return ["query_weights"] if self.query_weights.ndim == 3 else []

    def log_formula(self, x: Array, y: Array) -> Array:
        if self._with_heads():
            heads = self.query_weights.shape[0]
            check_heads("PositiveFeatures(query_weights=…)", heads, x, y)
        return log_dot(self._exponents("query", x, y), self._exponents("key", y, x))

    def _exponents(self, side: str, points: Array, others: Array) -> Array:
        """w_l·x_i + b_l, shape (..., n, D)."""
        weights, biases = (
            fitting(getattr(self, f"{side}_{name}"), points, others)
            for name in ("weights", "biases")
        )
        if points.shape[-1] != weights.shape[-1]:
            raise ValueError(
                f"PositiveFeatures({side}_weights=…) are of points of dimension "
                f"{weights.shape[-1]}, but {'x' if side == 'query' else 'y'} has dimension "
                f"{points.shape[-1]} (shape {tuple(points.shape)})"
            )
        return saturated(dot(points, weights) + biases[..., None, :])

    def rank_bound(self, d: int) -> int:
        """D; a Gram matrix has it as its rank unless weights coincide."""
        return int(self.query_weights.shape[-2])

    def square_dim(self, d: int) -> FeatureDimension:
        """D: a sum of D squares, each with a weight of the query's."""
        return self.rank_bound(d)


def _checked(value: Array, name: str) -> Array:
    """Weights or biases as a tensor, unread, or as a read-only copy of a finite array."""
    where = f"PositiveFeatures({name}=…)"
    if not (is_tensor(value) or isinstance(value, np.ndarray)):
        raise TypeError(f"{where} must be a numpy array or a tensor, got {type(value).__name__}")
    value = check_finite(as_floating(value, where), where)
    if not is_tensor(value):
        value = value.copy()
        value.setflags(write=False)
    return value
