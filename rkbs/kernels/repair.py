"""Similarities that are no Gram matrix, what makes one of them, and the rows of new objects."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from rkbs._arrays import as_matrix, first_equal, kind_error

_UNITS = 8
"""By so many units in the last place of max|λ| a shift is larger: rounding takes them away."""


class _Symmetric(NamedTuple):
    """S̄ = (S + Sᵀ)/2 = U diag(λ) Uᵀ, λ increasing, and what of λ is rounding."""

    matrix: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    rounding: float

    @property
    def negative(self) -> int:
        """How many eigenvalues are below rounding."""
        return int((self.eigenvalues < -self.rounding).sum())


class _Change(NamedTuple):
    """K = f(S̄) + δE, and k = r P for the row r of a new object."""

    gram: np.ndarray
    transform: np.ndarray | None = None
    shift: float = 0.0


class Repair(abc.ABC):
    """Makes a within-domain Gram matrix of similarities, learned from the training objects alone.

    S may be asymmetric: all repairs start from S̄ = (S + Sᵀ)/2. Of a new object no more is known
    than r, its similarities *to* the training objects, which are not averaged with anything.
    What needs no repair is not changed, to the last bit.

    ==============  ========================  ================================================
    repair          training matrix K         row k of a new object with similarities r
    ==============  ========================  ================================================
    ``Symmetrize``  S̄                         r
    ``Shift``       S̄ + δI, δ = −min λ        r U₊ U₊ᵀ, U₊ the eigenvectors of λ > min λ
    ``Clip``        U max(λ, 0) Uᵀ            r U₊ U₊ᵀ, U₊ the eigenvectors of λ > 0
    ``Flip``        U |λ| Uᵀ                  r U sign(λ) Uᵀ
    ==============  ========================  ================================================

    So k is in the range of K: what a machine predicts does not depend on coefficients along the
    directions that K has lost. ``Shift`` adds nothing, since a new object shares its δ with none. A
    training object that comes as a new one, with r = S̄_i, gets its training row back from ``Clip``,
    ``Flip`` and ``Symmetrize`` (k = K_i), from ``Shift`` all but the part of its own δ,
    K_i − k = δ U₊ U₊ᵀ e_i.

    Sources: Chen, Garcia, Gupta, Rahimi & Cazzanti (2009) for new rows of clip and flip; Roth,
    Laub, Kawanabe & Buhmann (2003) for the shift, which moves no distance between objects but by a
    constant.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Clip, Shift
    >>> S = np.array([[1.0, 2.0], [2.0, 1.0]])  # eigenvalues −1 and 3
    >>> Shift().learn(S).gram
    array([[2., 2.],
           [2., 2.]])
    >>> Clip().learn(S).rows([[1.0, 0.0]])  # of a new object: the part along (1, 1)
    array([[0.5, 0.5]])
    """

    def learn(self, similarities: Any, entities: Any = None) -> Repaired:
        """The repaired training matrix, and what was changed.

        Parameters
        ----------
        similarities : array of shape (n, n)
            S_ij, of the training object i to the training object j.
        entities : int array of shape (n,), optional
            Equal numbers for rows of one entity, which have equal similarities; then the δ of
            ``Shift`` is all theirs. By default each row is an entity.

        Raises
        ------
        TypeError, ValueError
            For what is no square matrix of finite numbers.
        """
        given = as_matrix(similarities, "similarities")
        if given.shape[0] != given.shape[1]:
            raise ValueError(f"similarities must be a square matrix, got shape {given.shape}")
        S = given.astype(float)
        asymmetry = float(np.abs(S - S.T).max())
        half = S if asymmetry == 0 else (S + S.T) / 2
        eigenvalues, eigenvectors = np.linalg.eigh(half)
        rounding = len(S) * np.finfo(float).eps * float(np.abs(eigenvalues).max())
        found = _Symmetric(half, eigenvalues, eigenvectors, rounding)
        change = self._change(found, entities) if found.negative else _Change(half)
        return Repaired(
            repair=self,
            gram=change.gram,
            transform=change.transform,
            shift=change.shift,
            asymmetry=asymmetry,
            eigenvalues=(float(eigenvalues[0]), float(eigenvalues[-1])),
            negative=found.negative,
            change=_relative(change.gram - S, S),
        )

    @abc.abstractmethod
    def _change(self, found: _Symmetric, entities: Any) -> _Change:
        """What becomes of an indefinite S̄."""


@final
@dataclass(frozen=True)
class Symmetrize(Repair):
    """K = (S + Sᵀ)/2, for similarities that are positive semi-definite but for their asymmetry.

    Examples
    --------
    >>> from rkbs import Symmetrize
    >>> Symmetrize().learn([[1.0, 0.5], [0.25, 1.0]])
    Repaired(Symmetrize(), asymmetry 0.25, eigenvalues 0.625 to 1.38, 0 negative, changed by 0.116)
    """

    def _change(self, found: _Symmetric, entities: Any) -> _Change:
        return _Change(found.matrix)


@final
@dataclass(frozen=True)
class Shift(Repair):
    """K = S̄ + δI, δ = max(0, −λ_min): an effect of its own for each object, as of ``Identity``.

    Similarities between different training objects stay as they are.

    Examples
    --------
    >>> from rkbs import Shift
    >>> Shift().learn([[1.0, 2.0], [2.0, 1.0]])  # by δ = 1
    Repaired(Shift(), asymmetry 0, eigenvalues -1 to 3, 1 negative, changed by 0.447)
    """

    def _change(self, found: _Symmetric, entities: Any) -> _Change:
        unit = np.finfo(float).eps * float(np.abs(found.eigenvalues).max())
        shift = _UNITS * unit - float(found.eigenvalues[0])
        if found.eigenvalues[-1] < 0:  # then all of K may be as small as the rounding of δ
            shift += found.rounding
        n = len(found.matrix)
        codes = np.arange(n) if entities is None else np.asarray(entities)
        gram = found.matrix + shift * np.equal.outer(codes, codes)
        if len(np.unique(codes)) == n:
            shifted, U = found.eigenvalues + shift, found.eigenvectors
        else:  # the δ of one entity is no multiple of the identity
            shifted, U = np.linalg.eigh(gram)
        lost = U[:, shifted <= n * np.finfo(float).eps * shifted[-1]]
        return _Change(gram, np.eye(n) - lost @ lost.T, shift)


@final
@dataclass(frozen=True)
class Clip(Repair):
    """K = U max(λ, 0) Uᵀ, the nearest positive semi-definite matrix in the Frobenius norm.

    Examples
    --------
    >>> from rkbs import Clip
    >>> Clip().learn([[1.0, 2.0], [2.0, 1.0]]).gram
    array([[1.5, 1.5],
           [1.5, 1.5]])
    """

    def _change(self, found: _Symmetric, entities: Any) -> _Change:
        return _of_spectrum(found, found.eigenvalues > found.rounding)


@final
@dataclass(frozen=True)
class Flip(Repair):
    """K = U |λ| Uᵀ, the square root of S̄²: negative directions count as positive ones.

    Examples
    --------
    >>> from rkbs import Flip
    >>> Flip().learn([[1.0, 2.0], [2.0, 1.0]]).gram
    array([[2., 1.],
           [1., 2.]])
    """

    def _change(self, found: _Symmetric, entities: Any) -> _Change:
        signs = np.where(np.abs(found.eigenvalues) > found.rounding, np.sign(found.eigenvalues), 0)
        return _of_spectrum(found, signs)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Repaired:
    """What a ``Repair`` has learned, and what it changed.

    Attributes
    ----------
    repair : Repair
    gram : array of shape (n, n)
        K, symmetric, and positive semi-definite unless the repair is ``Symmetrize``.
    transform : array of shape (n, n), or None
        P of k = r P; None where k = r.
    shift : float
        δ.
    asymmetry : float
        max|S − Sᵀ|.
    eigenvalues : (float, float)
        The least and the greatest of S̄.
    negative : int
        How many eigenvalues of S̄ are negative, beyond rounding.
    change : float
        ‖K − S‖_F / ‖S‖_F.

    Examples
    --------
    >>> from rkbs import Flip
    >>> found = Flip().learn([[1.0, 2.0], [2.0, 1.0]])
    >>> found
    Repaired(Flip(), asymmetry 0, eigenvalues -1 to 3, 1 negative, changed by 0.632)
    >>> found.rows([[1.0, 2.0]])  # the first object as a new one: its row of K
    array([[2., 1.]])
    """

    repair: Repair
    gram: np.ndarray
    transform: np.ndarray | None
    shift: float
    asymmetry: float
    eigenvalues: tuple[float, float]
    negative: int
    change: float

    def __repr__(self) -> str:
        least, greatest = self.eigenvalues
        return (
            f"Repaired({self.repair!r}, asymmetry {self.asymmetry:.3g}, eigenvalues {least:.3g} to "
            f"{greatest:.3g}, {self.negative} negative, changed by {self.change:.3g})"
        )

    @property
    def tells_training_objects(self) -> bool:
        """Whether a training object's row depends on its being known as one."""
        return self.asymmetry > 0 or self.shift > 0

    def rows(self, similarities: Any, same: np.ndarray | None = None) -> np.ndarray:
        """k of objects, from their similarities to the training objects.

        Parameters
        ----------
        similarities : array of shape (m, n)
        same : bool array of shape (m, n), optional
            Which of them are which training objects: these get their rows of ``gram``. By default
            all are new.

        Returns
        -------
        array of shape (m, n)
        """
        rows = as_matrix(similarities, "similarities")
        n = len(self.gram)
        if rows.shape[1] != n:
            raise ValueError(
                f"similarities must have {n} columns, one for each training object, got shape "
                f"{rows.shape}"
            )
        rows = rows if self.transform is None else rows @ self.transform
        if same is None or not same.any():
            return rows
        known = same.any(1)
        return np.where(known[:, None], self.gram[same.argmax(1)], rows)


REPAIRS: dict[str, Repair] = {
    "symmetrize": Symmetrize(),
    "shift": Shift(),
    "clip": Clip(),
    "flip": Flip(),
}
"""Every repair by its short name, which estimators take."""


def as_repair(repair: Any, name: str) -> Repair | None:
    """A repair by its short name, or itself; else an error that names the argument."""
    if repair is None or isinstance(repair, Repair):
        return repair
    if isinstance(repair, str):
        if repair in REPAIRS:
            return REPAIRS[repair]
        names = ", ".join(f'"{each}"' for each in REPAIRS)
        raise ValueError(f"{name} must be one of {names}, a Repair or None, got {repair!r}")
    raise kind_error(repair, name, Repair, ", one of its names or None")


def _of_spectrum(found: _Symmetric, factors: np.ndarray) -> _Change:
    """U diag(λ · factors) Uᵀ and U diag(factors) Uᵀ, with equal rows where S̄ has equal rows."""
    keep = factors != 0
    U, same = found.eigenvectors[:, keep], first_equal(found.matrix)
    gram = (U * (found.eigenvalues * factors)[keep]) @ U.T
    gram = (gram + gram.T) / 2
    transform = (U * factors[keep]) @ U.T
    both = np.ix_(same, same)
    return _Change(gram[both], transform[both])


def _relative(change: np.ndarray, matrix: np.ndarray) -> float:
    size = float(np.abs(matrix).max())
    if size == 0:
        return 0.0
    return float(np.linalg.norm(change / size) / np.linalg.norm(matrix / size))
