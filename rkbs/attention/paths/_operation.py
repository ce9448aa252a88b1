"""Blocks of rows as one operation, which a compiler takes into its graph and does not look into.

Written out, a compiler would unroll the loop over blocks, and over coordinates within them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rkbs.attention.paths import _forms
from rkbs.attention.paths._forms import Form
from rkbs.attention.paths._rows import Blocks, backward_rows, forward_rows

_FORMS: dict[str, type[Form]] = {
    form.__name__: form
    for form in (
        *(_forms.Square, _forms.Series, _forms.Length, _forms.Decay, _forms.Overlap),
        *(_forms.GaussianOfSquare, _forms.BellOfSquare, _forms.Gaussian, _forms.Bell),
    )
}


def rows_in_graph(q: Tensor, k: Tensor, v: Tensor, form: Form, blocks: Blocks) -> Tensor:
    """``forward_rows`` with its gradients; of a compiled graph."""
    order = form.order if isinstance(form, _forms.Series) else 0
    some = list(blocks.batch), blocks.is_causal, blocks.numbers
    return _rows(q, k, v, blocks.allowed, type(form).__name__, order, *some)


@torch.library.custom_op("rkbs::rows", mutates_args=())
def _rows(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    allowed: Tensor | None,
    name: str,
    order: int,
    batch: list[int],
    is_causal: bool,
    numbers: int,
) -> Tensor:
    form, blocks = _named(name, order), _blocks(q, k, allowed, batch, is_causal, numbers)
    return forward_rows(q, k, v, form, blocks)


@torch.library.custom_op("rkbs::rows_backward", mutates_args=())
def _rows_backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    allowed: Tensor | None,
    out: Tensor,
    gradient: Tensor,
    name: str,
    order: int,
    batch: list[int],
    is_causal: bool,
    numbers: int,
) -> tuple[Tensor, Tensor, Tensor]:
    form, blocks = _named(name, order), _blocks(q, k, allowed, batch, is_causal, numbers)
    return backward_rows(q, k, v, out, gradient, form, blocks)


def _named(name: str, order: int) -> Form:
    return _forms.Series(order) if name == "Series" else _FORMS[name]()


def _blocks(
    q: Tensor, k: Tensor, allowed: Tensor | None, batch: list[int], is_causal: bool, numbers: int
) -> Blocks:
    sizes = q.shape[-2], k.shape[-2]
    return Blocks(tuple(batch), *sizes, allowed, is_causal, numbers, q.device)


@_rows.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Tensor:
    return v.new_empty(*q.shape[:-1], v.shape[-1])


@_rows_backward.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    q, k, v, allowed, *ctx.rest = inputs
    ctx.save_for_backward(q, k, v, allowed, output)


def _pull(ctx: Any, gradient: Tensor) -> tuple:
    *tensors, out = ctx.saved_tensors
    found = _rows_backward(*tensors, out, gradient, *ctx.rest)
    return *found, *(None,) * (1 + len(ctx.rest))


_rows.register_autograd(_pull, setup_context=_keep)
