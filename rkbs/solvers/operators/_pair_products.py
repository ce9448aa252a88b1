"""Products with Kronecker factors at some pairs of a grid, by the cheapest of three ways."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, final

import numpy as np
from scipy.sparse import csr_array

from rkbs.data.pairs import Pairs
from rkbs.problems.gram import GramProblem

Way = Literal["sampled", "rows", "dense"]

# Crossovers of `benchmarks/pair_products.py` on 300² and 1000² grids.
_FEW_IN_A_ROW = 8
_ROWS = 0.06
_SPARSE = 0.1
_CHUNK = 64
_SLOWER = 20
"""A multiplication at a pair takes as long as so many of a matrix product."""
_TURN = 100
"""So does an entry of a matrix that is transposed."""


@final
@dataclass(frozen=True, eq=False)
class Pattern:
    """Some pairs (i_n, j_n) of a grid: (A Bᵀ)[i, j], and C B with C the matrix of values there.

    Parameters
    ----------
    i, j : int arrays of shape (n,)
    shape : (int, int)
        Of the grid.
    dots_by : {"sampled", "rows", "dense"}
        Scalar products pair by pair, of chunks of 64 pairs; products of a row of A with the rows
        of B that it meets; or the whole A Bᵀ, n_x · n_y numbers.
    spread_by : {"rows", "dense"}
        A sparse C, or a full one.
    """

    i: np.ndarray
    j: np.ndarray
    shape: tuple[int, int]
    dots_by: Way
    spread_by: Way

    @classmethod
    def of(cls, i: np.ndarray, j: np.ndarray, shape: tuple[int, int]) -> Pattern:
        """By the ways that are cheapest at this density."""
        density = len(i) / (shape[0] * shape[1])
        sampled = len(i) <= _FEW_IN_A_ROW * shape[0]
        dots_by: Way = "dense" if density > _ROWS else "sampled" if sampled else "rows"
        return cls(i, j, shape, dots_by, "dense" if density > _SPARSE else "rows")

    @cached_property
    def order(self) -> np.ndarray:
        """The pairs row by row."""
        return np.lexsort((self.j, self.i))

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The columns of all rows, one after the other, and where each row begins."""
        begin = np.searchsorted(self.i[self.order], np.arange(self.shape[0] + 1))
        return self.j[self.order].astype(np.int32), begin.astype(np.int32)

    def dots(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """(A Bᵀ)[i, j]: (n_x, k), (n_y, k) → (n,)."""
        if self.dots_by == "dense":
            return (A @ B.T)[self.i, self.j]
        # Rows are gathered: column by column in memory that would take far longer.
        A, B = np.ascontiguousarray(A), np.ascontiguousarray(B)
        out = np.empty(len(self.i), A.dtype)
        if self.dots_by == "sampled":
            for start in range(0, len(out), _CHUNK):
                some = slice(start, start + _CHUNK)
                out[some] = np.einsum("nk,nk->n", A[self.i[some]], B[self.j[some]])
            return out
        columns, begin = self.rows
        sorted_dots = np.empty_like(out)
        for row in range(len(A)):
            some = slice(begin[row], begin[row + 1])
            np.dot(B.take(columns[some], axis=0), A[row], out=sorted_dots[some])
        out[self.order] = sorted_dots
        return out

    def spread(self, c: np.ndarray, B: np.ndarray) -> np.ndarray:
        """C B: (n,), (n_y, k) → (n_x, k)."""
        if self.spread_by == "dense":
            C = np.zeros(self.shape, c.dtype)
            C[self.i, self.j] = c
            return C @ B
        return self.sparse(c) @ B

    def sparse(self, c: np.ndarray) -> csr_array:
        """C, of the values at the pairs."""
        return csr_array((c[self.order], *self.rows), shape=self.shape)


@final
@dataclass(frozen=True, eq=False)
class PairProducts:
    """h = (L M Rᵀ)[i, j] and its adjoint Lᵀ C R, with L, (n_x, p), and R, (n_y, q).

    A product of M with the factor of the side where that and the rest are cheaper, then the pairs.
    Beside the factors it holds n indices, and in a product max(n_x q, n_y p) numbers, with a dense
    way n_x n_y.
    """

    left: np.ndarray
    right: np.ndarray
    i: np.ndarray
    j: np.ndarray
    has_grams: bool = True
    """Whether L Lᵀ and R Rᵀ may be formed."""
    given: tuple[np.ndarray, np.ndarray] | None = None
    """These two up to rounding, where somebody has formed them."""

    @classmethod
    def of(cls, problem: GramProblem) -> PairProducts:
        """Those of a problem, with L = R_X and R = R_Y."""
        pairs: Pairs = problem.pairs
        factors = problem.factors
        grams = problem.gram_x, problem.gram_y
        formed = all(isinstance(gram, np.ndarray) and gram.dtype == float for gram in grams)
        given = problem.grams if formed else None
        has_grams = not problem.is_low_rank
        return cls(factors.left, factors.right, pairs.i, pairs.j, has_grams, given)

    @cached_property
    def turned(self) -> bool:
        """Whether M goes to the right factor first."""
        (n_x, p), (n_y, q), n = self.left.shape, self.right.shape, len(self.i)
        return n_y * p * q + _of_pairs(n, n_x * n_y) * p < n_x * p * q + _of_pairs(n, n_x * n_y) * q

    @cached_property
    def pattern(self) -> Pattern:
        """The pairs, by the rows of the side that M goes to."""
        n_x, n_y = len(self.left), len(self.right)
        if self.turned:
            return Pattern.of(self.j, self.i, (n_y, n_x))
        return Pattern.of(self.i, self.j, (n_x, n_y))

    def at_pairs(self, M: np.ndarray) -> np.ndarray:
        """(L M Rᵀ)[i, j]: (p, q) → (n,)."""
        if self.turned:
            return self.pattern.dots(self.right @ M.T, self.left)
        return self.pattern.dots(self.left @ M, self.right)

    def pull(self, c: np.ndarray) -> np.ndarray:
        """Lᵀ C R: (n,) → (p, q)."""
        if self.turned:
            return self.pattern.spread(c, self.left).T @ self.right
        return self.left.T @ self.pattern.spread(c, self.right)

    @cached_property
    def grams(self) -> tuple[np.ndarray, np.ndarray]:
        """L Lᵀ and R Rᵀ."""
        if self.given is not None:
            return self.given
        return self.left @ self.left.T, self.right @ self.right.T

    def gram(self, a: np.ndarray) -> np.ndarray:
        """(L Lᵀ A R Rᵀ)[i, j], the Gram matrix of the pairs times a: (n,) → (n,)."""
        K_X, K_Y = self.grams
        if self.turned:
            return self.pattern.dots(K_Y, np.ascontiguousarray(self.pattern.spread(a, K_X).T))
        return self.pattern.dots(K_X, np.ascontiguousarray(self.pattern.spread(a, K_Y).T))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of M, (p, q)."""
        return self.left.shape[1], self.right.shape[1]

    def by_factors(self, a: np.ndarray) -> np.ndarray:
        """``gram`` by way of M: its rounding is that of h."""
        return self.at_pairs(self.pull(a))

    def cheapest_gram(self, a: np.ndarray) -> np.ndarray:
        """``gram``, or by way of M where the ranks are small."""
        return self.gram(a) if self.cost_of_gram < self.cost_of_step else self.by_factors(a)

    def rows(self, some: slice, out: np.ndarray) -> np.ndarray:
        """Some rows of the Gram matrix of the pairs, in ``out``."""
        K_X, K_Y = self.grams
        np.take(K_X[self.i[some]], self.i, axis=1, out=out, mode="clip")
        out *= np.take(K_Y[self.j[some]], self.j, axis=1)
        return out

    @cached_property
    def cost_of_gram(self) -> float:
        """Of ``gram``, in multiplications of a matrix product; infinite without ``grams``."""
        if not self.has_grams:
            return np.inf
        n_x, n_y = len(self.left), len(self.right)
        return float(_of_pairs(len(self.i), n_x * n_y) * (n_x + n_y) + _TURN * n_x * n_y)

    @cached_property
    def cost_of_step(self) -> float:
        """Of ``at_pairs`` and ``pull`` together."""
        (n_x, p), (n_y, q), n = self.left.shape, self.right.shape, len(self.i)
        first, other = (n_y, p) if self.turned else (n_x, q)
        return float(2 * first * p * q + 2 * _of_pairs(n, n_x * n_y) * other)


@final
@dataclass(frozen=True, eq=False)
class SumProducts:
    """Σ_l of several ``PairProducts`` of the same pairs, with M of all, flat, one after the other.

    Parameters
    ----------
    terms : tuple of PairProducts
    """

    terms: tuple[PairProducts, ...]

    @cached_property
    def _splits(self) -> np.ndarray:
        return np.cumsum([math.prod(term.shape) for term in self.terms])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of M, (Σ p q,)."""
        return (int(self._splits[-1]),)

    def at_pairs(self, M: np.ndarray) -> np.ndarray:
        """Σ_l (L_l M_l R_lᵀ)[i, j]."""
        parts = zip(self.terms, np.split(M, self._splits[:-1]), strict=True)
        return added(term.at_pairs(part.reshape(term.shape)) for term, part in parts)

    def pull(self, c: np.ndarray) -> np.ndarray:
        """Its adjoint."""
        return np.concatenate([term.pull(c).ravel() for term in self.terms])

    def cheapest_gram(self, a: np.ndarray) -> np.ndarray:
        """The Gram matrix of the pairs, the sum of those of the terms, times a."""
        return added(term.cheapest_gram(a) for term in self.terms)

    def rows(self, some: slice, out: np.ndarray) -> np.ndarray:
        """Some rows of it, in ``out``."""
        first, *others = self.terms
        first.rows(some, out)
        for term in others:
            out += term.rows(some, np.empty_like(out))
        return out


def added(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of some arrays, one at least."""
    first, *others = parts
    for other in others:
        first = first + other
    return first


def _of_pairs(n: int, size: int) -> int:
    """What a column costs at n pairs of a grid: at most that of a matrix product."""
    return min(_SLOWER * n, size)
