"""Separable problems with any convex loss L(f(x_i), g(y_j); z_ij), solved over all coordinates.

Shares nothing with ``rkbs``: features are monomials written out here, derivatives of losses are
complex steps of their values, and the gradient of the whole objective is set to zero by MINPACK.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, root

Pointwise = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
STEP = 1e-30
"""Of the complex step, whose error is its square."""


def monomials(q: np.ndarray, order: int) -> np.ndarray:
    """∏_l q_l^{r_l} / (d^{|r|/4} √∏ r_l!), |r| ≤ order, by degree: (n, d) → (n, D)."""
    d = q.shape[1]
    indices = sorted(
        (r for r in itertools.product(range(order + 1), repeat=d) if sum(r) <= order), key=sum
    )
    columns = [
        np.prod([q[:, a] ** r[a] for a in range(d)], axis=0)
        / (d ** (sum(r) / 4) * math.sqrt(math.prod(map(math.factorial, r))))
        for r in indices
    ]
    return np.array(columns).T


def partials(
    loss: Pointwise, a: np.ndarray, b: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂a and ∂L/∂b by complex steps: L(a + ih) = L(a) + ih L'(a) − h² L''/2 …"""
    return (
        np.imag(loss(a + 1j * STEP, b + 0j, z)) / STEP,
        np.imag(loss(a + 0j, b + 1j * STEP, z)) / STEP,
    )


@dataclass(frozen=True, eq=False)
class Joint:
    """min Σ_n L(f(x_{i_n}), g(y_{j_n}); z_n) + λ Σ|v_k|^p/p + λ Σ|u_k|^{p'}/p'.

    Parameters
    ----------
    phi_x, phi_y : arrays of shape (n_x, D), (n_y, D)
    i, j, z : arrays of shape (n,)
    loss : callable
        (a, b, z) → L, elementwise, analytic up to its kinks in its real parts.
    p, alpha : float
        The exponent of f, and λ.
    """

    phi_x: np.ndarray
    phi_y: np.ndarray
    i: np.ndarray
    j: np.ndarray
    z: np.ndarray
    loss: Pointwise
    p: float
    alpha: float

    @property
    def exponents(self) -> np.ndarray:
        """p for each of v's coordinates, then p' for each of u's."""
        return np.repeat([self.p, self.p / (self.p - 1)], self.phi_x.shape[1])

    def at_pairs(self, vu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(x_{i_n}) and g(y_{j_n})."""
        D = self.phi_x.shape[1]
        return (self.phi_x @ vu[:D])[self.i], (self.phi_y @ vu[D:])[self.j]

    def objective(self, vu: np.ndarray) -> float:
        """The objective in all 2D coordinates."""
        r = self.exponents
        penalty = self.alpha * np.sum(np.abs(vu) ** r / r)
        return float(self.loss(*self.at_pairs(vu), self.z).sum() + penalty)

    def data_gradient(self, vu: np.ndarray) -> np.ndarray:
        """That of the data term."""
        slopes = partials(self.loss, *self.at_pairs(vu), self.z)
        sides = zip(slopes, (self.phi_x, self.phi_y), (self.i, self.j), strict=True)
        return np.concatenate([phi[index].T @ slope for slope, phi, index in sides])

    def gradient(self, vu: np.ndarray) -> np.ndarray:
        """d|v|^r/r = sign(v)|v|^{r−1}, coordinate by coordinate."""
        penalty = np.sign(vu) * np.abs(vu) ** (self.exponents - 1)
        return self.data_gradient(vu) + self.alpha * penalty

    def descend(self, start: np.ndarray) -> np.ndarray:
        """Where L-BFGS ends."""
        options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-11}
        found = minimize(
            self.objective, start, jac=self.gradient, method="L-BFGS-B", options=options
        )
        return found.x

    def minimizer(self, start: np.ndarray) -> np.ndarray:
        """A zero of the gradient, from near the minimum.

        In the unknown t = λ sign(v)|v|^{r−1} where r < 2, in v where r ≥ 2: the gradient is smooth
        in it.
        """
        r = self.exponents
        low = r < 2

        def coordinates(t: np.ndarray) -> np.ndarray:
            steep = np.sign(t) * np.abs(t / self.alpha) ** (1 / np.where(low, r - 1, 1))
            return np.where(low, steep, t)

        t = np.where(low, self.alpha * np.sign(start) * np.abs(start) ** (r - 1), start)
        found = root(
            lambda t: self.gradient(coordinates(t)), t, method="hybr", options={"xtol": 1e-15}
        )
        return coordinates(found.x)

    def excess(self, vu: np.ndarray) -> float:
        """An upper bound of objective(vu) − minimum: Fenchel's gap of the penalty at −∇(data).

        L is convex, so min ≥ L(vu) + ⟨w, ·⟩ − … with w = ∇(data): the gap is
        P(vu) + P*(−w) + ⟨vu, w⟩, P*(w) = λ Σ|w_k/λ|^{r'}/r'.
        """
        r, w = self.exponents, self.data_gradient(vu)
        dual = r / (r - 1)
        terms = self.alpha * (np.abs(vu) ** r / r + np.abs(w / self.alpha) ** dual / dual) + vu * w
        return float(terms.sum())
