"""Leave-one-out scores of many α on a complete grid, without residuals of the pairs.

With U, V the eigenvectors, D = α/(s_a t_b + α), F = U (D ∘ UᵀZV) and V orthogonal, the residuals of
left-out rows are F_ib/g_ib in K_Y's eigenbasis, where their squares may be added as well:
g_ib = Σ_a U_ia² D_ab. Such sums over a hold D at one t_b/α as a function of s, which a few nodes
determine (``Spectrum``), so that F is the only product of whole matrices. Of single pairs F Vᵀ is a
second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.polynomial.chebyshev import chebvander

_NODES = 24
"""Of a decade. With ρ = 4.5 the bound of ``Spectrum`` is 4e-14."""


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """Σ_a w_a/(1 + s_a β) ≈ Σ_k (w X)_k/(1 + σ_k β), for all β ≥ 0 at once.

    In each decade of the s_a that holds more of them, ``_NODES`` Chebyshev nodes σ_k in log s, and
    the polynomials X that interpolate there; in others the s_a themselves. f(x) = 1/(1 + eˣ) is
    analytic in |Im x| < π, where |f(x + iy)| ≤ f(x)/cos(y/2); on the ellipse ρ around a half-decade
    w that is at most f · exp(w + a)/cos(b/2), a, b = w(ρ ± 1/ρ)/2, so that N nodes leave the error
    4 ρ^{1−N} exp(w + a)/((ρ − 1) cos(b/2)) of each term, relative to that term.

    Attributes
    ----------
    nodes : array of shape (m,)
    weights : array of shape (n, m)
        X.
    """

    nodes: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, eigenvalues: np.ndarray) -> Spectrum:
        """Of s ≥ 0, in increasing order."""
        nodes, blocks = [], []
        for some in _decades(eigenvalues):
            found, weights = _interpolation(eigenvalues[some])
            block = np.zeros((len(eigenvalues), len(found)))
            block[some] = weights
            nodes.append(found)
            blocks.append(block)
        return cls(np.concatenate(nodes), np.hstack(blocks))


def _decades(s: np.ndarray) -> Iterator[slice]:
    """The zeros, and the runs of positive values whose largest is less than 10 × the least."""
    start = int(np.count_nonzero(s == 0))
    if start:
        yield slice(0, start)
    while start < len(s):
        stop = int(np.searchsorted(s, 10 * s[start]))
        yield slice(start, stop)
        start = stop


def _interpolation(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the values of a decade, and the polynomials that interpolate there: (n, m)."""
    if s[0] == s[-1]:
        return s[:1], np.ones((len(s), 1))
    if len(s) <= _NODES:
        return s, np.eye(len(s))
    low, high = np.log(s[0]), np.log(s[-1])
    x = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    place = np.clip((2 * np.log(s) - low - high) / (high - low), -1, 1)
    scale = np.full(_NODES, 2 / _NODES)
    scale[0] /= 2
    weights = (chebvander(place, _NODES - 1) * scale) @ chebvander(x, _NODES - 1).T
    return np.exp((low + high + (high - low) * x) / 2), weights


@final
@dataclass(frozen=True, eq=False)
class Scores:
    """What is left out, of rows or single pairs.

    Attributes
    ----------
    U, V : arrays of shape (n_x, n_x), (n_y, n_y)
    s, t : arrays of shape (n_x,), (n_y,)
        Their eigenvalues, increasing.
    rotated : array of shape (n_x, n_y)
        UᵀZV.
    constant : bool
        Whether each fit has a constant of its own.
    """

    U: np.ndarray
    V: np.ndarray
    s: np.ndarray
    t: np.ndarray
    rotated: np.ndarray
    constant: bool

    @property
    def mirrored(self) -> Scores:
        """Columns in place of rows."""
        return Scores(self.V, self.U, self.t, self.s, self.rotated.T, self.constant)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of K_X."""
        return Spectrum.of(self.s)

    @cached_property
    def squares(self) -> np.ndarray:
        """(U ∘ U) X."""
        return (self.U * self.U) @ self.spectrum.weights

    @cached_property
    def ones(self) -> tuple[np.ndarray, np.ndarray]:
        """u = Uᵀ1 and v = Vᵀ1, the rotation u vᵀ of the constant 1."""
        return self.U.sum(0), self.V.sum(0)

    @cached_property
    def seen(self) -> np.ndarray:
        """(U diag(u)) X."""
        return (self.U * self.ones[0]) @ self.spectrum.weights

    @cached_property
    def zeros(self) -> tuple[int, int]:
        """How many s and t are 0, where D is 1 at every α."""
        return int(np.count_nonzero(self.s == 0)), int(np.count_nonzero(self.t == 0))

    @cached_property
    def unfitted(self) -> np.ndarray:
        """U UᵀZV of the s that are 0."""
        return self.U[:, : self.zeros[0]] @ self.rotated[: self.zeros[0]]

    @cached_property
    def unfitted_pairs(self) -> np.ndarray:
        """U UᵀZV Vᵀ of the t that are 0."""
        other = self.zeros[1]
        return (self.U @ self.rotated[:, :other]) @ self.V[:, :other].T

    def rows(self, alpha: float) -> np.ndarray:
        """The residuals of each row, fitted without it, in K_Y's eigenbasis."""
        left_over, at_nodes = self._left_over(alpha, 0), self._at_nodes(alpha)
        first = self.zeros[0]
        left_over *= self.rotated[first:]
        fitted, g = self.U[:, first:] @ left_over, self.squares @ at_nodes
        fitted += self.unfitted
        if self.constant:
            v, size = self.ones[1], self._size(at_nodes)
            seen = self.seen @ at_nodes
            seen *= v
            b = float(fitted.sum(0) @ v) / size
            fitted -= b * seen
            fitted /= g
            moved = np.divide(seen, g, out=g)
            # By Sherman & Morrison, as of ``GridOffsets``; V is orthogonal.
            share = np.einsum("ib,ib->i", seen, fitted)
            share /= size - np.einsum("ib,ib->i", seen, moved)
            moved *= share[:, None]
            fitted += moved
        else:
            fitted /= g
        return fitted

    def pairs(self, alpha: float) -> np.ndarray:
        """The residuals of each pair, fitted without it."""
        V, (first, other) = self.V, self.zeros
        left_over, at_nodes = self._left_over(alpha, other), self._at_nodes(alpha)
        left_over *= self.rotated[first:, other:]
        fitted = self.U[:, first:] @ left_over
        fitted += self.unfitted[:, other:]
        fitted = fitted @ V[:, other:].T
        fitted += self.unfitted_pairs
        g = self.squares @ (at_nodes @ (V * V).T)
        if self.constant:
            v, size = self.ones[1], self._size(at_nodes)
            seen = self.seen @ (at_nodes @ (V * v).T)
            fitted -= (float(fitted.sum()) / size) * seen
            seen *= seen
            seen /= size
            g -= seen
        fitted /= g
        return fitted

    def generalized(self, alpha: float) -> float:
        """‖Rz‖²/n over (tr R/n)², R the residual operator of the fit."""
        left_over = np.ones_like(self.rotated)
        left_over[self.zeros[0] :] = self._left_over(alpha, 0)
        trace, rest = float(left_over.sum()), left_over * self.rotated
        if self.constant:
            u, v = self.ones
            size = float(u**2 @ left_over @ v**2)
            b = float(u @ rest @ v) / size
            left_over *= u[:, None]
            left_over *= v
            trace -= float(np.vdot(left_over, left_over)) / size
            left_over *= b
            rest -= left_over
        return float(np.vdot(rest, rest)) * rest.size / trace**2

    def _left_over(self, alpha: float, other: int) -> np.ndarray:
        """D of the s > 0, without the first ``other`` columns."""
        curvature = np.multiply.outer(self.s[self.zeros[0] :], self.t[other:])
        curvature += alpha
        return np.divide(alpha, curvature, out=curvature)

    def _at_nodes(self, alpha: float) -> np.ndarray:
        """D at the nodes in place of s, (m, n_y)."""
        curvature = np.multiply.outer(self.spectrum.nodes, self.t)
        curvature += alpha
        return np.divide(alpha, curvature, out=curvature)

    def _size(self, at_nodes: np.ndarray) -> float:
        """1ᵀ(I − H)1 = Σ_ab u_a² D_ab v_b²."""
        u, v = self.ones
        return float((u * u) @ self.spectrum.weights @ at_nodes @ (v * v))
