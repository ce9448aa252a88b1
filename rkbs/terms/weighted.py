"""Losses with a weight for each response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import Array, SameArray, as_real, check_kinds, is_tensor, short_repr
from rkbs.terms._barriers import Jet
from rkbs.terms.losses import DualLoss, Loss
from rkbs.terms.residual_losses import Squared

_EPS = np.finfo(float).eps


@final
@dataclass(frozen=True, eq=False)
class Weighted(DualLoss):
    """ℓ_n(h; z) = w_n ℓ(h; z), w_n > 0: each response n counts as w_n of them.

    A problem that takes a loss takes this one, with as many weights as it has responses: its
    objective is Σ_n w_n ℓ(h_n; z_n) + a penalty. Weights that are all multiplied by a number, and
    the penalty's α with them, change no minimizer. A weight of 0 is a response that is left out.

    Parameters
    ----------
    loss : DualLoss
        ℓ, without weights.
    weights : array of shape (n,)
        w, positive and finite.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit; of a problem, for another number of responses.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Squared
    >>> from rkbs.terms import Weighted
    >>> loss, h, z = Weighted(Squared(), np.array([1.0, 3.0])), np.zeros(2), np.array([2.0, 2.0])
    >>> loss.value(h, z), loss.gradient(h, z)
    (array([2., 6.]), array([-2., -6.]))
    """

    loss: DualLoss
    weights: np.ndarray

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_kinds(self, loss=DualLoss)
        if isinstance(self.loss, Weighted):
            raise TypeError("loss must have no weights yet, got Weighted: multiply the two")
        weights = as_real(self.weights, "weights")
        if weights.ndim != 1 or not (weights > 0).all():
            raise ValueError(
                f"weights must be positive, one for each response, got shape {weights.shape} and "
                f"the least {weights.min(initial=np.inf):.3g}: leave responses of weight 0 out"
            )
        own = {"weights": weights, "smooth": self.loss.smooth, "labels": self.loss.labels}
        for name, value in (own | {"of_residual": self.loss.of_residual}).items():
            object.__setattr__(self, name, value)

    def _like(self, h: Array) -> Any:
        """The weights as what they multiply."""
        return h.new_tensor(self.weights) if is_tensor(h) else self.weights

    def value(self, h: SameArray, z: SameArray) -> SameArray:
        return self._like(z) * self.loss.value(h, z)

    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        return self._like(z) * self.loss.gradient(h, z)

    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        return self._like(z) * self.loss.curvature(h, z)

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """w ℓ*(u/w; z); of a u that is w times an end of ℓ*'s domain, whatever the rounding."""
        slope = u / self.weights
        found = self.loss.conjugate(slope, z)
        if np.isinf(found).any():
            inward = self.loss.conjugate((1 - 2 * _EPS) * slope, z)
            found = np.where(np.isinf(found), inward, found)
        return self.weights * found

    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        """Where t + step · w ℓ'(t) passes h, between h and h − step · w ℓ'(h): by bisection."""
        steps = step * self.weights
        other = h - steps * self.loss.gradient(h, z)
        low, high = np.minimum(h, other), np.maximum(h, other)
        enough = _EPS * (np.abs(h) + np.abs(z))
        while True:
            middle = low + (high - low) / 2
            if not ((high - low > enough) & (low < middle) & (middle < high)).any():
                return middle
            above = middle - h + steps * self.loss.gradient(middle, z) > 0
            low, high = np.where(above, low, middle), np.where(above, middle, high)

    def interior(self, z: np.ndarray) -> np.ndarray:
        return self.weights * self.loss.interior(z)

    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        """w ℓ*(u/w; z) + μ · (barrier of ℓ*'s domain at u/w)."""
        own: Any = mu / self.weights
        value, slope, curvature = self.loss.barrier(u / self.weights, z, own)
        return self.weights * value, slope, curvature / self.weights

    def check(self, z: Array, name: str = "z") -> Array:
        if np.shape(z) != self.weights.shape:
            raise ValueError(
                f"weights must hold one for each response, shape {tuple(np.shape(z))}, got shape "
                f"{self.weights.shape}"
            )
        return self.loss.check(z, name)

    def check_constant(self, z: np.ndarray) -> np.ndarray:
        return self.loss.check_constant(z)

    def part(self, chosen: np.ndarray) -> Weighted:
        """The loss of some of the responses."""
        return Weighted(self.loss, self.weights[chosen])


def weighted(loss: Loss, weights: np.ndarray) -> Weighted:
    """``Weighted(loss, weights)`` of a machine's loss.

    Raises
    ------
    TypeError
        For a loss whose conjugate is not known to a solver.
    """
    if not isinstance(loss, DualLoss):
        raise TypeError(
            f"loss must be a DualLoss where pairs have weights, got {type(loss).__name__}: give it "
            "interior and barrier, or fit without sample_weight"
        )
    return Weighted(loss, weights)


def part_of(loss: Loss, chosen: np.ndarray) -> Loss:
    """The loss of some of the responses, which is itself where they have no weights."""
    return loss.part(chosen) if isinstance(loss, Weighted) else loss


def without_weights(loss: Loss) -> Loss:
    """ℓ of w ℓ, or the loss itself."""
    return loss.loss if isinstance(loss, Weighted) else loss


def weights_of(loss: Loss) -> np.ndarray | None:
    """w of w ℓ, None for a loss without weights."""
    return loss.weights if isinstance(loss, Weighted) else None


def squared_weights(loss: Loss) -> np.ndarray | None:
    """w of a weighted squared loss, None for the squared loss itself.

    Raises
    ------
    ValueError
        For other losses.
    """
    if not isinstance(without_weights(loss), Squared):
        raise ValueError(f"the squared loss was needed, with or without weights, got {loss!r}")
    return weights_of(loss)
