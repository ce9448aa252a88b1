"""The largest features of some pairs, and the ridge problem that has only these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, hstack

from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._pair_products import PairProducts
from rkbs.solvers.operators._pair_weights import PairWeights, less_mean

Inverse = Callable[[np.ndarray], np.ndarray]
_CHUNK = 256
_PHI = 2048
"""Pairs whose features are formed at a time."""


@final
@dataclass(frozen=True, eq=False)
class PairFeatures:
    """Φ and Φᵀ, (n, r), with Φ_nk = (R_X)_{i_n a} (R_Y)_{j_n b} of chosen coordinates k = (a, b).

    Parameters
    ----------
    products : PairProducts
        With the columns a of R_X and b of R_Y that occur.
    where : pair of int arrays of shape (r,)
        The coordinates, by these columns.
    effects : csr_array of shape (n, m)
        E_e, the columns of effects, which are features of their own.
    weights : PairWeights
    """

    products: PairProducts
    where: tuple[np.ndarray, np.ndarray]
    effects: csr_array
    weights: PairWeights

    @classmethod
    def of(cls, problem: OperatorProblem, coordinates: np.ndarray) -> PairFeatures:
        """Those of coordinates in M, flat."""
        factors, pairs = problem.factors, problem.pairs
        a, b = np.unravel_index(coordinates, factors.shape)
        left, at_left = np.unique(a, return_inverse=True)
        right, at_right = np.unique(b, return_inverse=True)
        L = np.ascontiguousarray(factors.left[:, left])
        R = np.ascontiguousarray(factors.right[:, right])
        products = PairProducts(L, R, pairs.i, pairs.j)
        weights = PairWeights.of(problem)
        return cls(products, (at_left, at_right), _effects(problem), weights)

    @cached_property
    def gram(self) -> np.ndarray:
        """[Φ, E_e]ᵀW[Φ, E_e], from some of the pairs at a time."""
        (left, right), (a, b) = (self.products.left, self.products.right), self.where
        r, m = len(a), self.effects.shape[1]
        out = np.zeros((r + m, r + m))
        for start in range(0, len(self.products.i), _PHI):
            some = slice(start, start + _PHI)
            phi = left[self.products.i[some]].take(a, axis=1)
            phi *= right[self.products.j[some]].take(b, axis=1)
            weighted = self.weights.part(some).times(phi)
            out[:r, :r] += phi.T @ weighted
            if m:
                out[r:, :r] += self.effects[some].T @ weighted
        out[:r, r:] = out[r:, :r].T
        out[r:, r:] = (self.effects.T @ self.weights.times(self.effects)).toarray()
        return out

    def inverse(self, alpha: float, weight: float) -> Inverse:
        """(ΦΦᵀ + weight · E_e E_eᵀ + αW⁻¹)⁻¹, by Woodbury's identity.

        Raises
        ------
        LinAlgError
            Where α is below the rounding of ΦᵀWΦ.
        """
        r, (rows, columns) = len(self.where[0]), self.where
        scale = np.ones(len(self.gram))
        scale[r:] = np.sqrt(weight)
        system = self.gram * scale
        system *= scale[:, None]
        system[np.diag_indices_from(system)] += alpha
        factor = _cholesky(system)
        shape = (self.products.left.shape[1], self.products.right.shape[1])

        def apply(c: np.ndarray) -> np.ndarray:
            c = self.weights.times(c)
            seen = np.concatenate([self.products.pull(c)[self.where], self.effects.T @ c])
            x = scale * cho_solve(factor, scale * seen, check_finite=False)
            M = np.zeros(shape)
            M[rows, columns] = x[:r]
            fitted, taken = self.products.at_pairs(M), self.effects @ x[r:]
            return (c - self.weights.times(fitted) - self.weights.times(taken)) / alpha

        return apply


def dense_inverse(problem: OperatorProblem, products: PairProducts) -> Inverse:
    """(K + weight · E_e E_eᵀ + αW⁻¹)⁻¹ by a Cholesky factor of n × n.

    Raises
    ------
    LinAlgError
        Where α is below the rounding of K.
    """
    (K_X, K_Y), i, j = products.grams, products.i, products.j
    system = np.empty((len(i), len(i)))
    for start in range(0, len(j), _CHUNK):  # a second matrix of this size is never formed
        some = slice(start, start + _CHUNK)
        np.take(K_X[i[some]], i, axis=1, out=system[some], mode="clip")
        system[some] *= np.take(K_Y[j[some]], j, axis=1)
    effects = _effects(problem)
    if effects.shape[1]:
        system += effects_weight(problem) * (effects @ effects.T).toarray()
    system[np.diag_indices_from(system)] += PairWeights.of(problem).noise(problem.alpha)
    factor = _cholesky(system)
    return lambda c: cho_solve(factor, c, check_finite=False)


def _cholesky(system: np.ndarray) -> tuple[np.ndarray, bool]:
    """In the place of a symmetric matrix, whose transpose is in Fortran's order: not copied."""
    factor: tuple[np.ndarray, bool] = cho_factor(system.T, lower=True, overwrite_a=True)
    return factor


def of_sum_zero(problem: OperatorProblem, inverse: Inverse) -> Inverse:
    """The inverse between vectors of sum 0, where the problem has a constant: P⁻¹ less a rank."""
    if not problem.offsets.constant:
        return inverse
    w = inverse(np.ones_like(problem.z))
    return lambda c: less_mean(problem, inverse(c) - w * ((w @ c) / w.sum()))


def effects_weight(problem: OperatorProblem) -> float:
    """α/α_e, by which E_e E_eᵀ adds to the Gram matrix of the pairs."""
    weight = problem.offsets.weight
    return 1.0 if weight is None else problem.alpha / weight


def _effects(problem: OperatorProblem) -> csr_array:
    """E_e, (n, m), sparse."""
    offsets, pairs = problem.offsets, problem.pairs
    n, parts = len(pairs), [csr_array((len(pairs), 0))]
    for labels, at in ((offsets.rows, pairs.i), (offsets.columns, pairs.j)):
        if labels is not None:
            shape = (n, int(labels.max()) + 1)
            parts.append(csr_array((np.ones(n), labels[at], np.arange(n + 1)), shape=shape))
    return csr_array(hstack(parts, format="csr"))
