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

_BY_DISTANCE: dict[type, Form] = {
    RBF: _forms.Gaussian(),
    Cauchy: _forms.Bell(),
    L2Distance: _forms.Length(),
    Laplace: _forms.Decay(),
}


class Selected(NamedTuple):
    """A form, and the points whose pairs it is computed of."""

    form: Form
    q: Tensor
    k: Tensor


def selected(task: Task, error: float, block: int) -> Selected | None:
    """The form of a task, or None where there is none, or numbers would leave the range.

    Whether squares cancel is asked of blocks of as many pairs.
    """
    plain = task.bias is None and not task.dropout_p and task.normalize in ("rows", "absolute")
    if not plain or task.q.shape[-1] != task.k.shape[-1]:
        return None
    q, k, kernel = at_least_single(task.queries), at_least_single(task.k), task.kernel
    if isinstance(kernel, Quadratic) or (isinstance(kernel, TaylorEDP) and _is_short(kernel)):
        return _by_product(kernel, q, k)
    if isinstance(kernel, ExponentiatedIntersection):
        on_cpu = q.device.type == "cpu"
        return Selected(_forms.Overlap(), q, k) if on_cpu and _fits(q, k, 1) else None
    if not isinstance(kernel, tuple(_BY_DISTANCE)) or min(numbers(kernel.tau)) <= 0:
        return None
    found = _by_distance(kernel, q, k, allowance(task, error), block)
    return found if found and (found.form.core.of_products or q.device.type == "cpu") else None


def _is_short(kernel: TaylorEDP) -> bool:
    return kernel.order <= HORNER and kernel.is_positive


def _by_product(kernel: Quadratic | TaylorEDP, q: Tensor, k: Tensor) -> Selected | None:
    form: Form
    if isinstance(kernel, Quadratic):
        form = _forms.Square()
        q, k = squared_product(kernel, q, k)
    else:
        form = _forms.Series(kernel.order)
        q = q / math.sqrt(q.shape[-1])
    most = form.value((_norms(q.detach()).amax() * _norms(k.detach()).amax()).sqrt())
    return Selected(form, q, k) if most * k.shape[-2] < largest(q) / 4 else None


def _by_distance(
    kernel: Kernel, q: Tensor, k: Tensor, error: float, numbers: int
) -> Selected | None:
    if isinstance(kernel, Laplace) and q.device.type != "cpu":
        return None
    tau, root = per_head(kernel, "tau", q, k), math.sqrt(q.shape[-1])
    if isinstance(kernel, (RBF, Cauchy)):
        tau = (tau / root) ** 0.5
    elif isinstance(kernel, L2Distance):
        tau = tau / root
    q, k = q * tau, k * tau
    if not _fits(q, k, 2):
        return None
    found = None
    if isinstance(kernel, L2Distance):
        found = _roots(q, k, error, numbers)
    elif isinstance(kernel, (RBF, Cauchy)):
        found = _of_squares(kernel, q, k, error)
    return found or Selected(_BY_DISTANCE[type(kernel)], q, k)


def _fits(q: Tensor, k: Tensor, power: int) -> bool:
    """Whether sums over coordinates of differences to a power stay in range."""
    most = max(float(x.detach().abs().amax()) for x in (q, k))
    return q.shape[-1] * (2 * most) ** power < largest(q) / 4


def _of_squares(kernel: Kernel, q: Tensor, k: Tensor, error: float) -> Selected | None:
    """Squared distances of single precision from products in double, where these keep them.

    Rounding moves a square by at most 4ε max(‖q − c‖², ‖k − c‖²), with the ε of double precision.
    """
    if q.dtype != torch.float32:
        return None
    q, k, reach = _squares(q.double(), k.double())
    if not 4 * torch.finfo(torch.float64).eps * reach <= error:
        return None
    form = _forms.GaussianOfSquare() if isinstance(kernel, RBF) else _forms.BellOfSquare()
    return Selected(form, q, k)


def _roots(q: Tensor, k: Tensor, error: float, numbers: int) -> Selected | None:
    """Distances as roots of products, where no square cancels to less than 2ε R over the error.

    Of single precision the products are in double where single would cancel.
    """
    if not error:
        return None
    *sides, reach = _squares(q, k)
    least, eps = _smallest_product(*sides, numbers), torch.finfo(q.dtype).eps
    if least >= 2 * eps * reach / error:
        return Selected(_forms.Root(), *sides)
    wide = torch.finfo(torch.float64).eps
    if q.dtype == torch.float32 and least >= (2 * wide / error + 16 * eps) * reach:
        return Selected(_forms.Root(WideDot()), *_squares(q.double(), k.double())[:2])
    return None


def _squares(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, float]:
    """Points whose products are squared distances, and the largest square R from the center."""
    center = centre(k)
    q, k = q - center, k - center
    sides = _norms(q), _norms(k)
    reach = max(float(x.detach().amax()) for x in sides)
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
