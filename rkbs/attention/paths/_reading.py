"""Whether numbers of the points may decide how they are computed."""

from __future__ import annotations

import torch

from rkbs.attention._task import Task


def may_read(task: Task) -> bool:
    """Not where it is slow, since a device would synchronize, or cannot be traced."""
    return task.q.device.type == "cpu" and not torch.compiler.is_compiling()


def may_wait(task: Task) -> bool:
    """Where a device may be waited for, some 10 µs: not in what is traced or captured."""
    if torch.compiler.is_compiling():
        return False
    if task.q.device.type == "cuda":
        return not torch.cuda.is_current_stream_capturing()
    return task.q.device.type == "cpu"


def allowance(task: Task, error: float) -> float:
    """The error that a path allows, of single precision; in double precision its square."""
    return error**2 if task.q.dtype == torch.float64 else error
