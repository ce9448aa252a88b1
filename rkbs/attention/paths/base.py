"""Path, the base of every way to compute attention."""

from __future__ import annotations

import abc
from dataclasses import dataclass

from torch import Tensor

from rkbs.attention._task import Task


@dataclass(frozen=True)
class Path(abc.ABC):
    """A way to compute the output of attention; all ways agree, to rounding.

    Examples
    --------
    >>> from rkbs.attention import Dense, Path
    >>> isinstance(Dense(), Path)
    True
    """

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
