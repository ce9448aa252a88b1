"""Kernels whose parameters are trained: modules that own them."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from rkbs._arrays import check_count
from rkbs.kernels._parameters import parameter_kinds
from rkbs.kernels.base import Kernel


class _Options(NamedTuple):
    learn: bool
    heads: int | None
    device: torch.device | str | None
    dtype: torch.dtype | None


class _Owner(nn.Module):
    """The parameters of a dataclass and of those in its fields."""

    _still: Any

    def __init__(self, parts: Any, options: _Options) -> None:
        super().__init__()
        kinds = parameter_kinds(parts)
        self._positive = {name for name, kind in kinds.items() if kind == "positive"}
        still = {}
        for field in dataclasses.fields(parts):
            name, value = field.name, getattr(parts, field.name)
            if name in kinds or isinstance(value, Tensor):
                self._own(name, _start(value, kinds.get(name), name, options), options)
            elif isinstance(value, nn.Module):
                self.add_module(name, value)
            elif dataclasses.is_dataclass(value):
                part = _Owner(value, options)
                if part._parameters or part._buffers or part._modules:
                    self.add_module(name, part)
                value = part._still
            else:
                _refuse_hidden(value, f"{type(parts).__name__}({name}=…)")
            still[name] = value.detach() if isinstance(value, Tensor) else value
        # Without tensors of a graph, so that the module can be copied.
        self._still = dataclasses.replace(parts, **still)

    def _own(self, name: str, value: Tensor, options: _Options) -> None:
        if name in self._positive:
            value = value + torch.log(-torch.expm1(-value))  # the inverse of softplus
        value = value.to(options.device, options.dtype or torch.get_default_dtype())
        if options.learn:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    def forward(self) -> Any:
        changes: dict[str, Any] = {}
        for name in (*self._parameters, *self._buffers):
            changes[name] = self._value(name)
        for name, part in self._modules.items():
            changes[name] = part() if isinstance(part, _Owner) else part
        return dataclasses.replace(self._still, **changes) if changes else self._still

    def _value(self, name: str) -> Tensor:
        raw = getattr(self, name)
        _check_finite(raw, f"{type(self._still).__name__}({name}=…)")
        return nn.functional.softplus(raw) if name in self._positive else raw


@final
class LearnedKernel(_Owner):
    """A kernel with parameters that an optimizer sees; calling the module gives the kernel.

    The parameters of a kernel, and of those that it is made of, become parameters of the module:
    saved, moved by ``.to()``, found by an optimizer. A positive one is softplus(ω) = log(1 + e^ω),
    and ω is trained, so that no step makes it negative. Which fields are parameters their
    ``metadata`` says (``Parametric``). Tensors in other fields become parameters as they are, and
    modules, as the function of a ``Custom`` or a map of a ``Pullback``, parts of this module.

    Parameters
    ----------
    kernel : Kernel
        A dataclass. Its values are where training starts; tensors are copied.
    learn : bool
        False: the same with buffers, which are saved and moved and not trained.
    heads : int, optional
        H: a value for each head instead of one for all, for points (..., H, n, d).
    device, dtype : optional
        Of the parameters; torch's defaults by default.

    Raises
    ------
    TypeError, ValueError
        For what is no such kernel, for parameters of another number of heads, and for a function
        that holds tensors with gradients out of the module's sight. In a call, for a parameter
        that is not finite any more: on the CPU; elsewhere an assertion on the device, which does
        not synchronize.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import LearnedKernel, kernel_attention
    >>> learned = LearnedKernel(RBF(0.5), heads=4)
    >>> q, k, v = torch.randn(3, 2, 4, 10, 8, generator=torch.Generator().manual_seed(0))
    >>> kernel_attention(q, k, v, learned()).square().sum().backward()
    >>> {name: tuple(p.grad.shape) for name, p in learned.named_parameters()}
    {'tau': (4,)}
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        learn: bool = True,
        heads: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not isinstance(kernel, Kernel) or not dataclasses.is_dataclass(kernel):
            raise TypeError(
                "kernel must be a Kernel that is a dataclass, such as RBF(): its fields hold its "
                f"parameters; got {kernel!r}"
            )
        if heads is not None:
            check_count(heads, "heads")
        super().__init__(kernel, _Options(learn, heads, device, dtype))

    def extra_repr(self) -> str:
        """The kernel that training started from."""
        return repr(self._still)


def _start(value: Any, kind: str | None, name: str, options: _Options) -> Tensor:
    """A parameter's first value as a tensor in float64, of shape (H,) where heads are asked for."""
    if not isinstance(value, Tensor):
        value = torch.from_numpy(np.array(value, dtype=float))
    start = value.detach().to("cpu", torch.float64).clone()
    if options.heads is None or kind not in ("real", "positive"):
        return start
    if start.ndim and len(start) not in (1, options.heads):
        raise ValueError(
            f"heads must be the number of values of {name}, {len(start)}, got {options.heads}"
        )
    return start.expand(options.heads).clone()


def _check_finite(raw: Tensor, name: str) -> None:
    """What training has driven to NaN or infinity is told where it is, not in some later loss."""
    if torch.compiler.is_compiling() or raw.is_meta:
        return
    message = (
        f"{name} is no longer finite: training diverged. Lower the learning rate, clip gradients, "
        "or look for inputs that are not finite, and start again from the last checkpoint"
    )
    if raw.device.type != "cpu":
        torch._assert_async(raw.isfinite().all(), message)
    elif not raw.isfinite().all():
        raise ValueError(message)


def _refuse_hidden(value: Any, where: str) -> None:
    """``TypeError`` for a function around tensors or modules that an optimizer would not see."""
    cells = getattr(value, "__closure__", None) or ()
    for cell in cells:
        held = cell.cell_contents
        trained = isinstance(held, Tensor) and held.requires_grad
        if trained or isinstance(held, nn.Module):
            raise TypeError(
                f"{where} is a function around a {type(held).__name__}, which a module cannot see "
                "and an optimizer would not train: write it as an nn.Module that owns it, whose "
                "forward(x, y) is the function"
            )
