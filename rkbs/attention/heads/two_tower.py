"""The head of Theorem 2: two networks, one for each domain, and their inner product."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rkbs._arrays import check_count
from rkbs.approximation.constructive import ConstructiveHead, as_head
from rkbs.approximation.heads import Head
from rkbs.attention._checks import check_tensor


def check_place(dtype: torch.dtype, device: torch.device | str) -> dict[str, Any]:
    """A dtype and a device to train in, checked, as keyword arguments.

    Raises
    ------
    TypeError, ValueError
        For what is neither float32 nor float64 (shorter ones lose what is to be measured), and for
        a device that is not here.
    """
    if dtype not in (torch.float32, torch.float64):
        kind = ValueError if getattr(dtype, "is_floating_point", False) else TypeError
        raise kind(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        here = ", ".join(["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))])
        raise kind(f"device must be one that torch finds here ({here}), got {device!r}") from error
    return {"dtype": dtype, "device": device}


def as_list(values: Any, name: str, wanted: str = "a sequence, one entry per model") -> list:
    """A sequence, or an array or tensor with one axis, as a list of Python's own objects."""
    if isinstance(values, (np.ndarray, Tensor)) and values.ndim == 1:
        return values.tolist()
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return list(values)
    shown = f"shape {tuple(values.shape)}" if hasattr(values, "shape") else repr(values)
    raise TypeError(f"{name} must be {wanted}, got {shown}")


def native(values: Any) -> Any:
    """A tensor or array of numbers as an array that torch reads; what is neither, unchanged.

    Torch has no extended precision, no swapped bytes, and warns of memory that is read-only.
    """
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return np.array(values, dtype=float, order="C")
    return values


def trainable(head: Any, name: str) -> Head:
    """The ``Head`` that is given, or of a constructive one; both towers must have one width."""
    head = as_head(head, name)
    widths = len(head.hidden_x), len(head.hidden_y)
    if len(set(widths)) > 1:
        raise ValueError(
            f"both towers of {name} must have one width, got {widths[0]} and {widths[1]}"
        )
    return head


def _tower(inputs: int, width: int, outputs: int, **placement: Any) -> nn.Sequential:
    """A two-layer network: x ↦ W₂ tanh(W₁ x + b₁) + b₂."""
    hidden = nn.Linear(inputs, width, **placement)
    output = nn.Linear(width, outputs, **placement)
    return nn.Sequential(OrderedDict(hidden=hidden, tanh=nn.Tanh(), output=output))


class TwoTowerHead(nn.Module):
    """h(t, s) = Σ_{l ≤ d} q_l(t) k_l(s), with q and k two-layer networks of m hidden units.

    These are attention's logits before the factor 1/√d, which Theorem 2 leaves to q and k.
    Source: paper Theorem 2; theory §4.

    Parameters
    ----------
    d, width : int
        Head dimension, and hidden units m of each tower.
    d_x, d_y : int
        Dimensions of targets and sources.
    dtype, device
        As for ``torch.nn.Linear``; float32 or float64.

    Examples
    --------
    >>> import torch
    >>> from rkbs.approximation import TARGETS, Quadrature, constructive_head
    >>> from rkbs.attention import TwoTowerHead
    >>> quadrature = Quadrature.gauss_legendre(24)
    >>> head = constructive_head(TARGETS["edp"], d=2, width=8, quadrature=quadrature)
    >>> module, t = TwoTowerHead.from_head(head), torch.zeros(1, 1).double()
    >>> module(t, t).shape, abs(module(t, t).item() - head([0.0], [0.0]).item()) < 1e-9
    (torch.Size([1, 1]), True)
    """

    def __init__(
        self,
        d: int,
        width: int,
        *,
        d_x: int = 1,
        d_y: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.d, self.width = check_count(d, "d"), check_count(width, "width")
        self.d_x, self.d_y = check_count(d_x, "d_x"), check_count(d_y, "d_y")
        place = check_place(dtype, device)
        self.query = _tower(self.d_x, width, d, **place)
        self.key = _tower(self.d_y, width, d, **place)

    @classmethod
    @torch.inference_mode(False)  # parameters made there could never be trained
    def from_head(
        cls,
        head: Head | ConstructiveHead,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> TwoTowerHead:
        """The same function in torch; ``to_head`` is the way back.

        Raises
        ------
        TypeError, ValueError
            For what is no head, and for towers of different widths.
        """
        head = trainable(head, "head")
        d_x, d_y = (hidden.slopes.shape[1] for hidden in (head.hidden_x, head.hidden_y))
        width = len(head.hidden_x)
        module = cls(head.d, width, d_x=d_x, d_y=d_y, dtype=dtype, device=device)
        arrays = head.weights().items()
        module.load_state_dict({name: torch.tensor(array) for name, array in arrays})
        return module

    def to_head(self) -> Head:
        """The same function in numpy, in float64."""
        return Head.from_weights(self.state_dict())

    def forward(self, t: Tensor, s: Tensor) -> Tensor:
        """The logits of targets t (..., n, d_x) and sources s (..., m, d_y), shape (..., n, m)."""
        q = self.query(self._points(t, "t", self.query))  # (..., n, d)
        k = self.key(self._points(s, "s", self.key))  # (..., m, d)
        return q @ k.mT  # (..., n, m)

    @staticmethod
    def _points(x: Tensor, name: str, tower: nn.Sequential) -> Tensor:
        weight = tower.hidden.weight
        fits = isinstance(x, Tensor) and x.ndim >= 2 and x.shape[-1] == weight.shape[1]
        return check_tensor(x, name, weight, f"(..., points, {weight.shape[1]})", fits)
