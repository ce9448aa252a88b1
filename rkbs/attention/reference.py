"""Attention as it is defined, by its whole matrix of weights: what every path is measured by."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rkbs.attention._task import Task
from rkbs.kernels._pairwise import at_least_single, exponential, largest, matmul, saturated


def attend(task: Task) -> tuple[Tensor, Tensor]:
    """The output (..., n, d_v) and the weights (..., n, m), float32 or wider.

    Logits, weights and sums are in float32, or in float64 for points that are. Of the weights
    that a mask hides neither values nor gradients are left.
    """
    visible = task.visible
    weights, lost = _weights(task, visible)  # (..., n, m), (..., n, 1)
    if visible is not None:  # also for the gradients: those by hidden weights are products with v
        weights = weights.masked_fill(~visible, 0)
    if task.dropout_p:
        weights = torch.nn.functional.dropout(weights, task.dropout_p)
    out = matmul(weights, at_least_single(task.v))  # (..., n, d_v)
    return (out if lost is None else out.masked_fill(lost, math.nan)), weights


def _weights(task: Task, visible: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The weights, and where a row of them is lost, since a value in it left the range."""
    kernel = task.kernel
    if kernel.is_positive is True:
        logits = _evaluate(kernel.log_formula, task)
        if task.bias is not None:
            logits = saturated(logits + task.bias)
        if task.normalize in ("rows", "absolute"):
            return _softmax(logits, visible), None
        weights = exponential(logits)
    else:
        weights = _evaluate(kernel.formula, task)
    if visible is not None:
        weights = weights.masked_fill(~visible, 0)
    top = weights.detach().abs().amax(-1, keepdim=True)  # (..., n, 1)
    lost = top >= largest(top)
    if task.normalize in ("rows", "absolute"):
        sizes = weights if kernel.is_nonnegative else weights.abs()
        return _quotients(weights, sizes, top), lost
    return (weights / _count(visible, weights) if task.normalize == "mean" else weights), lost


def _softmax(logits: Tensor, visible: Tensor | None) -> Tensor:
    """Row softmax of (..., n, m); finite in a fully masked row."""
    if visible is None:
        return logits.softmax(-1)
    hidden = ~visible & visible.any(-1, keepdim=True)  # a row of −inf alone would give NaN
    return logits.masked_fill(hidden, -math.inf).softmax(-1)


def _quotients(weights: Tensor, sizes: Tensor, top: Tensor) -> Tensor:
    """Rows of (..., n, m) over the sums of their sizes, at most top; a row of zeros stays 0."""
    unit = top.masked_fill(top == 0, 1)
    total = (sizes / unit).sum(-1, keepdim=True)  # (..., n, 1); does not overflow
    return weights / unit / total.masked_fill(total == 0, 1)


def _count(visible: Tensor | None, weights: Tensor) -> Tensor | int:
    """How many keys each query sees, (..., n, 1), 1 where it sees none."""
    if visible is None:
        return weights.shape[-1]
    count = visible.expand(*visible.shape[:-1], weights.shape[-1]).sum(-1, keepdim=True)
    return count.clamp_min(1).to(weights.dtype)


def _evaluate(formula: Callable, task: Task) -> Tensor:
    """A kernel's formula unrounded, (..., n, m)."""
    with in_words_of_attention():
        return saturated(at_least_single(formula(task.queries, task.k)))


@contextlib.contextmanager
def in_words_of_attention() -> Iterator[None]:
    """Errors of a kernel about its x and y, told of q and k."""
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"q and k do not fit the kernel, whose x and y they are: {error}"
        ) from None
