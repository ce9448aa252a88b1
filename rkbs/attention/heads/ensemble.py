"""Many two-tower heads in one batch: a leading axis for the models, masks for their sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rkbs._arrays import check_count
from rkbs.approximation.constructive import ConstructiveHead
from rkbs.approximation.heads import PARTS, SIDES, Head
from rkbs.attention._checks import check_tensor
from rkbs.attention.heads.two_tower import as_list, check_place, trainable


class Towers(nn.Module):
    """x ↦ W₂ (μ tanh(W₁ x + b₁)) + b₂ for each model, padded to the widest and deepest.

    Parameters
    ----------
    hidden_weight : tensor of shape (M, m, d_x)
    hidden_bias : tensor of shape (M, m)
    output_weight : tensor of shape (M, d, m)
    output_bias : tensor of shape (M, d)
    units : tensor of shape (M, m)
        The mask μ: 1 for a model's own hidden units, 0 for padding.
    """

    def __init__(
        self,
        hidden_weight: Tensor,
        hidden_bias: Tensor,
        output_weight: Tensor,
        output_bias: Tensor,
        units: Tensor,
    ) -> None:
        super().__init__()
        self.hidden_weight = nn.Parameter(hidden_weight)
        self.hidden_bias = nn.Parameter(hidden_bias)
        self.output_weight = nn.Parameter(output_weight)
        self.output_bias = nn.Parameter(output_bias)
        self.register_buffer("units", units)

    def hidden(self, x: Tensor) -> Tensor:
        """The masked hidden units at x (n, d_x) or (M, n, d_x), shape (M, n, m)."""
        bias = self.hidden_bias[:, None]  # (M, 1, m)
        return torch.tanh(x @ self.hidden_weight.mT + bias) * self.units[:, None]

    def check(self, x: Tensor, name: str) -> Tensor:
        """Points of the towers, in their precision; else an error that names them."""
        M, _, inputs = self.hidden_weight.shape
        fits = isinstance(x, Tensor) and (
            x.shape[1:] == (inputs,) or (x.ndim == 3 and x.shape[::2] == (M, inputs))
        )
        shape = f"(n, {inputs}) or ({M}, n, {inputs}), for {M} models"
        return check_tensor(x, name, self.hidden_weight, shape, fits)

    def extra_repr(self) -> str:
        """Shapes, for ``repr``."""
        (M, d, m), inputs = self.output_weight.shape, self.hidden_weight.shape[2]
        return f"models={M}, inputs={inputs}, width≤{m}, d≤{d}"

    def forward(self, x: Tensor) -> Tensor:
        """The features of each model at x (n, d_x) or (M, n, d_x), shape (M, n, d)."""
        return self.hidden(x) @ self.output_weight.mT + self.output_bias[:, None]


class TwoTowerEnsemble(nn.Module):
    """h_a(t, s) = q_a(t)·k_a(s) for models a = 1 … M, of any head dimensions and widths.

    Models share nothing: the gradient of a sum of their losses is each one's own. Padded units are
    masked; padded dimensions are zero in both towers, and gradients, each a multiple of the other
    tower's, leave them there.

    Parameters
    ----------
    query, key : Towers
    dims, widths : sequences of int
        d and m of each model.

    Examples
    --------
    >>> import torch
    >>> from rkbs.attention import TwoTowerEnsemble
    >>> ensemble = TwoTowerEnsemble.random(dims=(1, 4), widths=(8, 32), seeds=(0, 0))
    >>> t = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    >>> ensemble(t, t).shape, [head.d for head in ensemble.heads()]
    (torch.Size([2, 5, 5]), [1, 4])
    """

    def __init__(
        self, query: Towers, key: Towers, dims: Sequence[int], widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.query, self.key = query, key
        self.dims, self.widths = tuple(dims), tuple(widths)

    @classmethod
    def random(
        cls,
        dims: Sequence[int],
        widths: Sequence[int],
        seeds: Sequence[int],
        *,
        d_x: int = 1,
        d_y: int = 1,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> TwoTowerEnsemble:
        """Models with torch's own initialization, each from its seed.

        Drawn on the CPU in float64, so that every device and dtype starts from the same numbers;
        the global generator is left as it was.
        """
        dims, widths, seeds = (
            [check_count(value, name, least) for value in as_list(values, name)]
            for name, values, least in (
                ("dims", dims, 1),
                ("widths", widths, 1),
                ("seeds", seeds, 0),
            )
        )
        if not len(dims) == len(widths) == len(seeds) > 0:
            raise ValueError(
                f"dims, widths and seeds must have one entry per model, and there must be one, got "
                f"{len(dims)}, {len(widths)} and {len(seeds)} entries"
            )
        inputs = check_count(d_x, "d_x"), check_count(d_y, "d_y")
        heads = [
            _random_head(d, width, seed, inputs)
            for d, width, seed in zip(dims, widths, seeds, strict=True)
        ]
        return cls.from_heads(heads, dtype=dtype, device=device)

    @classmethod
    @torch.inference_mode(False)  # parameters made there could never be trained
    def from_heads(
        cls,
        heads: Sequence[Head | ConstructiveHead],
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> TwoTowerEnsemble:
        """The models that are given, such as constructive heads."""
        if not isinstance(heads, (Sequence, np.ndarray)) or not len(heads):
            raise ValueError(f"heads must be a sequence of at least one Head, got {heads!r}")
        heads = [trainable(head, f"heads[{a}]") for a, head in enumerate(heads)]
        dims, widths = [head.d for head in heads], [len(head.hidden_x) for head in heads]
        place = check_place(dtype, device)
        weights = [head.weights() for head in heads]
        query, key = (_stack(weights, side, **place) for side in SIDES)
        return cls(query, key, dims, widths)

    def __len__(self) -> int:
        return len(self.dims)

    def forward(self, t: Tensor, s: Tensor) -> Tensor:
        """The logits (M, n, m) of targets t, (n, d_x) or (M, n, d_x), and sources s likewise."""
        q, k = self.query(self.query.check(t, "t")), self.key(self.key.check(s, "s"))  # (M, n, d)
        return q @ k.mT  # (M, n, m)

    def head(self, index: int) -> Head:
        """A model as a ``Head`` in float64 numpy, its padding removed."""
        d, m = self.dims[index], self.widths[index]
        weights = {}
        for side, towers in zip(SIDES, (self.query, self.key), strict=True):
            weights |= {
                f"{side}.hidden.weight": towers.hidden_weight[index, :m],
                f"{side}.hidden.bias": towers.hidden_bias[index, :m],
                f"{side}.output.weight": towers.output_weight[index, :d, :m],
                f"{side}.output.bias": towers.output_bias[index, :d],
            }
        return Head.from_weights(weights)

    def heads(self) -> list[Head]:
        """All models, in order."""
        return [self.head(index) for index in range(len(self))]


def _random_head(d: int, width: int, seed: int, inputs: tuple[int, int]) -> Head:
    """The numbers that ``TwoTowerHead`` draws after ``torch.manual_seed(seed)``, in its order."""
    generator = torch.Generator("cpu").manual_seed(seed)  # not the global one: threads share it
    weights = {}
    for side, size in zip(SIDES, inputs, strict=True):
        for layer, shape in (("hidden", (size, width)), ("output", (width, d))):
            parts = zip(("weight", "bias"), _random_layer(*shape, generator), strict=True)
            weights |= {f"{side}.{layer}.{part}": array for part, array in parts}
    return Head.from_weights(weights)


def _random_layer(inputs: int, outputs: int, generator: torch.Generator) -> list[np.ndarray]:
    """Weight and bias of ``torch.nn.Linear`` as it initializes itself, in float64."""
    weight, bias = (
        torch.empty(*shape, dtype=torch.float64, device="cpu")
        for shape in ((outputs, inputs), (outputs,))
    )
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    nn.init.uniform_(bias, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
    return [weight.numpy(), bias.numpy()]


def _stack(heads: Sequence[dict[str, np.ndarray]], side: str, **place: Any) -> Towers:
    """Towers of heads' weights, padded with zeros to the greatest width and dimension."""
    towers = [[head[f"{side}.{part}"] for part in PARTS] for head in heads]
    inputs = {slopes.shape[1] for slopes, *_ in towers}
    if len(inputs) > 1:
        raise ValueError(f"heads must have one input dimension per tower, got {sorted(inputs)}")
    M, m, d = len(towers), max(len(t[1]) for t in towers), max(len(t[3]) for t in towers)
    stacked = [np.zeros(s) for s in ((M, m, inputs.pop()), (M, m), (M, d, m), (M, d))]
    units = np.zeros((M, m))
    for a, arrays in enumerate(towers):
        for padded, own in zip(stacked, arrays, strict=True):
            padded[(a, *map(slice, own.shape))] = own
        units[a, : len(arrays[1])] = 1
    return Towers(*(torch.as_tensor(array, **place) for array in (*stacked, units)))
