"""What the separable and the product reading share: data, loss, and penalties of f and g."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from rkbs._arrays import check_kinds, check_number
from rkbs.data.pairs import Pairs
from rkbs.problems.base import Problem
from rkbs.problems.expansion import Side
from rkbs.problems.gram import check_scale
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.spaces.element import Element
from rkbs.spaces.sections import FeatureSections
from rkbs.terms.losses import DualLoss
from rkbs.terms.norm_penalties import HalfSquare, Regularizer
from rkbs.terms.residual_losses import Squared


@dataclass(frozen=True, eq=False)
class BinaryProblem(Problem):
    """f = f_v ∈ B_X with ‖f‖ = ‖v‖_p, g = g_u ∈ B_Y with ‖g‖ = ‖u‖_{p'}, a response for each pair.

    Parameters
    ----------
    spaces : RKBSPair
    pairs : Pairs
    z : array of shape (n,), or (n_x, n_y) for a complete grid
        Responses; −1 and 1 for a loss of ``labels``.
    alpha_x, alpha_y : float
        λ_X, λ_Y > 0. The loss is a sum over pairs; the paper's average of n losses with λ has
        alpha = nλ. Along a path λ_X = α, and λ_Y = α · ``alpha_y``/``alpha_x``.
    loss : DualLoss
    regularizer_x, regularizer_y : Regularizer

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    """

    spaces: RKBSPair
    pairs: Pairs
    z: np.ndarray
    alpha_x: float
    alpha_y: float
    loss: DualLoss = field(default_factory=Squared)
    regularizer_x: Regularizer = field(default_factory=HalfSquare)
    regularizer_y: Regularizer = field(default_factory=HalfSquare)

    def __post_init__(self) -> None:
        check_kinds(
            self,
            spaces=RKBSPair,
            pairs=Pairs,
            loss=DualLoss,
            regularizer_x=Regularizer,
            regularizer_y=Regularizer,
        )
        checked = {
            "z": self.loss.check(check_scale(self.pairs.responses(self.z)), "z"),
            "alpha_x": check_number(self.alpha_x, "alpha_x", above=0.0),
            "alpha_y": check_number(self.alpha_y, "alpha_y", above=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @abc.abstractmethod
    def at_pairs(self, v: np.ndarray, u: np.ndarray) -> np.ndarray:
        """h_n, the values at the pairs, shape (n,)."""

    @cached_property
    def sections_x(self) -> FeatureSections:
        """Φ_X of the targets, for functions with the p-norm."""
        return FeatureSections(self._features("features_x", self.pairs.X), self.spaces.p)

    @cached_property
    def sections_y(self) -> FeatureSections:
        """Φ_Y of the sources, for functions with the p'-norm."""
        features = self._features("features_y", self.pairs.Y)
        return FeatureSections(features, self.spaces.p_conjugate)

    @cached_property
    def both(self) -> tuple[Side, Side]:
        """f, then g, each with b_n = 1."""
        return (
            Side(self.sections_x, self.pairs.i, self.alpha_x, self.regularizer_x),
            Side(self.sections_y, self.pairs.j, self.alpha_y, self.regularizer_y),
        )

    def _features(self, name: str, points: np.ndarray) -> np.ndarray:
        features = np.asarray(getattr(self.spaces, name)(points), dtype=float)
        if features.shape != (len(points), self.spaces.dim):
            raise ValueError(
                f"{name} must give {self.spaces.dim} features (dim) for each of {len(points)} "
                f"points, got shape {features.shape}"
            )
        return features

    @property
    def phi_x(self) -> np.ndarray:
        """Φ_X of the targets, shape (n_x, D)."""
        return self.sections_x.phi

    @property
    def phi_y(self) -> np.ndarray:
        """Φ_Y of the sources, shape (n_y, D)."""
        return self.sections_y.phi

    @property
    def alpha(self) -> float:
        """λ_X, which a regularization path changes, and with it λ_Y."""
        return self.alpha_x

    def with_alpha(self, alpha: float) -> Self:
        """The same problem with λ_X = α and λ_Y = α · ``alpha_y``/``alpha_x``, their ratio kept.

        The features are computed once for all α.

        Raises
        ------
        TypeError, ValueError
            For α that is no positive number, or one beside which λ_Y leaves the range of floats.
        """
        alpha = check_number(alpha, "alpha", above=0.0)
        alpha_y = self.alpha_y * (alpha / self.alpha_x)  # λ_Y itself at the problem's own α
        if not 0 < alpha_y < math.inf:
            raise ValueError(
                f"alpha must be near enough to alpha_x = {self.alpha_x:g} for {self.alpha_y:g} · "
                f"alpha/alpha_x to be a positive float, got {alpha!r}"
            )
        other = replace(self, alpha_x=alpha, alpha_y=alpha_y)
        other.__dict__.update(sections_x=self.sections_x, sections_y=self.sections_y)
        return other

    def functions(self, value: Any) -> tuple[Element, Element]:
        """f_v ∈ B_X and g_u ∈ B_Y of what a solver found, by its coefficients v and u."""
        return self.spaces.f(value.v), self.spaces.g(value.u)

    def predict_grid(self, value: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """h(x, y), of f(x) and g(y) at points (n, d_x) and (m, d_y): (n, m)."""
        f, g = self.functions(value)
        return self._joined(f(x)[:, None], g(y))

    @abc.abstractmethod
    def _joined(self, f: np.ndarray, g: np.ndarray) -> np.ndarray:
        """h of the values of f and of g."""
