"""What was seen of an attention module: its inputs, its outputs, and what they are to the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, final

import torch
from torch import Tensor

from rkbs.transformer.heads.maps import AttentionMaps
from rkbs.transformer.heads.masks import seen_by

_CONFIRMED = {torch.float64: 1e-6, torch.float32: 1e-4}
"""The relative error of outputs computed anew that is rounding; of coarser precisions 5e-2."""


class Call(NamedTuple):
    """What the backward pass needs of one call of a module.

    ``leaf`` is zeros that were added to what it gave, ``back`` turns its gradient into that of what
    heads give, (B, n, H·d_v).
    """

    x: Tensor  # (B, n, C)
    y: Tensor  # (B, m, C')
    weights: Tensor  # (B, H, n, m)
    v: Tensor  # (B, H, m, d_v)
    leaf: Tensor
    back: Callable[[Tensor], Tensor]


@final
class Moments:
    """The number and the covariance of points that come in batches."""

    def __init__(self, dimension: int) -> None:
        self.count = 0
        self._sum = torch.zeros(dimension, dtype=torch.float64)
        self._products = torch.zeros(dimension, dimension, dtype=torch.float64)

    def add(self, points: Tensor) -> None:
        """Points (N, C)."""
        points = points.cpu().double()
        self.count += len(points)
        self._sum += points.sum(0)
        self._products += points.T @ points

    def covariance(self) -> Tensor:
        """(C, C)."""
        mean = self._sum / self.count
        return self._products / self.count - torch.outer(mean, mean)


@final
@dataclass
class Record:
    """What all calls of a module have shown.

    Attributes
    ----------
    maps : AttentionMaps
    x, y : Moments
        Of the points of queries and of keys, where some query sees them.
    within : bool
        Whether queries and keys were of the same points in every call.
    error : float or None
        ‖what heads give, by the maps − by the module‖/‖by the module‖, the largest of all calls;
        None where that was not compared.
    compared : int
        How many pairs of points in one sequence.
    exchanged : tensor (H,)
        Those of them, x and y, with ℓ(x, y) + ℓ(y, x) > ℓ(x, x) + ℓ(y, y).
    largest : tensor (H,)
        The largest of these differences over all pairs, in logits.
    coefficients : tensor (H, C, C') or None
        C = −∂J/∂M, summed over batches.
    """

    maps: AttentionMaps
    x: Moments = field(init=False)
    y: Moments = field(init=False)
    within: bool = True
    calls: int = 0
    error: float | None = None
    compared: int = 0
    exchanged: Tensor = field(init=False)
    largest: Tensor = field(init=False)
    coefficients: Tensor | None = None
    open: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        C, C_y = (part.weight.shape[-1] for part in (self.maps.query, self.maps.key))
        self.x, self.y = Moments(C), Moments(C_y)
        self.exchanged = torch.zeros(self.maps.heads, dtype=torch.int64)
        self.largest = torch.full((self.maps.heads,), -torch.inf)

    @property
    def is_confirmed(self) -> bool:
        """Whether the module's outputs are softmax attention by the maps as they were read."""
        dtype = self.maps.query.weight.dtype
        return self.error is not None and self.error <= _CONFIRMED.get(dtype, 5e-2)

    def see(self, x: Tensor, y: Tensor, mask: Tensor | None) -> None:
        """Count the points (B, n, C) and (B, m, C') of a call."""
        self.calls += 1
        seen = seen_by(mask, y)  # (B, m)
        self.x.add(x[seen] if self.within else x.flatten(0, 1))
        self.y.add(y[seen])

    def attend(self, x: Tensor, y: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Softmax attention by the maps: weights, values, and what heads give (B, n, H·d_v)."""
        maps = self.maps
        q, k, v = maps.query.of_points(x), maps.key.of_points(y), maps.value.of_points(y)
        k, v = (z.repeat_interleave(maps.group_size, 1) for z in (k, v))  # (B, H, m, ·)
        products = q @ k.transpose(-1, -2)  # (B, H, n, m)
        if self.within:
            self._count_exchanged(products, seen_by(mask, y))
        logits = maps.logit_scale * products
        weights = (logits if mask is None else logits + mask).softmax(-1).nan_to_num(0.0)
        return weights, v, (weights @ v).transpose(1, 2).flatten(2)

    def _count_exchanged(self, products: Tensor, seen: Tensor) -> None:
        own = products.diagonal(dim1=-2, dim2=-1)
        gain = products + products.transpose(-1, -2) - own[..., None] - own[..., None, :]
        both = (seen[:, None] & seen[..., None]).triu(1)  # (B, n, n)
        rounding = 32 * torch.finfo(products.dtype).eps * products.abs().amax()
        self.compared += int(both.sum())
        self.exchanged += ((gain > rounding) & both[:, None]).sum((0, 2, 3)).cpu()
        gains = (self.maps.logit_scale * gain).masked_fill(~both[:, None], -torch.inf)
        self.largest = torch.maximum(self.largest, gains.amax((0, 2, 3)).cpu())

    def compare(self, found: Tensor, own: Tensor) -> None:
        """What the module gave, by the maps and by itself."""
        own = own.detach().to(found.dtype)
        size = float(own.norm())
        same = found.shape == own.shape
        error = float((found - own).norm()) / (size or 1.0) if same else 1.0
        self.error = max(self.error or 0.0, error)

    def differentiate(self, call: Call, gradient: Tensor) -> None:
        """Add C of a call, by the gradient of its leaf."""
        G = call.back(gradient).to(call.x.dtype)
        G = G.unflatten(-1, (self.maps.heads, -1)).transpose(1, 2)  # (B, H, n, d_v)
        slope = G @ call.v.transpose(-1, -2)  # ∂J/∂A, (B, H, n, m)
        slope = call.weights * (slope - (call.weights * slope).sum(-1, keepdim=True))
        scaled = -self.maps.logit_scale * slope
        C = torch.einsum("bnc,bhnm,bme->hce", call.x, scaled, call.y).cpu().double()
        self.coefficients = C if self.coefficients is None else self.coefficients + C
