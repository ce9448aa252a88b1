"""Path, the base of every way to compute attention."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from rkbs.attention._task import Task


@dataclass(frozen=True, repr=False)
class Path(abc.ABC):
    """A way to compute the output of attention; all ways agree, to rounding.

    Examples
    --------
    >>> from rkbs.attention import Dense, Path
    >>> isinstance(Dense(), Path)
    True
    """

    def __repr__(self) -> str:
        """Its name, and what differs from the defaults."""
        told = (
            f"{field.name}={value!r}"
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        )
        return f"{type(self).__name__}({', '.join(told)})"

    @abc.abstractmethod
    def refuses(self, task: Task) -> str | None:
        """Why it cannot do a task, of its form alone, or None."""

    @abc.abstractmethod
    def run(self, task: Task) -> Tensor:
        """The output (..., n, d_v), of a task that is not refused and not empty."""

    def choose(self, task: Task) -> Path:
        """The path that is taken: this one; ``ValueError`` where it cannot do the task."""
        if reason := self.refuses(task):
            raise ValueError(
                f"path={self!r} cannot compute this: {reason}; leave the choice to Automatic()"
            )
        return self


def check_error(path: Any) -> None:
    """``ValueError`` unless the error that a path allows is a number ≥ 0."""
    if not 0 <= path.error < math.inf:
        raise ValueError(
            f"{type(path).__name__}(error=…) must be ≥ 0 and finite, got {path.error!r}"
        )
