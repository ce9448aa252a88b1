"""The Tanimoto kernel: how much of two fingerprints is common to both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from rkbs._arrays import Array, cast, is_tensor, namespace
from rkbs.kernels._pairwise import common_dtype, dot
from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension

_MOST = 2.0**100
"""A point so many times as long as another has the value 0 with it, to 1e-30."""


@final
@dataclass(frozen=True)
class Tanimoto(Kernel):
    """κ(x, y) = ⟨x, y⟩ / (‖x‖² + ‖y‖² − ⟨x, y⟩), and κ(0, 0) = 1.

    Of fingerprints, sets as vectors of 0 and 1, it is |A ∩ B| / |A ∪ B| (Jaccard), and two empty
    ones are alike. It is 1 for equal points alone and 0 for orthogonal ones; in [0, 1] where no
    coordinate is negative, in [−1/3, 1] elsewhere. A common scale of all points does not matter.
    Values of integers, bits and counts, are exact but for the last rounding.

    Mercer on all of R^d, not only on fingerprints (Gower 1971; Ralaivola et al. 2005): for x, y ≠ 0

        1/(‖x‖² + ‖y‖² − ⟨x, y⟩) = ∫ e^{−u‖x‖²} e^{−u‖y‖²} e^{u⟨x, y⟩} du over u ≥ 0,

    since the denominator is at least (‖x‖² + ‖y‖²)/2 > 0. The integrand is Mercer for each u, the
    exponential of a Mercer kernel between two diagonal scalings, and so is its product with
    ⟨x, y⟩ (Schur). The point 0 has 0 with all others and 1 with itself, a block of its own. That
    κ(0, 0) = 1 is a convention; at 0 the kernel has no limit.

    Examples
    --------
    >>> from rkbs import Tanimoto
    >>> Tanimoto()([[1, 1, 0, 1]], [[1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    array([[0.5, 0. , 0. ]])
    """

    is_mercer = True
    is_symmetric = True
    is_positive = False
    is_nonnegative = False

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite: Gram matrices of distinct points are regular (Oppenheim, as of a product)."""
        return math.inf

    def formula(self, x: Array, y: Array) -> Array:
        xp = namespace(x)
        dtype = xp.promote_types(common_dtype(x, y), xp.float32)
        x, power_x = _unit(cast(x, dtype))
        y, power_y = _unit(cast(y, dtype))
        ratio = (power_x / power_y.mT).clip(1 / _MOST, _MOST)  # (..., n, m), powers of two: exact
        common = dot(x, y)
        union = (x * x).sum(-1)[..., :, None] * ratio + (y * y).sum(-1)[..., None, :] / ratio
        union = union - common
        both_zero = union == 0
        return (common + both_zero) / (union + both_zero)


def _unit(x: Array) -> tuple[Array, Array]:
    """Points over a power of two each, with a largest coordinate in [1, 2), and these powers.

    So nothing over- or underflows, and nothing is rounded. The power of a point 0 is 1.
    """
    xp = namespace(x)
    size = xp.amax(abs(x.detach() if is_tensor(x) else x), -1)[..., None]
    size = size + (size == 0)
    power = size / (2 * xp.frexp(size)[0])
    return x / power, power
