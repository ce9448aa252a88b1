"""What tests in several folders start from: points, a norm, and tables of cases."""

from contextlib import contextmanager

import numpy as np
from optional import torch


def points(shape, seed=0, backend="numpy", dtype="float64", scale=1.0):
    x = (scale * np.random.default_rng(seed).normal(size=shape)).astype(dtype)
    return torch.from_numpy(x) if backend == "torch" else x


def meeting(shape_x, shape_y, backend="numpy", dtype="float64", scale=1.0):
    """Targets and sources; the first two of each are the same two points."""
    x, y = points(shape_x, 0, scale=scale), points(shape_y, 1, scale=scale)
    both = points((2, shape_x[-1]), 2, scale=scale)
    x[..., :2, :], y[..., :2, :] = both[: shape_x[-2]], both[: shape_y[-2]]
    arrays = x.astype(dtype), y.astype(dtype)
    return tuple(map(torch.from_numpy, arrays)) if backend == "torch" else arrays


def grid(d, per_axis, spacing):
    """Points on a regular grid around 0."""
    axis = spacing * (np.arange(per_axis) - (per_axis - 1) / 2)
    return np.stack(np.meshgrid(*[axis] * d, indexing="ij"), -1).reshape(-1, d)


def norm(v, p):
    """‖v‖_p, written out."""
    return (np.abs(v) ** p).sum() ** (1 / p)


# ---- cases


def final_below(kind):
    """The final classes that rkbs defines below an abstract one: what a table must hold."""
    ours = [cls for cls in kind.__subclasses__() if cls.__module__.startswith("rkbs.")]
    deeper = set().union(*map(final_below, ours))
    return deeper | {cls for cls in ours if "__final__" in vars(cls)}


def every_two(first, second, third):
    """Triples in which any two values meet, a Latin square of them: not all combinations.

    For laws that no combination of three is special to.
    """
    return [
        (one, other, third[(i + j) % len(third)])
        for i, one in enumerate(first)
        for j, other in enumerate(second)
    ]


@contextmanager
def noted(case):
    """What fails inside says at which row of a table."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"at {case!r}")
        raise
