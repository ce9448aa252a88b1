"""ℓ^p: norm, conjugate exponent and duality map ι."""

from __future__ import annotations

import math
import numbers

import numpy as np


def conjugate_exponent(p: float) -> float:
    """p' with 1/p + 1/p' = 1, for 1 < p < ∞.

    Examples
    --------
    >>> from rkbs.spaces import conjugate_exponent
    >>> conjugate_exponent(1.5), conjugate_exponent(2.0)
    (3.0, 2.0)
    """
    if not isinstance(p, numbers.Real):
        raise TypeError(f"p must be a real number, got {p!r}")
    if not 1 < p < math.inf:
        raise ValueError(
            f"p must satisfy 1 < p < ∞, got {p!r}: at p = 1 and p = ∞ the norm is neither "
            "strictly convex nor smooth, and the duality map has no single value"
        )
    return p / (p - 1)


def lp_norm(v: np.ndarray, p: float) -> float:
    """‖v‖_p = (Σ |v_k|^p)^{1/p} of one vector (D,), without overflow in the powers.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.spaces import lp_norm
    >>> v = np.array([3.0, -4.0])
    >>> round(lp_norm(v, 2.0), 9), lp_norm(1e300 * v, 2.0) < 5.1e300
    (5.0, True)
    """
    largest = np.abs(v).max(initial=0.0)
    if largest == 0:
        return 0.0
    return float(largest * np.sum((np.abs(v) / largest) ** p) ** (1 / p))


def duality_map(v: np.ndarray, p: float) -> np.ndarray:
    """ι(v)_k = sign(v_k) |v_k|^{p−1} / ‖v‖_p^{p−1}, ι(0) = 0: the derivative of ‖·‖_p at v.

    For one vector (D,). ‖ι(v)‖_{p'} = 1 and ⟨ι(v), v⟩ = ‖v‖_p (theory §1). At large p coordinates
    underflow to 0, those with |v_k|/‖v‖_p < 1e-308^{1/(p−1)}, and the inverse does not bring them
    back.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.spaces import duality_map, lp_norm
    >>> v = np.array([3.0, -4.0])
    >>> u = duality_map(v, 3.0)
    >>> round(lp_norm(u, 1.5), 9), bool(np.isclose(u @ v, lp_norm(v, 3.0)))
    (1.0, True)
    """
    largest = np.abs(v).max(initial=0.0)
    if largest == 0:
        return np.zeros_like(v)
    scaled = v / largest  # ι does not depend on the length; the norm of v itself may overflow
    return np.sign(v) * (np.abs(scaled) / lp_norm(scaled, p)) ** (p - 1)
