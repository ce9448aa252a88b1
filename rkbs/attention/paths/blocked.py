"""A block of heads and queries at a time, computed again for gradients."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rkbs.attention._task import Task
from rkbs.attention.paths._operation import rows_in_graph
from rkbs.attention.paths._reading import may_wait
from rkbs.attention.paths._rows import Blocks, Rows, flattened, rows_of
from rkbs.attention.paths._selected import Selected, selected, unexamined
from rkbs.attention.paths.base import Path, check_error
from rkbs.attention.reference import attend, in_words_of_attention
from rkbs.kernels._pairwise import at_least_single


@final
@dataclass(frozen=True, repr=False)
class Blocked(Path):
    """Any kernel in memory that is linear in n and m, forward and backward.

    Kernels of the table have forms of their own, with gradients written out: on the CPU all, on
    CUDA those that come from products. Whether a form keeps its digits and its range is read off
    the points, for which a device is waited for. In graphs of a compiler nothing is read: there
    forms are one operation, with differences, but for squares in double of RBF and Cauchy in
    single precision. All else is the kernel's formula, which ``torch.utils.checkpoint`` computes
    again for gradients.

    Parameters
    ----------
    error : float
        Distances are taken from products, which is faster, where rounding by cancellation stays
        below this (in double precision: its square), in logits of ``RBF``, relative to a weight of
        ``Cauchy`` and ``L2Distance``. Of single precision the products are in double.
    numbers : int or None
        About so many weights are in a block; by default 2¹⁷ on the CPU, which its cache holds, and
        2²⁴ on a device, which fewer leave idle.

    Examples
    --------
    >>> import torch
    >>> from rkbs import Laplace
    >>> from rkbs.attention import Blocked, Dense, kernel_attention
    >>> q, k, v = torch.randn(3, 8, 5, 4, dtype=torch.float64)
    >>> paths = Blocked(numbers=20), Dense()
    >>> torch.allclose(*(kernel_attention(q, k, v, Laplace(), path=path) for path in paths))
    True
    """

    error: float = 1e-6
    numbers: int | None = None

    def __post_init__(self) -> None:
        check_error(self)
        if self.numbers is not None and self.numbers < 1:
            raise ValueError(f"Blocked(numbers=…) must be at least 1, got {self.numbers}")

    def refuses(self, task: Task) -> None:
        """Nothing."""

    def run(self, task: Task) -> Tensor:
        if torch.compiler.is_compiling():
            with torch.autocast(task.q.device.type, enabled=False):
                if found := unexamined(task):
                    return self._by_form(task, found)
        elif may_wait(task):
            with torch.autocast(task.q.device.type, enabled=False), in_words_of_attention():
                if found := selected(task, self.error, self._numbers(task)):
                    return self._by_form(task, found)
        return self._by_formula(task)

    def _numbers(self, task: Task) -> int:
        if self.numbers is not None:
            return self.numbers
        return 1 << 17 if task.q.device.type == "cpu" else 1 << 24

    def _by_form(self, task: Task, found: Selected) -> Tensor:
        *batch, n, m = task.shape
        points = (found.q, found.k, at_least_single(task.v))
        q, k, v = (flattened(x, batch) for x in points)
        numbers = self._numbers(task)
        blocks = Blocks(tuple(batch), n, m, task.allowed, task.is_causal, numbers, q.device)
        rows = rows_in_graph if torch.compiler.is_compiling() else Rows.apply
        return rows(q, k, v, found.form, blocks).reshape(*batch, n, -1)

    def _by_formula(self, task: Task) -> Tensor:
        *batch, n, m = task.shape
        rows = rows_of(self._numbers(task), m * math.prod(batch))
        parts = []
        for i in range(0, n, rows):
            some = _rows_of(task, slice(i, min(i + rows, n)))
            if torch.is_grad_enabled():
                parts.append(checkpoint(_output, some, use_reentrant=False))
            else:
                parts.append(_output(some))
        return torch.cat(parts, -2)


def _output(task: Task) -> Tensor:
    return attend(task)[0]


def _rows_of(task: Task, rows: slice) -> Task:
    """The same for some queries: a causal mask as a mask of their own."""
    allowed = task.allowed
    if task.is_causal:
        i = torch.arange(rows.start, rows.stop, device=task.q.device)
        allowed = i[:, None] >= torch.arange(task.shape[-1], device=task.q.device)
    elif allowed is not None and allowed.shape[-2] > 1:
        allowed = allowed[..., rows, :]
    bias = task.bias
    if bias is not None and bias.shape[-2] > 1:
        bias = bias[..., rows, :]
    return dataclasses.replace(
        task, q=task.q[..., rows, :], allowed=allowed, bias=bias, is_causal=False
    )
