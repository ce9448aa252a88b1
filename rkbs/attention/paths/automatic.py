"""The choice among the paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from rkbs.attention._task import Task
from rkbs.attention.paths._products import rounding
from rkbs.attention.paths._reading import allowance, may_read
from rkbs.attention.paths.base import Path, check_error
from rkbs.attention.paths.blocked import Blocked
from rkbs.attention.paths.dense import Dense
from rkbs.attention.paths.features import Features, feature_count
from rkbs.attention.paths.flex import Flex
from rkbs.attention.paths.fused import Fused
from rkbs.kernels._pairwise import at_least_single
from rkbs.kernels.distance import RBF
from rkbs.kernels.dot_product import EDP

_FEW = 1 << 16
"""So many weights are computed at once whatever the kernel: blocks would gain nothing."""


@final
@dataclass(frozen=True, repr=False)
class Automatic(Path):
    """The path that fits the kernel and the points.

    ``Fused`` for EDP, and for RBF where its product keeps its digits; ``Features`` for polynomials
    with fewer features than keys, where these keep theirs; ``Dense`` for few weights; else
    ``Blocked``. Numbers of the points decide on the CPU alone: elsewhere a device would
    synchronize, and a compiler cannot trace it, so that there RBF and polynomials are blocked, and
    EDP goes to torch unexamined, whose logits may overflow. On CUDA ``Flex`` takes the functions of
    q·k that it knows in half precision, where it is faster; in single blocks are as fast.

    Parameters
    ----------
    error : float
        What rounding may do to logits, or to weights relative to 1, where a faster formula
        cancels; in double precision its square. 1e-6 is strict: of RBF(1) on normal points of
        dimension 64 the bound is 6e-6, which is also what rounds the logits of EDP.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import Automatic, attention_path
    >>> q, k, v = torch.linspace(-1, 1, 3 * 512 * 16).reshape(3, 1, 512, 16)
    >>> [attention_path(100 * q, k, v, RBF(), path=Automatic(e)) for e in (1e-6, 1.0)]
    [Blocked(), Fused(centered=False)]
    """

    error: float = 1e-6

    def __post_init__(self) -> None:
        check_error(self)

    def refuses(self, task: Task) -> None:
        """Nothing."""

    def choose(self, task: Task) -> Path:
        few = math.prod(task.shape) <= _FEW
        if 0 in task.shape or (few and task.allowed is not None):
            return Dense()
        if Fused().refuses(task) is None and (fused := self._fused(task)):
            return fused
        if few:
            return Dense()
        if may_read(task) and Features().refuses(task) is None and self._has_features(task):
            return Features()
        if _is_half_on_cuda(task) and Flex().refuses(task) is None:
            return Flex()
        return Blocked(self.error)

    def run(self, task: Task) -> Tensor:
        return self.choose(task).run(task)

    def _fused(self, task: Task) -> Fused | None:
        """The fused path, if it serves."""
        learned = task.bias is not None and task.bias.requires_grad  # for which torch is dense
        if not may_read(task):
            return Fused() if isinstance(task.kernel, EDP) else None
        if learned or task.dropout_p:
            return None
        most = allowance(task, self.error)
        ways = (False, True) if isinstance(task.kernel, RBF) else (True,)
        return next((Fused(way) for way in ways if rounding(task, way) <= most), None)

    def _has_features(self, task: Task) -> bool:
        """Whether features are fewer than keys, and their rounding is small."""
        if (1 + task.is_causal) * (feature_count(task) or 0) >= task.shape[-1]:
            return False
        with torch.no_grad():
            sizes = [_own(task, x) for x in (task.queries, task.k)]
        eps = torch.finfo(at_least_single(task.q).dtype).eps
        return 4 * eps * math.prod(sizes) <= allowance(task, self.error)


def _is_half_on_cuda(task: Task) -> bool:
    return task.q.device.type == "cuda" and task.q.dtype in (torch.float16, torch.bfloat16)


def _own(task: Task, points: Tensor) -> float:
    """The largest ‖φ(x)‖ = κ(x, x)^½ of points, up to the sign of γ."""
    longest = points.square().sum(-1).amax().sqrt() / points.shape[-1] ** 0.25
    # Of as many heads as the task has, each of which may have its own γ.
    most = longest.expand(*task.shape[-3:-2], 1, 1)
    kernel = getattr(task.kernel, "domain_x", task.kernel)
    return float(kernel.formula(most, most).amax().abs().sqrt())
