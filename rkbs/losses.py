"""Losses: value, gradient and convex conjugate, so that a solver can certify its gap."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import numpy as np


class Loss(abc.ABC):
    """A convex loss ℓ(h; z) of a prediction h for a response z, elementwise."""

    @abc.abstractmethod
    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        """ℓ(h; z)."""

    @abc.abstractmethod
    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        """∂ℓ/∂h."""

    @abc.abstractmethod
    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """ℓ*(u; z) = sup_h (u h − ℓ(h; z))."""


@final
@dataclass(frozen=True)
class Squared(Loss):
    """ℓ(h; z) = ½ (h − z)²."""

    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (h - z) ** 2 / 2

    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return h - z

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        return u * u / 2 + u * z
