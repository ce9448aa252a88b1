"""Exact leave-out on a grid that lacks few of its pairs, from the eigenbases of the whole grid.

A pair without response is one whose response is free: of the whole grid with zeros at the missing
pairs N, and an unpenalized unknown for each, the fit is that of the pairs there are. With L = I − H
of the whole grid and E the columns of these unknowns, and of the constant, the residual operator is
L − LE S⁻¹ EᵀL, S = EᵀLE. A set B of pairs that is left out takes the unknowns in B with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from rkbs._arrays import check_number, short_repr
from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Leave, Solution, State, check_leave
from rkbs.solvers.operators._leave_out import LeaveOut
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.incomplete import ConjugateGradient

_MOST = 100
"""With more missing pairs each α costs more than fits to five folds."""
_MOST_ENTRIES = 5_000_000
"""So many values on the grid are held for the missing pairs, twice."""
_REGULAR = 1e-5
"""A difference of positive numbers that is a smaller part of them loses too many digits."""


class DigitsLostError(ArithmeticError):
    """What the missing pairs explain is so nearly all that rounding decides upon the rest."""


class _System(NamedTuple):
    """D with L = (U ⊗ V) diag(D) (U ⊗ V)ᵀ, S = EᵀLE and its inverse."""

    left_over: np.ndarray
    S: np.ndarray
    inverse: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class MissingPairs(State[RidgeSolution]):
    """A grid that lacks few pairs: fits and exact leave-out in closed form, as of ``Spectral``.

    Beside what a complete grid takes, each α costs two products of the grid's size for every
    missing pair. A fit that rounding leaves above ``tol`` is made by ``ConjugateGradient``.

    Attributes
    ----------
    problem : OperatorProblem
        Without effects of rows and columns.
    tol : float
        Tolerance of the KKT residual in the certificate.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Cholesky, OperatorProblem, Pairs
    >>> from rkbs.solvers.operators._missing import MissingPairs
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> seen = x + y.T > 0  # all pairs but one
    >>> pairs, z = Pairs.from_mask(x, y, seen), (x - y.T)[seen]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), pairs, z, alpha=0.1)
    >>> exact = Cholesky().setup(problem).leave_out_residuals(0.1, "row")
    >>> bool(np.allclose(MissingPairs(problem).leave_out_residuals(0.1, "row"), exact))
    True
    """

    problem: OperatorProblem
    tol: float = 1e-10

    __repr__ = short_repr

    @staticmethod
    def suit(problem: OperatorProblem) -> bool:
        """Whether there are missing pairs, few of them, and no effects."""
        size = len(problem.pairs.X) * len(problem.pairs.Y)
        missing = size - len(problem.pairs)
        few = 0 < missing <= _MOST and missing * size <= _MOST_ENTRIES
        return few and problem.offsets.size == int(problem.offsets.constant)

    @cached_property
    def missing(self) -> tuple[np.ndarray, np.ndarray]:
        """Their rows and columns."""
        pairs = self.problem.pairs
        seen = np.zeros((len(pairs.X), len(pairs.Y)), dtype=bool)
        seen[pairs.i, pairs.j] = True
        i, j = np.nonzero(~seen)
        return i, j

    @cached_property
    def rotated(self) -> np.ndarray:
        """Uᵀ(Z − b)V, with zeros at the missing pairs; b the mean where there is a constant."""
        z = self.problem.z - self.problem.without_operator[0]
        U, V = (part.eigenvectors for part in self.problem.eigen)
        return U.T @ self.problem.pairs.matrix(z) @ V

    @cached_property
    def columns(self) -> np.ndarray:
        """UᵀEV for each column of E, the missing pairs' and that of the constant: (q, n_x, n_y)."""
        (U, V), (i, j) = (part.eigenvectors for part in self.problem.eigen), self.missing
        units = U[i][:, :, None] * V[j][:, None, :]
        if not self.problem.offsets.constant:
            return units
        return np.concatenate([units, np.outer(U.sum(0), V.sum(0))[None]])

    def _solve(self, problem: OperatorProblem, last: None) -> tuple[RidgeSolution, None]:
        alpha, (x, y) = problem.alpha, problem.eigen
        try:
            system = self._system(alpha)
        except DigitsLostError:
            return ConjugateGradient(self.tol).setup(problem).solve(alpha), None
        theta = self._theta(system)
        rest = self.rotated - self._spread(theta)
        M = np.sqrt(problem.factors.products) / (problem.factors.products + alpha)
        M *= rest[np.ix_(x.eigenvalues > 0, y.eigenvalues > 0)]
        c = problem.pairs.entries(x.eigenvectors @ (system.left_over * rest) @ y.eigenvectors.T)
        offsets = theta[len(self.missing[0]) :] + problem.without_operator[0]
        certificate = problem.certify(M, c, self.tol, offsets)
        if not certificate.passed:
            return ConjugateGradient(self.tol).setup(problem).solve(alpha), None
        stats = {"solver": "MissingPairs", "alpha": alpha}
        return Solution(problem, OperatorPoint(M, c, offsets), certificate, stats), None

    def leave_out_residuals(
        self, alpha: float, leave: Leave = "pair", groups: Groups | None = None
    ) -> np.ndarray:
        """z − ẑ for every pair, as of ``SpectralState``.

        Raises
        ------
        DigitsLostError
            Where what is left out depends on responses that are missing, up to rounding.
        """
        check_leave(leave)
        groups = groups or Groups.single(self.problem.pairs)
        system = self._system(check_number(alpha, "alpha", above=0.0))
        U, V = (part.eigenvectors for part in self.problem.eigen)
        left_out = LeaveOut(U, V, system.left_over, leave, groups)
        rest = self.rotated - self._spread(self._theta(system))
        return self.problem.pairs.entries(self._on_grid(left_out, system, rest))

    def _system(self, alpha: float) -> _System:
        x, y = self.problem.eigen
        left_over = alpha / (np.multiply.outer(x.eigenvalues, y.eigenvalues) + alpha)
        flat = self.columns.reshape(len(self.columns), -1)
        S = (flat * left_over.ravel()) @ flat.T
        return _System(left_over, S, _inverse(S[None], S)[0])

    def _spread(self, theta: np.ndarray) -> np.ndarray:
        """Uᵀ(Eθ)V."""
        return np.tensordot(theta, self.columns, 1)

    def _theta(self, system: _System) -> np.ndarray:
        """S⁻¹EᵀLz, refined once."""
        theta, rest = np.zeros(len(self.columns)), self.rotated
        for _ in range(2):
            theta = theta + system.inverse @ np.tensordot(self.columns, system.left_over * rest, 2)
            rest = self.rotated - self._spread(theta)
        return theta

    def _on_grid(self, left_out: LeaveOut, system: _System, rest: np.ndarray) -> np.ndarray:
        """The residuals of all pairs; of missing ones, of whatever response they have in z."""
        seen = np.stack([left_out.seen(column) for column in self.columns])  # LE
        c, pairs = left_out.seen(rest), self.problem.pairs
        label = left_out.groups.of_pairs(Pairs.grid(pairs.X, pairs.Y), left_out.leave)
        label = label.reshape(c.shape)
        if left_out.leave != "pair":
            blocks = self._blocks(left_out, label, system.S, seen, rest, c)
            return left_out.on_grid(blocks.reshape(c.shape))
        together = np.bincount(label.ravel())[label] > 1
        found = self._single(left_out.diagonal, seen, system.inverse, c, together)
        if together.any():
            found[together] = self._blocks(left_out, label, system.S, seen, rest, c, together)
        return found

    def _single(
        self,
        diagonal: np.ndarray,
        seen: np.ndarray,
        inverse: np.ndarray,
        c: np.ndarray,
        other: np.ndarray,
    ) -> np.ndarray:
        """Of pairs by themselves, but for the ``other`` and the missing ones."""
        own = diagonal - np.einsum("pij,pij->ij", seen, np.tensordot(inverse, seen, 1))
        other = other.copy()
        other[self.missing] = True
        if (own < _REGULAR * diagonal)[~other].any():
            raise DigitsLostError("a pair is all but decided by responses that are missing")
        return np.divide(c, own, out=np.zeros_like(c), where=~other)

    def _blocks(
        self,
        left_out: LeaveOut,
        label: np.ndarray,
        S: np.ndarray,
        seen: np.ndarray,
        rest: np.ndarray,
        c: np.ndarray,
        cells: np.ndarray | None = None,
    ) -> np.ndarray:
        """By Woodbury's identity, from solves with L_BB for each column of E beside that for z.

        Of all ``cells`` of the grid where those of a label are chosen, by default of all: (k,).
        """
        size, missing = len(seen), len(self.missing[0])
        cells = np.ones(label.shape, dtype=bool) if cells is None else cells
        plain = left_out.solved(rest, c)[cells]
        columns = zip(self.columns, seen, strict=True)
        moved = np.stack([left_out.solved(*column)[cells] for column in columns])
        names, block = np.unique(label[cells], return_inverse=True)
        order, ours = np.argsort(block, kind="stable"), seen[:, cells]
        begin = np.searchsorted(block[order], np.arange(len(names)))
        ours, theirs = ours[:, order], moved[:, order]
        within = np.stack([np.add.reduceat(row * theirs, begin, axis=1) for row in ours])
        right = np.add.reduceat(ours * plain[order], begin, axis=1).T  # (blocks, q)
        gone = np.zeros((len(names), size), dtype=bool)
        gone[:, :missing] = np.equal.outer(names, label[self.missing])
        inverse = _inverse(S - within.transpose(2, 0, 1), S, gone)
        theta = (inverse @ np.where(gone, 0.0, right)[:, :, None])[:, :, 0]
        return plain + (moved * theta[block].T).sum(0)


def _inverse(C: np.ndarray, S: np.ndarray, gone: np.ndarray | None = None) -> np.ndarray:
    """C⁻¹ on the unknowns that are not gone, zero on the others; of each of several (b, q, q).

    Raises
    ------
    DigitsLostError
        Where the information on an unknown beside all others is a rounding error of S.
    """
    scale = np.sqrt(S.diagonal())
    scaled = C / np.multiply.outer(scale, scale)
    gone = np.zeros(C.shape[:2], dtype=bool) if gone is None else gone
    scaled[gone[:, :, None] | gone[:, None, :]] = 0.0
    blocks, unknowns = np.nonzero(gone)
    scaled[blocks, unknowns, unknowns] = 1.0
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:
        raise DigitsLostError("responses that are missing cannot be told apart") from None
    inverse[blocks, unknowns, unknowns] = 0.0
    left = np.diagonal(inverse, axis1=1, axis2=2)
    if not ((left >= 0) & (left < 1 / _REGULAR)).all():
        raise DigitsLostError("responses that are missing cannot be told apart")
    return inverse / np.multiply.outer(scale, scale)
