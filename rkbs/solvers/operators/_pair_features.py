"""The largest features of some pairs, and the ridge problem that has only these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, hstack

from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._pair_expansion import Products, RidgeProblem
from rkbs.solvers.operators._pair_products import PairProducts, added
from rkbs.solvers.operators._pair_weights import PairWeights, less_mean

Inverse = Callable[[np.ndarray], np.ndarray]
_CHUNK = 256
_PHI = 2048
"""Pairs whose features are formed at a time."""


@final
@dataclass(frozen=True, eq=False)
class PartFeatures:
    """Φ of chosen coordinates of one product of kernels.

    Parameters
    ----------
    products : PairProducts
        With the columns a of R_X and b of R_Y that occur.
    where : pair of int arrays of shape (r,)
        The coordinates, by these columns.
    """

    products: PairProducts
    where: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, problem: OperatorProblem, coordinates: np.ndarray) -> PartFeatures:
        """Those of coordinates in M, flat."""
        factors, pairs = problem.factors, problem.pairs
        a, b = np.unravel_index(coordinates, factors.shape)
        left, at_left = np.unique(a, return_inverse=True)
        right, at_right = np.unique(b, return_inverse=True)
        L = np.ascontiguousarray(factors.left[:, left])
        R = np.ascontiguousarray(factors.right[:, right])
        return cls(PairProducts(L, R, pairs.i, pairs.j), (at_left, at_right))

    def __len__(self) -> int:
        return len(self.where[0])

    def at(self, some: slice) -> np.ndarray:
        """Rows of Φ."""
        products, (a, b) = self.products, self.where
        phi = products.left[products.i[some]].take(a, axis=1)
        phi *= products.right[products.j[some]].take(b, axis=1)
        return phi

    def seen(self, c: np.ndarray) -> np.ndarray:
        """Φᵀc."""
        return self.products.pull(c)[self.where]

    def times(self, x: np.ndarray) -> np.ndarray:
        """Φx."""
        M = np.zeros(self.products.shape)
        M[self.where] = x
        return self.products.at_pairs(M)


@final
@dataclass(frozen=True, eq=False)
class PairFeatures:
    """Φ and Φᵀ, (n, r), with Φ_nk = (R_X)_{i_n a} (R_Y)_{j_n b} of chosen coordinates k = (a, b).

    Parameters
    ----------
    parts : tuple of PartFeatures
        Of each product of kernels.
    effects : csr_array of shape (n, m)
        E_e, the columns of effects, which are features of their own.
    weights : PairWeights
    """

    parts: tuple[PartFeatures, ...]
    effects: csr_array
    weights: PairWeights

    @classmethod
    def of(
        cls,
        problem: RidgeProblem,
        terms: Sequence[OperatorProblem],
        coordinates: Sequence[np.ndarray],
    ) -> PairFeatures:
        """Those of coordinates in the M of each term, flat."""
        parts = map(PartFeatures.of, terms, coordinates)
        return cls(tuple(parts), _effects(problem), PairWeights.of(problem))

    @cached_property
    def gram(self) -> np.ndarray:
        """[Φ, E_e]ᵀW[Φ, E_e], from some of the pairs at a time."""
        n, m = self.effects.shape
        r = sum(map(len, self.parts))
        out = np.zeros((r + m, r + m))
        for start in range(0, n, _PHI):
            some = slice(start, start + _PHI)
            phis = [part.at(some) for part in self.parts]
            phi = phis[0] if len(phis) == 1 else np.hstack(phis)
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
        ends = np.cumsum([len(part) for part in self.parts])
        r, splits = int(ends[-1]), ends[:-1]
        scale = np.ones(len(self.gram))
        scale[r:] = np.sqrt(weight)
        system = self.gram * scale
        system *= scale[:, None]
        system[np.diag_indices_from(system)] += alpha
        factor = _cholesky(system)

        def apply(c: np.ndarray) -> np.ndarray:
            c = self.weights.times(c)
            seen = np.concatenate([*(part.seen(c) for part in self.parts), self.effects.T @ c])
            x = scale * cho_solve(factor, scale * seen, check_finite=False)
            own = zip(self.parts, np.split(x[:r], splits), strict=True)
            fitted, taken = added(part.times(v) for part, v in own), self.effects @ x[r:]
            return (c - self.weights.times(fitted) - self.weights.times(taken)) / alpha

        return apply


def dense_inverse(problem: RidgeProblem, products: Products) -> Inverse:
    """(K + weight · E_e E_eᵀ + αW⁻¹)⁻¹ by a Cholesky factor of n × n.

    Raises
    ------
    LinAlgError
        Where α is below the rounding of K.
    """
    n = len(problem.z)
    system = np.empty((n, n))
    for start in range(0, n, _CHUNK):  # a second matrix of this size is never formed
        some = slice(start, start + _CHUNK)
        products.rows(some, system[some])
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


def of_sum_zero(problem: RidgeProblem, inverse: Inverse) -> Inverse:
    """The inverse between vectors of sum 0, where the problem has a constant: P⁻¹ less a rank."""
    if not problem.offsets.constant:
        return inverse
    w = inverse(np.ones_like(problem.z))
    return lambda c: less_mean(problem, inverse(c) - w * ((w @ c) / w.sum()))


def effects_weight(problem: RidgeProblem) -> float:
    """α/α_e, by which E_e E_eᵀ adds to the Gram matrix of the pairs."""
    weight = problem.offsets.weight
    return 1.0 if weight is None else problem.alpha / weight


def _effects(problem: RidgeProblem) -> csr_array:
    """E_e, (n, m), sparse."""
    offsets, pairs = problem.offsets, problem.pairs
    n, parts = len(pairs), [csr_array((len(pairs), 0))]
    for labels, at in ((offsets.rows, pairs.i), (offsets.columns, pairs.j)):
        if labels is not None:
            shape = (n, int(labels.max()) + 1)
            parts.append(csr_array((np.ones(n), labels[at], np.arange(n + 1)), shape=shape))
    return csr_array(hstack(parts, format="csr"))
