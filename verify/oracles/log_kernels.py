"""log κ of a head as a function of a = q·k/√d, with its slope, for real and complex numbers."""

from __future__ import annotations

import numpy as np


class Logit:
    """log κ as a function of a = q·k/√d: EDP."""

    norms = 0.0
    """What it loses per ‖q‖²/√d and per ‖k‖²/√d."""

    def value(self, a: np.ndarray) -> np.ndarray:
        return a

    def slope(self, a: np.ndarray) -> np.ndarray | float:
        return 1.0


class QuarticLogit(Logit):
    """Of EDP's Taylor cut of order 4, which is positive."""

    def value(self, a: np.ndarray) -> np.ndarray:
        return np.log(1 + a * (1 + a / 2 * (1 + a / 3 * (1 + a / 4))))

    def slope(self, a: np.ndarray) -> np.ndarray:
        cut = 1 + a * (1 + a / 2 * (1 + a / 3))
        return cut / (cut + a**4 / 24)


class RBFLogit(Logit):
    """−‖q − k‖²/√d."""

    norms = 1.0

    def value(self, a: np.ndarray) -> np.ndarray:
        return 2 * a

    def slope(self, a: np.ndarray) -> float:
        return 2.0
