"""Functions of one variable that losses share, on numpy arrays and on torch tensors."""

from __future__ import annotations

import numpy as np

from rkbs._arrays import Array, is_tensor, namespace


def positive_part(x: Array) -> Array:
    """max(0, x); autograd takes 0 for its slope at 0, where that of a maximum or a cut is not."""
    return namespace(x).where(x <= 0, 0.0, x)


def softplus(x: Array) -> Array:
    """log(1 + eˣ), without overflow; on a tensor with derivatives of every order, finite.

    torch's own ``softplus`` is x beyond 20, off by 2e-9 there, with a jump of its derivatives.
    """
    return -namespace(x).nn.functional.logsigmoid(-x) if is_tensor(x) else np.logaddexp(0.0, x)
