"""All weights at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from rkbs.attention._task import Task
from rkbs.attention.paths.base import Path
from rkbs.attention.reference import attend


@final
@dataclass(frozen=True, repr=False)
class Dense(Path):
    """The whole matrix of weights, as attention is defined: any kernel, memory of n × m.

    Examples
    --------
    >>> import torch
    >>> from rkbs import Laplace
    >>> from rkbs.attention import Dense, kernel_attention
    >>> q, k, v = torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.eye(2)
    >>> kernel_attention(q, k, v, Laplace(), path=Dense()).round()
    tensor([[1., 0.]])
    """

    def refuses(self, task: Task) -> None:
        """Nothing."""

    def run(self, task: Task) -> Tensor:
        return attend(task)[0]
