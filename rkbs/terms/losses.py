"""Losses: value, gradient and convex conjugate, so that a solver can certify its gap."""

from __future__ import annotations

import abc
from typing import ClassVar

import numpy as np

from rkbs._arrays import Array, SameArray, is_tensor
from rkbs.terms._barriers import Jet


class Loss(abc.ABC):
    """A convex loss ℓ(h; z) ≥ 0 of a prediction h for a response z, elementwise.

    ``smooth`` says whether ℓ has a derivative in h everywhere (which is then Lipschitz);
    ``of_residual`` whether ℓ depends on h − z alone; ``labels`` whether z must be −1 or 1.

    ``value``, ``gradient`` and ``curvature`` take numpy arrays or torch tensors, both of one kind,
    and broadcast. Of a value autograd gives the gradient, at kinks the same subgradient, and, of a
    smooth loss, then the curvature: all finite, however large h is. Conjugate, prox and
    barrier are asked by solvers, of numpy arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.terms import Huber, Logistic, Squared
    >>> h, z = np.array([0.3, 2.0]), np.array([1.0, -1.0])
    >>> for loss in (Squared(), Huber(0.5), Logistic()):  # ℓ + ℓ* = uh at the slope u
    ...     u = loss.gradient(h, z)
    ...     print(np.allclose(loss.value(h, z) + loss.conjugate(u, z), u * h))
    True
    True
    True
    """

    smooth: ClassVar[bool]
    of_residual: ClassVar[bool] = False
    labels: ClassVar[bool] = False

    @abc.abstractmethod
    def value(self, h: SameArray, z: SameArray) -> SameArray:
        """ℓ(h; z)."""

    @abc.abstractmethod
    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        """∂ℓ/∂h; where ℓ has a kink, one subgradient."""

    @abc.abstractmethod
    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """ℓ*(u; z) = sup_h (u h − ℓ(h; z)), infinite outside its domain."""

    @abc.abstractmethod
    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        """∂²ℓ/∂h², where it exists; elsewhere a value between its two sides."""

    @abc.abstractmethod
    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        """argmin_t step · ℓ(t; z) + ½ (t − h)², step > 0."""

    def check(self, z: Array, name: str = "z") -> Array:
        """The responses z, or a ``ValueError`` where the loss has no meaning for them."""
        return _check_labels(z, name, self) if self.labels else z

    def check_constant(self, z: np.ndarray) -> np.ndarray:
        """The responses z, or a ``ValueError`` where no constant minimizes Σ_n ℓ(b; z_n)."""
        return z


class DualLoss(Loss):
    """A loss that an interior-point method can handle through its conjugate.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.terms import EpsilonInsensitive, Hinge, Logistic
    >>> z = np.array([1.0, -1.0])
    >>> for loss in (Hinge(), Logistic(), EpsilonInsensitive()):
    ...     print(np.isfinite(loss.barrier(loss.interior(z), z, mu=0.1)).all())
    True
    True
    True
    """

    @abc.abstractmethod
    def interior(self, z: np.ndarray) -> np.ndarray:
        """A point u inside the domain of ℓ*(·; z); so is every θu, 0 < θ ≤ 1."""

    @abc.abstractmethod
    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        """ℓ*(u; z) + μ · (barrier of its domain), up to a constant; infinite outside.

        Smooth for μ > 0, and ℓ* (up to that constant) in the limit μ → 0.
        """


def _check_labels(z: Array, name: str, loss: Loss) -> Array:
    z = z if is_tensor(z) else np.asarray(z)
    wrong = (z != 1) & (z != -1)
    if wrong.any():
        binary = ((z == 0) | (z == 1)).all()
        hint = f": for labels 0 and 1 pass 2*{name} - 1" * bool(binary)
        raise ValueError(f"{name} must be −1 or 1 for {loss!r}, got {z[wrong][0]}{hint}")
    return z
