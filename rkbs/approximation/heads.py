"""Heads of two towers, each a hidden layer and an output layer, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from rkbs._arrays import (
    Array,
    as_floating,
    as_matrix,
    as_real,
    check_count,
    check_finite,
    check_kinds,
    to_numpy,
)
from rkbs.approximation.quadrature import (
    Rule,
    check_generator,
)
from rkbs.approximation.surface import domain_points

SIDES = ("query", "key")
PARTS = {
    "hidden.weight": "(m, d_x)",
    "hidden.bias": "(m,)",
    "output.weight": "(d, m)",
    "output.bias": "(d,)",
}
"""The parameters of a side and their shapes: torch's names, as ``Head.weights`` gives them."""


@final
@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """t ↦ (tanh(a_1·t + b_1), …, tanh(a_m·t + b_m), 1): (n, d) → (n, m + 1).

    Parameters
    ----------
    slopes : array of shape (m, d)
    biases : array of shape (m,)

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import HiddenLayer
    >>> HiddenLayer(np.array([[1.0], [9.0]]), np.zeros(2))(np.array([[-1.0], [1.0]])).round(2)
    array([[-0.76, -1.  ,  1.  ],
           [ 0.76,  1.  ,  1.  ]])
    >>> HiddenLayer.random(width=5, rng=np.random.default_rng(0), scale=4.0).slopes.shape
    (5, 1)
    """

    slopes: np.ndarray = field(repr=False)
    biases: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        slopes = as_matrix(self.slopes, "slopes").astype(float)
        biases = as_real(self.biases, "biases")
        if biases.shape != slopes.shape[:1]:
            raise ValueError(
                f"biases must have shape ({len(slopes)},), one per row of slopes, got "
                f"{tuple(biases.shape)}"
            )
        object.__setattr__(self, "slopes", slopes)
        object.__setattr__(self, "biases", biases)

    def __len__(self) -> int:
        return len(self.biases)

    @classmethod
    def random(
        cls, width: int, rng: np.random.Generator, scale: float, dim: int = 1
    ) -> HiddenLayer:
        """Slopes N(0, scale²), centers uniform on [−1.2, 1.2]^d: the steps cover the domain."""
        check_generator(rng), check_count(width, "width"), check_count(dim, "dim")
        slopes = rng.normal(scale=scale, size=(width, dim))
        return cls(slopes, -(slopes * rng.uniform(-1.2, 1.2, size=(width, dim))).sum(1))

    def __call__(self, t: ArrayLike) -> np.ndarray:
        points = domain_points(t, "t", self.slopes.shape[1])
        hidden = np.tanh(points @ self.slopes.T + self.biases)  # (n, m)
        return np.column_stack([hidden, np.ones(len(points))])  # (n, m + 1)

    def orthonormal(self, rule: Rule, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
        """Q (n, r), orthonormal and weighted by √w, and C (m + 1, r) with √w Φ C = Q.

        Directions of singular value ≤ ``cutoff`` × the largest are left out.
        """
        U, sizes, Vt = np.linalg.svd(rule.root * self(rule.nodes), full_matrices=False)
        kept = sizes > cutoff * sizes[0]
        return U[:, kept], Vt[kept].T / sizes[kept]


@final
@dataclass(frozen=True, eq=False)
class Head:
    """G(t, s) = q(t)·k(s), q = Φ_X A and k = Φ_Y B on hidden layers Φ_X and Φ_Y: two towers.

    Attention's logits before the factor 1/√d, which Theorem 2 leaves to q and k; a ``Surface``.
    The one form in which heads are handed on: constructive ones are made of it, trained ones start
    from it and come back as it, and ``weights`` are its parameters under torch's names.

    Parameters
    ----------
    hidden_x, hidden_y : HiddenLayer
        Of m units each, where q and k have as many.
    output_x, output_y : arrays of shape (m + 1, d)
        A and B, the constant's row last.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import Head, HiddenLayer
    >>> step = HiddenLayer(np.array([[1.0]]), np.array([0.0]))  # tanh t, and the constant
    >>> head = Head(step, step, np.array([[1.0], [0.0]]), np.array([[0.0], [2.0]]))
    >>> head(np.array([[0.5]]), np.array([[-1.0], [1.0]])).round(3)  # q(t) = tanh t, k(s) = 2
    array([[0.924, 0.924]])
    >>> Head.from_weights(head.weights()).output_y.ravel()
    array([0., 2.])
    """

    hidden_x: HiddenLayer
    hidden_y: HiddenLayer
    output_x: np.ndarray = field(repr=False)
    output_y: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        check_kinds(self, hidden_x=HiddenLayer, hidden_y=HiddenLayer)
        for name, hidden in (("output_x", self.hidden_x), ("output_y", self.hidden_y)):
            object.__setattr__(self, name, as_matrix(getattr(self, name), name).astype(float))
            shape = len(hidden) + 1, self.output_x.shape[1]
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape (m + 1, d) = {shape}, got {getattr(self, name).shape}"
                )

    @property
    def d(self) -> int:
        """Head dimension."""
        return self.output_x.shape[1]

    def __call__(self, t: ArrayLike, s: ArrayLike) -> np.ndarray:
        """G(t_i, s_j), shape (n, m)."""
        q = self.hidden_x(t) @ self.output_x  # (n, d)
        k = self.hidden_y(s) @ self.output_y  # (m, d)
        return q @ k.T  # (n, m)

    def weights(self) -> dict[str, np.ndarray]:
        """The parameters by the names that ``rkbs.attention.TwoTowerHead`` gives them.

        So ``np.savez`` stores a head, and ``load_state_dict`` reads it. Output weights can be large
        where hidden units are nearly dependent: use float64.
        """
        arrays = {}
        layers = (self.hidden_x, self.output_x), (self.hidden_y, self.output_y)
        for side, (hidden, output) in zip(SIDES, layers, strict=True):
            parts = hidden.slopes, hidden.biases, output[:-1].T, output[-1]
            arrays |= {f"{side}.{part}": array for part, array in zip(PARTS, parts, strict=True)}
        return arrays

    @classmethod
    def from_weights(cls, weights: Mapping[str, Array]) -> Head:
        """The head of parameters by name, arrays or tensors, as ``weights`` gives them.

        Parameters
        ----------
        weights : mapping
            Of ``query`` and ``key``: ``hidden.weight`` (m, d_x), ``hidden.bias`` (m,),
            ``output.weight`` (d, m), ``output.bias`` (d,). A ``state_dict`` of ``TwoTowerHead`` is
            one, and a file of ``np.savez``.

        Raises
        ------
        TypeError, ValueError
            For a missing or unknown name, for shapes that are not of one head, and for what are not
            finite real numbers.
        """
        if not isinstance(weights, Mapping):
            raise TypeError(
                f"weights must be a mapping, as head.weights() gives it, got {weights!r:.50}"
            )
        names = [f"{side}.{part}" for side in SIDES for part in PARTS]
        if set(weights) != set(names):
            raise ValueError(f"weights must have the names {names}, got {sorted(weights)}")
        arrays = {name: _numbers(weights[name], f"weights[{name!r}]") for name in names}
        (hidden_x, output_x), (hidden_y, output_y) = (_tower(arrays, side) for side in SIDES)
        return cls(hidden_x, hidden_y, output_x, output_y)


def _numbers(values: Any, name: str) -> np.ndarray:
    return check_finite(as_floating(to_numpy(values, name), name), name)


def _tower(arrays: Mapping[str, np.ndarray], side: str) -> tuple[HiddenLayer, np.ndarray]:
    """The hidden layer and the output of one side, whose shapes fit together."""
    slopes, biases, output, constants = (arrays[f"{side}.{part}"] for part in PARTS)
    m, d = biases.size, arrays["query.output.bias"].size
    shapes = (m, slopes.shape[-1] if slopes.ndim else 1), (m,), (d, m), (d,)
    for (part, axes), shape in zip(PARTS.items(), shapes, strict=True):
        found = arrays[f"{side}.{part}"].shape
        if found != shape or 0 in shape:
            raise ValueError(
                f"weights['{side}.{part}'] must have shape {axes} = {shape}, got {found}"
            )
    return HiddenLayer(slopes, biases), np.vstack([output.T, constants])
