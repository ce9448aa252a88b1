"""torch's FlexAttention, for kernels that are functions of q·k."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import itertools
import math
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import pad

from rkbs.attention._task import Task
from rkbs.attention.paths._axes import of_four_axes
from rkbs.attention.paths._logits import Logit, logit_of
from rkbs.attention.paths._second import gradients_of
from rkbs.attention.paths.base import Path
from rkbs.attention.reference import attend
from rkbs.kernels._pairwise import at_least_single
from rkbs.kernels._parameters import Parameter, check_heads, is_scalar

_NARROWEST = 16
"""The least dimension of points that torch's kernel takes; zeros fill it up."""
_WIDEST = 256
"""The largest dimension whose tiles torch fits into the memory of a multiprocessor."""
_TILE = 128
"""Points that torch's kernel takes at once; fewer queries go to another one."""
_SIZES = 16
"""Of so many sizes each is compiled for itself; code for any size can be ten times as slow."""
_KNOWN: dict[Any, set[tuple[int, ...]]] = {}
_SERIAL = itertools.count()
_HAS_TRITON = importlib.util.find_spec("triton") is not None  # now: a compiler cannot trace it


@final
@dataclass(frozen=True, repr=False)
class Flex(Path):
    """``flex_attention`` of the logits log κ, for kernels that are functions of q·k.

    ``Quadratic``, ``TaylorEDP`` of an even order from 2 to 16, ``CappedEDP``, ``EDP``, and sums,
    products and multiples of them, in one compiled kernel that holds no array of n × m. Half
    precision is multiplied as it stands and summed in float32, as by torch's own attention. Masks,
    causal ones too, hide weights and save no time. The path reads no number of the points.

    A kernel is compiled, in seconds, on CUDA when it is first met, and again for each of the first
    16 sizes of batch, queries and keys. On the CPU torch computes it unfused, with memory of n × m,
    and gradients are those of the definition.

    Examples
    --------
    >>> import torch
    >>> from rkbs import Quadratic
    >>> from rkbs.attention import Dense, Flex, kernel_attention
    >>> q, k, v = torch.randn(3, 8, 5, 4, dtype=torch.float64)
    >>> paths = Flex(), Dense()
    >>> torch.allclose(*(kernel_attention(q, k, v, Quadratic(), path=path) for path in paths))
    True
    """

    def refuses(self, task: Task) -> str | None:
        """Other kernels, learned parameters or biases, dropout, and devices without a compiler."""
        parameters: list[Parameter] = []
        name = type(task.kernel).__name__  # a compiler cannot trace a kernel's repr
        if logit_of(task.kernel, parameters) is None:
            return f"{name} is not known as a function of q·k that is nowhere negative"
        if task.q.shape[-1] != task.k.shape[-1]:
            return "q and k differ in dimension"
        if task.normalize not in ("rows", "absolute"):
            return f"normalize={task.normalize!r} leaves rows of weights as they are"
        if task.dropout_p:
            return "single weights are not formed, so dropout_p must be 0"
        captured = [x for x in (*parameters, task.bias) if isinstance(x, Tensor)]
        if torch.is_grad_enabled() and any(x.requires_grad for x in captured):
            return f"parameters of {name}, or attn_mask, require a gradient"
        return _refuses_device(task.q, task.v)

    def run(self, task: Task) -> Tensor:
        with torch.autocast(task.q.device.type, enabled=False):
            return _attend(task)


def _refuses_device(q: Tensor, v: Tensor) -> str | None:
    if q.device.type == "cpu":
        return None
    if q.device.type != "cuda":
        return f"it is compiled for CUDA, and q is on {q.device}"
    if q.dtype == torch.float64:
        return "double precision is not compiled for CUDA"
    if max(q.shape[-1], v.shape[-1]) > _WIDEST:
        return f"points have more than {_WIDEST} coordinates"
    if not _HAS_TRITON:
        return "Triton, which torch compiles with, is not installed"
    return None


def _attend(task: Task) -> Tensor:
    parameters: list[Parameter] = []
    logit = cast(Logit, logit_of(task.kernel, parameters))  # what has none is refused
    d, width = task.q.shape[-1], task.v.shape[-1]
    scale = 1 / math.sqrt(d) if task.scale is None else task.scale
    mask = task.allowed
    if task.bias is not None and mask is not None:
        mask = task.bias.masked_fill(~mask, -math.inf)
    captured = [_of_heads(value, task) for value in parameters]
    seen = None if mask is None else of_four_axes(mask.detach(), task.batch, expanded=False)
    shape = () if seen is None else tuple(size > 1 for size in seen.shape)
    kind = _Kind(logit, shape, task.is_causal, scale)

    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return _flexed(kind, q, k, v, seen, captured)
        return _compiled(kind, *_alike(kind, q, k, v))(q, k, v, seen, captured)

    def plainly(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        parts = zip((q, k, v), (d, d, width), strict=True)
        q, k, v = (x[..., :w].reshape(*task.batch, x.shape[-2], w) for x, w in parts)
        again = dataclasses.replace(task, q=q, k=k, v=v)
        return of_four_axes(_wide(attend(again)[0].to(v.dtype)), task.batch)

    tensors = tuple(of_four_axes(_wide(x), task.batch) for x in (task.q, task.k, task.v))
    learned = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    if torch.compiler.is_compiling():
        out = call(*tensors)
    elif learned:
        out = _Once.apply(call, plainly, *tensors)
    else:
        out = call(*(x.detach() for x in tensors))
    return out.reshape(*task.batch, *out.shape[-2:])[..., :width]


@dataclass(frozen=True)
class _Kind:
    """What is compiled: log κ, which axes of a mask are longer than 1, and the scale."""

    logit: Logit
    mask: tuple[bool, ...]
    is_causal: bool
    scale: float


def _flexed(
    kind: _Kind, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, parameters: list[Tensor]
) -> Tensor:
    """Attention (B, H, n, d_v) by torch's function."""

    def score(s: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        s = at_least_single(s)
        if kind.is_causal:
            shown, bias = j <= i, None
        elif mask is not None:
            places = (x if wide else 0 for x, wide in zip((b, h, i, j), kind.mask, strict=True))
            found = mask[tuple(places)]
            shown, bias = (found, None) if found.dtype == torch.bool else (found > -math.inf, found)
        else:
            return kind.logit(s, tuple(x[h] for x in parameters))
        # Of a hidden pair the score may have overflowed: neither it nor its slope is computed.
        logit = kind.logit(torch.where(shown, s, 1.0), tuple(x[h] for x in parameters))
        if bias is not None:
            logit = logit + bias.to(logit.dtype)
        return torch.where(shown, logit, -math.inf)

    return flex_attention(q, k, v, score, scale=kind.scale)


def _alike(kind: _Kind, q: Tensor, k: Tensor, v: Tensor) -> tuple:
    """What torch compiles for anew: the sizes, while they are few; else what it asks of any."""
    learned = q.requires_grad or k.requires_grad or v.requires_grad
    basis = q.device.type, q.dtype, learned, q.shape[1], q.shape[-1], v.shape[-1]
    batch, n, m = sizes = q.shape[0], q.shape[-2], k.shape[-2]
    known = _KNOWN.setdefault((kind, basis), set())
    if sizes in known or len(known) < _SIZES:
        known.add(sizes)
        return *basis, sizes
    return *basis, None, n % _TILE == 0, m % _TILE == 0, n < _TILE, batch == 1


@functools.lru_cache(maxsize=256)
def _compiled(
    kind: _Kind,
    device: str,
    dtype: torch.dtype,
    learned: bool,
    heads: int,
    width: int,
    width_v: int,
    sizes: tuple[int, ...] | None,
    *asked: bool,
) -> Callable[..., Tensor]:
    """``_flexed`` of a kind.

    torch counts what it compiled of a code object, and refuses a ninth. Each kind has a code object
    of its own, under a name of its own, so that only numbers of points make it compile anew: at
    first for what is given, then for any.
    """

    def attend(
        q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, parameters: list[Tensor]
    ) -> Tensor:
        return _flexed(kind, q, k, v, mask, parameters)

    code = attend.__code__.replace(co_name=f"flex_{next(_SERIAL)}")
    own = types.FunctionType(code, attend.__globals__, code.co_name, None, attend.__closure__)
    backend = "inductor" if device == "cuda" else "eager"
    return torch.compile(own, backend=backend, fullgraph=True, dynamic=not sizes)


def _wide(x: Tensor) -> Tensor:
    return pad(x, (0, max(0, _NARROWEST - x.shape[-1])))


def _of_heads(value: Any, task: Task) -> Tensor:
    """A parameter as (H,) numbers, of the heads that torch sees."""
    like = at_least_single(task.q)
    if not is_scalar(value):
        check_heads("a parameter of the kernel", len(value), task.q, task.k)
    heads = task.batch[-1] if task.batch else 1
    if isinstance(value, Tensor):
        return value.detach().to(like.device, like.dtype).reshape(-1).expand(heads).contiguous()
    values = value if isinstance(value, tuple) else (value,)  # filled in: a copy would synchronize
    found = torch.cat([like.new_full((1,), number) for number in values])
    return found.expand(heads).contiguous()


class _Once(torch.autograd.Function):
    """torch's own graph for the gradient, and the definition for gradients of gradients.

    The compiled graph gives its buffers away, so that it serves once; a second pass makes another.
    """

    @staticmethod
    def forward(ctx: Any, call: Callable, plainly: Callable, *tensors: Tensor) -> Tensor:
        ctx.call, ctx.plainly, ctx.made = call, plainly, None
        ctx.save_for_backward(*tensors)
        if tensors[0].device.type == "cpu":  # for which torch has no backward
            return call(*(x.detach() for x in tensors))
        ctx.made = _made(call, tensors, ctx.needs_input_grad[2:])
        return ctx.made[0].detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        tensors, needed = ctx.saved_tensors, ctx.needs_input_grad[2:]
        if torch.is_grad_enabled() or tensors[0].device.type == "cpu":
            found = gradients_of(ctx.plainly, tensors, needed, gradient)
            if not torch.is_grad_enabled():
                found = [None if x is None else x.detach() for x in found]
            return None, None, *found
        (out, leaves), ctx.made = ctx.made or _made(ctx.call, tensors, needed), None
        wanted = [x for x, need in zip(leaves, needed, strict=True) if need]
        some = iter(torch.autograd.grad(out, wanted, gradient))
        return None, None, *(next(some) if need else None for need in needed)


def _made(
    call: Callable, tensors: tuple[Tensor, ...], needed: tuple[bool, ...]
) -> tuple[Tensor, list[Tensor]]:
    """The output with torch's graph, and its leaves."""
    leaves = [x.detach().requires_grad_(need) for x, need in zip(tensors, needed, strict=True)]
    with torch.enable_grad():
        return call(*leaves), leaves
