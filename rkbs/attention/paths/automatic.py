"""The choice among the paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from rkbs.attention._task import Task
from rkbs.attention.paths.base import Path
from rkbs.attention.paths.dense import Dense


@final
@dataclass(frozen=True)
class Automatic(Path):
    """The path that fits the kernel and the points."""

    def refuses(self, task: Task) -> None:
        """Nothing."""

    def choose(self, task: Task) -> Path:
        return Dense()

    def run(self, task: Task) -> Tensor:
        return self.choose(task).run(task)
