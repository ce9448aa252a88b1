"""One encoder block: feed-forward towers, cross-attention of several heads, output weights.

Values are indicators of the sources and W^O = (w_1 I … w_H I) with one bias b, so that what the
block puts out is a surface, G(t, s) = b + Σ_h w_h A^h(t, s) on the tokens s. Normalized, A^h is the
library's attention, as a density over the tokens; un-normalized it is the kernel itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from rkbs.approximation.surface import Surface
from rkbs.attention.functional import kernel_attention
from rkbs.attention.heads.ensemble import TwoTowerEnsemble
from rkbs.attention.paths.dense import Dense
from rkbs.kernels.base import Kernel
from rkbs.kernels.tables import KERNELS


@dataclass(frozen=True)
class Shape:
    """A block's head dimension d, and the width m of its towers."""

    d: int
    width: int


class EncoderBlocks(nn.Module):
    """Blocks with equally many heads of one kernel, side by side, that share no parameter.

    Heads of fewer dimensions are padded with zeros; queries and keys are scaled so that the kernel
    divides their products by their own √d.
    """

    def __init__(
        self,
        kernel: str,
        heads: int,
        shapes: Sequence[Shape],
        seeds: Sequence[int],
        *,
        normalized: bool,
        dim: int = 1,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.kernel: Kernel = KERNELS[kernel]
        self.n_heads, self.normalized = heads, normalized
        most = max(shape.d for shape in shapes)
        self.towers = TwoTowerEnsemble.random(
            [heads * most] * len(shapes),
            [shape.width for shape in shapes],
            seeds,
            d_x=dim,
            d_y=dim,
            dtype=dtype,
            device=device,
        )
        used = torch.tensor([[axis < shape.d for axis in range(most)] for shape in shapes])
        size = torch.tensor([(most / shape.d) ** 0.25 for shape in shapes], dtype=torch.float64)
        scale = (used * size[:, None])[:, None, None]  # (M, 1, 1, d)
        self.register_buffer("scale", scale.to(dtype=dtype, device=device))
        # Of both signs: positive heads of one sign cannot cancel, and weights change theirs late.
        signs = torch.tensor([(-1.0) ** h for h in range(heads)], dtype=dtype, device=device)
        weights = (signs / math.sqrt(heads)).repeat(len(shapes), 1)
        self.output_weight = nn.Parameter(weights)  # (M, H)
        self.output_bias = nn.Parameter(torch.zeros_like(weights[:, :1]))  # (M, 1)

    def _split(self, features: Tensor) -> Tensor:
        """Features (M, n, H d) as heads (M, H, n, d)."""
        return features.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) * self.scale

    def forward(self, t: Tensor, s: Tensor) -> Tensor:
        """G(t, s), (M, n, m), of targets (…, n, dim) and the tokens s, (…, m, dim)."""
        towers = self.towers
        q = self._split(towers.query(towers.query.check(t, "t")))  # (M, H, n, d)
        k = self._split(towers.key(towers.key.check(s, "s")))  # (M, H, m, d)
        if self.normalized:
            m = k.shape[-2]
            unit = torch.eye(m, dtype=k.dtype, device=k.device)
            weights = m * kernel_attention(q, k, unit, self.kernel, path=Dense())  # (M, H, n, m)
        else:
            weights = self.kernel(q, k)  # (M, H, n, m)
        mixed = torch.einsum("mh,mhij->mij", self.output_weight, weights)
        return mixed + self.output_bias[..., None]

    def surfaces(self) -> list[Surface]:
        """G of each block, on numpy arrays of points."""

        def evaluate(index: int, t: np.ndarray, s: np.ndarray) -> np.ndarray:
            points = (torch.as_tensor(x).to(self.output_weight) for x in (t, s))
            with torch.no_grad():
                return self(*points)[index].double().cpu().numpy()

        return [partial(evaluate, index) for index in range(len(self.output_bias))]
