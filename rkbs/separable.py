"""The separable reading of the binary problem: objective, Fenchel dual, recovery, certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np

from rkbs._arrays import check_number
from rkbs.certificates import GapCertificate
from rkbs.losses import DualLoss, Squared
from rkbs.pairs import Pairs
from rkbs.regularizers import HalfSquare, Regularizer
from rkbs.spaces import RKBSPair, duality_map, lp_norm


@final
@dataclass(frozen=True, eq=False)
class SeparableProblem:
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
        kinds = {
            "pair": RKBSPair,
            "pairs": Pairs,
            "loss": DualLoss,
            "regularizer_x": Regularizer,
            "regularizer_y": Regularizer,
        }
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {getattr(self, name)!r}")
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

    def values(self, v: np.ndarray, u: np.ndarray) -> np.ndarray:
        """h_n = f_v(x_{i_n}) + g_u(y_{j_n}), shape (n,)."""
        return (self.phi_x @ v)[self.pairs.i] + (self.phi_y @ u)[self.pairs.j]

    def objective(self, v: np.ndarray, u: np.ndarray) -> float:
        """Σ ℓ(h_n; z_n) + λ_X R_X(‖v‖_p) + λ_Y R_Y(‖u‖_{p'})."""
        f, g = lp_norm(v, self.pair.p), lp_norm(u, self.pair.p_conjugate)
        penalty = self.alpha_x * self.regularizer_x.value(f)
        penalty += self.alpha_y * self.regularizer_y.value(g)
        return float(self.loss.value(self.values(v, u), self.z).sum() + penalty)

    def expansion(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ξ of shape (n_x,) and ζ of shape (n_y,): the coefficients of the kernel sections."""
        xi = np.bincount(self.pairs.i, c, len(self.pairs.X))
        return xi, np.bincount(self.pairs.j, c, len(self.pairs.Y))

    def dual_vectors(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ_i ξ_i Φ_X(x_i) and Σ_j ζ_j Φ_Y(y_j), each of shape (D,)."""
        xi, zeta = self.expansion(c)
        return xi @ self.phi_x, zeta @ self.phi_y

    def _scaled_norms(self, c: np.ndarray) -> tuple[float, float]:
        """‖w‖_{p'} / λ_X and ‖w'‖_p / λ_Y."""
        w_x, w_y = self.dual_vectors(c)
        x, y = lp_norm(w_x, self.pair.p_conjugate), lp_norm(w_y, self.pair.p)
        return x / self.alpha_x, y / self.alpha_y

    def dual_objective(self, c: np.ndarray) -> float:
        """The dual's value, a lower bound of the optimum for every c (−∞ outside its domain)."""
        s_x, s_y = self._scaled_norms(c)
        penalty = self.alpha_x * self.regularizer_x.conjugate(s_x)
        penalty += self.alpha_y * self.regularizer_y.conjugate(s_y)
        return float(-self.loss.conjugate(-c, self.z).sum() - penalty)

    def primal(
        self, c: np.ndarray, lengths: tuple[float, float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """v = ‖v‖ ι(w) and u = ‖u‖ ι(w'), the primal candidate of the dual unknowns c.

        Parameters
        ----------
        c : array of shape (n,)
        lengths : (float, float), optional
            ‖v‖_p and ‖u‖_{p'}; by default (R*)' of the scaled dual norms, which R(t) = t lacks.
        """
        if lengths is None:
            s_x, s_y = self._scaled_norms(c)
            lengths = self.regularizer_x.length(s_x), self.regularizer_y.length(s_y)
        w_x, w_y = self.dual_vectors(c)
        v = lengths[0] * duality_map(w_x, self.pair.p_conjugate)
        return v, lengths[1] * duality_map(w_y, self.pair.p)

    def zero_threshold(self) -> tuple[float, float]:
        """(λ_X, λ_Y) from which on R(t) = t has the solution f = 0, g = 0.

        ‖Σ_n ℓ'(0; z_n) Φ_X(x_{i_n})‖_{p'} and ‖Σ_n ℓ'(0; z_n) Φ_Y(y_{j_n})‖_p: with c = −ℓ'(0; z)
        the loss is at its Fenchel equality, and R*(‖w‖/λ) is finite, hence 0, iff ‖w‖ ≤ λ.
        Both must be reached; sharp where ℓ(·; z) has a derivative at 0.
        """
        slopes = self.loss.gradient(np.zeros_like(self.z), self.z)
        w_x, w_y = self.dual_vectors(slopes)
        return lp_norm(w_x, self.pair.p_conjugate), lp_norm(w_y, self.pair.p)

    def certify(
        self, v: np.ndarray, u: np.ndarray, c: np.ndarray, tolerance: float
    ) -> GapCertificate:
        """Both objectives of the candidate (v, u) and of c, computed from scratch."""
        return GapCertificate(self.objective(v, u), self.dual_objective(c), tolerance)
