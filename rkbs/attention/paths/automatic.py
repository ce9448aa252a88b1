"""The choice among the paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor

from rkbs.attention._task import Task
from rkbs.attention.paths._products import rounding
from rkbs.attention.paths._reading import may_read
from rkbs.attention.paths.base import Path
from rkbs.attention.paths.blocked import Blocked
from rkbs.attention.paths.dense import Dense
from rkbs.attention.paths.fused import Fused
from rkbs.kernels.dot_product import EDP

_FEW = 1 << 16
"""So many weights are computed at once whatever the kernel: blocks would gain nothing."""


@final
@dataclass(frozen=True)
class Automatic(Path):
    """The path that fits the kernel and the points."""

    error: float = 1e-6

    def refuses(self, task: Task) -> None:
        """Nothing."""

    def choose(self, task: Task) -> Path:
        few = math.prod(task.shape) <= _FEW
        if Fused().refuses(task) is None and not (few and task.allowed is not None):
            if rounding(task) <= self.error if may_read(task) else isinstance(task.kernel, EDP):
                return Fused()
        return Dense() if few else Blocked(self.error)

    def run(self, task: Task) -> Tensor:
        return self.choose(task).run(task)
