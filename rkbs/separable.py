"""The separable reading of the binary problem."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import final

import numpy as np

from rkbs._arrays import check_number
from rkbs.expansion import ExpansionProblem, Side, check_kinds
from rkbs.losses import DualLoss, Squared
from rkbs.pairs import Pairs
from rkbs.regularizers import HalfSquare, Regularizer
from rkbs.sections import FeatureSections
from rkbs.spaces import RKBSPair


@final
@dataclass(frozen=True, eq=False)
class SeparableProblem(ExpansionProblem):
    """min_{f, g} Σ_n ℓ(f(x_{i_n}) + g(y_{j_n}); z_n) + λ_X R_X(‖f‖) + λ_Y R_Y(‖g‖).

    f = f_v ∈ B_X with ‖f‖ = ‖v‖_p, g = g_u ∈ B_Y with ‖g‖ = ‖u‖_{p'}. The Fenchel dual has an
    unknown c_n for each pair. With ξ_i = Σ_{n: i_n = i} c_n, ζ_j = Σ_{n: j_n = j} c_n and
    w = Σ_i ξ_i Φ_X(x_i), w' = Σ_j ζ_j Φ_Y(y_j) it is

        max_c −Σ ℓ*(−c_n; z_n) − λ_X R_X*(‖w‖_{p'} / λ_X) − λ_Y R_Y*(‖w'‖_p / λ_Y).

    At the optimum c_n = −ℓ'(h_n; z_n), v is a multiple of ι(w) and u of ι(w'), that is
    λ_X R_X'(‖f*‖) ι(f*) = Σ_i ξ_i κ(x_i, ·) and λ_Y R_Y'(‖g*‖) ι(g*) = Σ_j ζ_j κ(·, y_j).

    Parameters
    ----------
    pair : RKBSPair
    pairs : Pairs
    z : array of shape (n,), or (n_x, n_y) for a complete grid
        Responses; labels −1 and 1 for the logistic and hinge losses.
    alpha_x, alpha_y : float
        λ_X, λ_Y > 0. The loss is a sum over pairs; the paper's average of n losses with λ has
        alpha = nλ.
    loss : DualLoss
    regularizer_x, regularizer_y : Regularizer

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.

    Source: paper Theorem 1; theory §3, reading A.
    """

    pair: RKBSPair
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
            pair=RKBSPair,
            pairs=Pairs,
            loss=DualLoss,
            regularizer_x=Regularizer,
            regularizer_y=Regularizer,
        )
        checked = {
            "z": self.loss.check(self.pairs.responses(self.z), "z"),
            "alpha_x": check_number(self.alpha_x, "alpha_x", above=0.0),
            "alpha_y": check_number(self.alpha_y, "alpha_y", above=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @cached_property
    def phi_x(self) -> np.ndarray:
        """Φ_X of the targets, shape (n_x, D)."""
        return np.asarray(self.pair.features_x(self.pairs.X), dtype=float)

    @cached_property
    def phi_y(self) -> np.ndarray:
        """Φ_Y of the sources, shape (n_y, D)."""
        return np.asarray(self.pair.features_y(self.pairs.Y), dtype=float)

    @cached_property
    def sides(self) -> tuple[Side, Side]:
        """f, then g."""
        x = FeatureSections(self.phi_x, self.pair.p)
        y = FeatureSections(self.phi_y, self.pair.p_conjugate)
        return (
            Side(x, self.pairs.i, self.alpha_x, self.regularizer_x),
            Side(y, self.pairs.j, self.alpha_y, self.regularizer_y),
        )

    def dual_vectors(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ_i ξ_i Φ_X(x_i) and Σ_j ζ_j Φ_Y(y_j), each of shape (D,)."""
        xi, zeta = self.expansion(c)
        return xi @ self.phi_x, zeta @ self.phi_y

    def scaled(self, factor: float) -> SeparableProblem:
        """The same problem with λ_X and λ_Y times ``factor``: a point of the regularization path.

        The features are computed once for all of them.
        """
        factor = check_number(factor, "factor", above=0.0)
        scaled = replace(self, alpha_x=factor * self.alpha_x, alpha_y=factor * self.alpha_y)
        scaled.__dict__.update(phi_x=self.phi_x, phi_y=self.phi_y)
        return scaled
