"""Which form computes a task, and of which points: the choice, by the kernel and by numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rkbs.attention._task import Task
from rkbs.attention.paths import _forms
from rkbs.attention.paths._cores import WideDot
from rkbs.attention.paths._forms import Form
from rkbs.attention.paths._logits import HORNER
from rkbs.attention.paths._products import centre, squared_product
from rkbs.attention.paths._reading import allowance
from rkbs.attention.paths._rows import Blocks, flattened
from rkbs.kernels._pairwise import at_least_single, largest
from rkbs.kernels._parameters import numbers, per_head
from rkbs.kernels.base import Kernel
from rkbs.kernels.distance import RBF, Cauchy, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import Quadratic, TaylorEDP

_BY_DIFFERENCES: dict[type, Form] = {
    RBF: _forms.Gaussian(),
    Cauchy: _forms.Bell(),
    L2Distance: _forms.Length(),
    Laplace: _forms.Decay(),
    ExponentiatedIntersection: _forms.Overlap(),
}
_OF_SQUARES: dict[type, Form] = {RBF: _forms.GaussianOfSquare(), Cauchy: _forms.BellOfSquare()}


class Selected(NamedTuple):
    """A form, and the points whose pairs it is computed of."""

    form: Form
    q: Tensor
    k: Tensor


def selected(task: Task, error: float, block: int) -> Selected | None:
    """The form of a task, or None where there is none, or numbers would leave the range.

    Whether squares cancel is asked of blocks of as many pairs.
    """
    if not _has_form(task) or min(numbers(getattr(task.kernel, "tau", 1.0))) <= 0:
        return None
    kernel, q, k = task.kernel, *_points(task)
    if isinstance(kernel, (Quadratic, TaylorEDP)):
        form, q, k = found = _by_product(kernel, q, k)
        most = form.value((_norms(q.detach()).amax() * _norms(k.detach()).amax()).sqrt())
        return found if most * k.shape[-2] < largest(q) / 4 else None
    if not _fits(q, k, 1 if isinstance(kernel, ExponentiatedIntersection) else 2):
        return None
    allowed, found = allowance(task, error), None
    if isinstance(kernel, L2Distance):
        found = _roots(q, k, allowed, block)
    elif isinstance(kernel, (RBF, Cauchy)) and q.dtype == torch.float32:
        *sides, reach = _squares(q.double(), k.double())
        if 4 * torch.finfo(torch.float64).eps * float(reach) <= allowed:
            found = Selected(_OF_SQUARES[type(kernel)], *sides)
    return found or _by_differences(kernel, q, k)


def unexamined(task: Task) -> Selected | None:
    """The form of a task where its numbers cannot be read, since they are traced."""
    if not _has_form(task):
        return None
    kernel, q, k = task.kernel, *_points(task)
    if isinstance(kernel, (Quadratic, TaylorEDP)):
        return _by_product(kernel, q, k)
    if isinstance(kernel, (RBF, Cauchy)) and q.dtype == torch.float32:
        return Selected(_OF_SQUARES[type(kernel)], *_squares(q.double(), k.double())[:2])
    return _by_differences(kernel, q, k)


def _has_form(task: Task) -> bool:
    plain = task.bias is None and not task.dropout_p and task.normalize in ("rows", "absolute")
    if not plain or task.q.shape[-1] != task.k.shape[-1]:
        return False
    if isinstance(task.kernel, TaylorEDP):
        return task.kernel.order <= HORNER and task.kernel.is_positive
    return isinstance(task.kernel, (Quadratic, *_BY_DIFFERENCES))


def _points(task: Task) -> tuple[Tensor, Tensor]:
    """Queries and keys, at least single; scaled by what a kernel of distances takes them by."""
    q, k, kernel = at_least_single(task.queries), at_least_single(task.k), task.kernel
    if not isinstance(kernel, (RBF, Cauchy, L2Distance, Laplace)):
        return q, k
    tau, root = per_head(kernel, "tau", q, k), math.sqrt(q.shape[-1])
    if isinstance(kernel, (RBF, Cauchy)):
        tau = (tau / root) ** 0.5
    elif isinstance(kernel, L2Distance):
        tau = tau / root
    return q * tau, k * tau


def _by_product(kernel: Quadratic | TaylorEDP, q: Tensor, k: Tensor) -> Selected:
    if isinstance(kernel, Quadratic):
        return Selected(_forms.Square(), *squared_product(kernel, q, k))
    return Selected(_forms.Series(kernel.order), q / math.sqrt(q.shape[-1]), k)


def _by_differences(kernel: Kernel, q: Tensor, k: Tensor) -> Selected | None:
    """Not on a device, which would go through all pairs once for each coordinate."""
    return Selected(_BY_DIFFERENCES[type(kernel)], q, k) if q.device.type == "cpu" else None


def _fits(q: Tensor, k: Tensor, power: int) -> bool:
    """Whether sums over coordinates of differences to a power stay in range."""
    most = max(float(x.detach().abs().amax()) for x in (q, k))
    return q.shape[-1] * (2 * most) ** power < largest(q) / 4


def _roots(q: Tensor, k: Tensor, error: float, numbers: int) -> Selected | None:
    """Distances as roots of products, where no square cancels to less than 2ε R over the error.

    Of single precision the products are in double where single would cancel.
    """
    if not error:
        return None
    *sides, reach = _squares(q, k)
    least, most = _smallest_product(*sides, numbers), float(reach)
    eps, wide = torch.finfo(q.dtype).eps, torch.finfo(torch.float64).eps
    if least >= 2 * eps * most / error:
        return Selected(_forms.Root(), *sides)
    if q.dtype == torch.float32 and least >= (2 * wide / error + 16 * eps) * most:
        return Selected(_forms.Root(WideDot()), *_squares(q.double(), k.double())[:2])
    return None


def _squares(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points whose products are squared distances, and the largest square R from the center.

    Rounding moves a product by at most 4ε R.
    """
    center = centre(k)
    q, k = q - center, k - center
    sides = _norms(q), _norms(k)
    reach = torch.maximum(*(x.detach().amax() for x in sides))
    one = q.new_ones(())
    q = torch.cat([-2 * q, _like(sides[0], q), _like(one, q)], -1)
    k = torch.cat([k, _like(one, k), _like(sides[1], k)], -1)
    return q, k, reach


def _smallest_product(q: Tensor, k: Tensor, numbers: int) -> float:
    """The least of all q·k, of few pairs at a time; NaN is no bound."""
    batch, (n, m) = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2]), (q.shape[-2], k.shape[-2])
    q, k = (flattened(x.detach(), batch) for x in (q, k))
    blocks = Blocks(tuple(batch), n, m, None, False, numbers, q.device)
    least = [(q[h, i] @ k[h, j].mT).amin() for h, i, j in blocks]
    return float(torch.stack(least).amin())


def _norms(x: Tensor) -> Tensor:
    return x.square().sum(-1, keepdim=True)


def _like(last: Tensor, points: Tensor) -> Tensor:
    return last.expand(*points.shape[:-1], 1)
