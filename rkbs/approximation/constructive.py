"""Theorem 2 in numbers: a head that reaches the Schmidt floor without training.

A head of dimension d has the logits G(t, s) = Σ_{l ≤ d} q_l(t) k_l(s). Here t, s ∈ [−1, 1]^d carry
the uniform probability measure, and errors ‖F − G‖ are those of L²(μ × ν).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from rkbs._arrays import check_count, check_number, kind_error, short_repr
from rkbs.approximation.heads import Head, HiddenLayer
from rkbs.approximation.quadrature import (
    Quadrature,
    check_quadrature,
    magnitude,
    norm,
)
from rkbs.approximation.surface import Surface


@final
@dataclass(frozen=True, eq=False)
class ConstructiveHead:
    """G(t, s) = Σ_{l ≤ d} σ_l u_l(t) v_l(s), the truncated SVD of P_X F P_Y: a head in closed form.

    P_X and P_Y project onto the spans of two given hidden layers (and the constant). No head on
    these layers has a smaller L² error, and the error splits:
    ‖F − G‖² = ‖F − P_X F P_Y‖² (width) + Σ_{l>d} σ_l(P_X F P_Y)² (rank). As projections lower
    singular values, floor(d)² ≤ ‖F − G‖² ≤ floor(d)² + width². Source: theory §4.

    Built by ``constructive_head`` on random layers and by ``head_on_layers`` on any;
    ``head.at(d)`` is the head of another dimension.

    Parameters
    ----------
    d : int
        Head dimension.
    hidden_x, hidden_y : HiddenLayer
    left, right : arrays of shape (m + 1, r)
        Output weights, the constant's last, of u_l and v_l.
    singular_values : array of shape (r,)
        σ_l(P_X F P_Y).
    width_error : float
        ‖F − P_X F P_Y‖.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, Quadrature, constructive_head, l2_error
    >>> quadrature = Quadrature.gauss_legendre(24)
    >>> head = constructive_head(TARGETS["edp"], d=2, width=30, quadrature=quadrature)
    >>> error = l2_error(TARGETS["edp"], head, quadrature)
    >>> round(error, 4), round((head.width_error**2 + head.rank_error**2) ** 0.5, 4)
    (0.1776, 0.1776)
    """

    d: int
    hidden_x: HiddenLayer
    hidden_y: HiddenLayer
    left: np.ndarray
    right: np.ndarray
    singular_values: np.ndarray
    width_error: float

    __repr__ = short_repr

    @property
    def rank_error(self) -> float:
        """(Σ_{l>d} σ_l(P_X F P_Y)²)^{1/2}."""
        return norm(self.singular_values[self.d :])

    def at(self, d: int) -> ConstructiveHead:
        """The head of dimension d on the same hidden layers."""
        return replace(self, d=check_count(d, "d"))

    @cached_property
    def head(self) -> Head:
        """The towers q_l = √σ_l u_l and k_l = √σ_l v_l, zero for l > r."""
        root = np.sqrt(self.singular_values[: self.d])
        pad = ((0, 0), (0, self.d - len(root)))
        outputs = (np.pad(side[:, : self.d] * root, pad) for side in (self.left, self.right))
        return Head(self.hidden_x, self.hidden_y, *outputs)

    def __call__(self, t: ArrayLike, s: ArrayLike) -> np.ndarray:
        """G(t_i, s_j), shape (n, m)."""
        return self.head(t, s)

    def weights(self) -> dict[str, np.ndarray]:
        """``Head.weights`` of the towers."""
        return self.head.weights()


def as_head(head: Any, name: str) -> Head:
    """The towers of a constructive head, a ``Head`` as it is; ``TypeError`` for all else."""
    head = head.head if isinstance(head, ConstructiveHead) else head
    if not isinstance(head, Head):
        raise kind_error(head, name, Head)
    return head


def constructive_head(
    target: Surface,
    d: int,
    width: int,
    *,
    quadrature: Quadrature,
    seed: int | np.random.Generator = 0,
    scale: float = 4.0,
    cutoff: float = 1e-12,
) -> ConstructiveHead:
    """The best head of dimension d on two frozen, random hidden layers, in L² of the quadrature.

    Parameters
    ----------
    target : Target or callable
        (n, d_x), (m, d_y) → (n, m).
    d, width : int
        Head dimension, and hidden units m of each tower.
    quadrature : Quadrature
        The measures μ and ν of the error.
    seed : int or Generator
        For the hidden layers.
    scale : float
        Standard deviation of the slopes: steps are about 1/scale wide.
    cutoff : float
        As for ``head_on_layers``.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, Quadrature, constructive_head, l2_error
    >>> target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(24)
    >>> heads = [constructive_head(target, d, width=30, quadrature=quadrature) for d in (1, 2, 3)]
    >>> [round(l2_error(target, head, quadrature), 3) for head in heads]
    [0.87, 0.178, 0.031]
    """
    check_count(width, "width"), check_number(scale, "scale", above=0.0)
    check_quadrature(quadrature)
    rng = np.random.default_rng(seed)
    layers = (
        HiddenLayer.random(width, rng, scale, rule.dim) for rule in (quadrature.x, quadrature.y)
    )
    return head_on_layers(target, d, *layers, quadrature=quadrature, cutoff=cutoff)


def head_on_layers(
    target: Surface,
    d: int,
    hidden_x: HiddenLayer,
    hidden_y: HiddenLayer,
    *,
    quadrature: Quadrature,
    cutoff: float = 1e-12,
) -> ConstructiveHead:
    """The best head of dimension d on given hidden layers, in L² of the quadrature.

    Parameters
    ----------
    target : Target or callable
        (n, d_x), (m, d_y) → (n, m).
    d : int
        Head dimension.
    hidden_x, hidden_y : HiddenLayer
    quadrature : Quadrature
        The measures μ and ν of the error.
    cutoff : float
        Relative singular value under which directions of the hidden layer's span are left out;
        evaluated sums cancel to about ε/cutoff of the terms in those just above it.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import TARGETS, HiddenLayer, Quadrature, head_on_layers
    >>> layer = HiddenLayer(np.full((5, 1), 2.0), np.linspace(-2, 2, 5))
    >>> quadrature = Quadrature.gauss_legendre(24)
    >>> head = head_on_layers(TARGETS["edp"], 3, layer, layer, quadrature=quadrature)
    >>> head.d, head.width_error < head.rank_error  # a larger d can do more than more units
    (3, True)
    """
    check_count(d, "d"), check_number(cutoff, "cutoff")
    check_quadrature(quadrature)
    if not 0 < cutoff < 1:
        raise ValueError(f"cutoff must be between 0 and 1, got {cutoff!r}")
    QX, CX = hidden_x.orthonormal(quadrature.x, cutoff)
    QY, CY = hidden_y.orthonormal(quadrature.y, cutoff)
    F = quadrature.tabulate(target, "target")
    size = magnitude(F)  # no sum over it overflows
    F = F / size
    projected = QX.T @ F @ QY
    U, sigma, Vt = np.linalg.svd(projected, full_matrices=False)
    width_error = size * norm(F - QX @ projected @ QY.T)
    return ConstructiveHead(d, hidden_x, hidden_y, CX @ U, CY @ Vt.T, size * sigma, width_error)
