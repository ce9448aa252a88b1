"""Whether a pair's coefficients are functions: the ranks of its feature maps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._frames import to_numpy
from rkbs.kernels.features import MappedFeatures
from rkbs.kernels.pullback import LinearMap

_NO_MATRIX = (
    "{} has no matrix whose rank tells its span: pass points X and Y, on which the ranks are then "
    "computed; got {}"
)


@final
@dataclass(frozen=True)
class FunctionSpaces:
    """How far v ↦ f_v and u ↦ g_u of a pair are one-to-one (Definition 2), in numbers.

    v ↦ f_v = ⟨Φ_X(·), v⟩ is one-to-one iff Φ_X(X) spans F_X (D features), and likewise g_u. Only
    then are ‖f_v‖ = ‖v‖ and ⟨f_v, g_u⟩ = ⟨u, v⟩ a norm and a pairing *of functions*: else some
    f_n with n ≠ 0 is the zero function, and ⟨u, n⟩ ≠ 0 for some g_u. A quotient norm mends the
    norm and not the pairing. What is left by annihilators is the pair of the spans of sections,
    span{κ(·, y)} and span{κ(x, ·)}, of dimension ``rank_kernel`` each; all of Theorem 1 that is
    about f and g alone (reading A) stays true with the quotient norm, which its ι attains.

    Parameters
    ----------
    dim : int
        D.
    rank_x, rank_y : int
        The dimensions of the spans of Φ_X(X) and Φ_Y(Y).
    rank_kernel : int
        The rank of κ on X × Y.
    on_points : bool
        Whether these are ranks on given points, numerically: more points may have more. Else they
        are those of open domains, whatever they are.

    Source: theory §1.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, RKBSPair
    >>> spaces = RKBSPair.from_kernel(EDP(), d=2, order=2)
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0]])  # too few to tell six features apart
    >>> spaces.function_spaces().one_to_one, spaces.function_spaces(points, points).rank_x
    (True, 2)
    """

    dim: int
    rank_x: int
    rank_y: int
    rank_kernel: int
    on_points: bool

    @classmethod
    def of_maps(cls, features_x: Any, features_y: Any) -> FunctionSpaces:
        """On domains with interior, of Φ(W^Q x) and SΦ(W^K y) with the same power features Φ.

        Raises
        ------
        TypeError
            For any other feature maps: their spans are known on points only.
        """
        W_x, W_y = _matrix(features_x, "features_x"), _matrix(features_y, "features_y")
        features = features_x.features
        if features != features_y.features:
            raise TypeError(_NO_MATRIX.format("features_y", f"other features than {features!r}"))
        degrees = np.unique(features.indices.sum(1)).tolist()
        ranks = (np.linalg.matrix_rank(W) for W in (W_x, W_y, W_x.T @ W_y))
        return cls(features.dim, *(power_rank(degrees, int(r)) for r in ranks), on_points=False)

    @classmethod
    def on_points_of(cls, phi_x: np.ndarray, phi_y: np.ndarray) -> FunctionSpaces:
        """Of the features (n, D), (m, D) of points, numerically."""
        rank = int(np.linalg.matrix_rank(phi_x @ phi_y.T))
        return cls(phi_x.shape[1], column_rank(phi_x), column_rank(phi_y), rank, on_points=True)

    @property
    def one_to_one(self) -> bool:
        """Whether both maps are one-to-one, so that this is a pair of function spaces."""
        return self.rank_x == self.rank_y == self.dim

    def check(self) -> FunctionSpaces:
        """Itself, if it is a pair of function spaces; else ``ValueError`` with what it lacks."""
        if self.one_to_one:
            return self
        sides = (("v ↦ f_v", "Φ_X(X)", self.rank_x), ("u ↦ g_u", "Φ_Y(Y)", self.rank_y))
        lacking = [
            f"{map_} is not one-to-one, as {span} spans {rank} of {self.dim} dimensions"
            for map_, span, rank in sides
            if rank < self.dim
        ]
        more = (
            "on these points (take more of them, or none for the ranks that linear maps give)"
            if self.on_points
            else "since a map has not full row rank: take d = r, the rank of M = W^Qᵀ W^K = U Vᵀ, "
            "with map_x = (r/d)^(1/4) Uᵀ and map_y = (r/d)^(1/4) Vᵀ, which leave κ as it is "
            "(r = 0: κ is constant, and there is nothing to learn)"
        )
        raise ValueError(f"this is no pair of function spaces: {'; '.join(lacking)} {more}")


def _matrix(features: Any, name: str) -> np.ndarray:
    """W of features Φ(Wx)."""
    if not isinstance(features, MappedFeatures):
        raise TypeError(_NO_MATRIX.format(name, repr(features)))
    if features.map is None:
        return np.eye(features.features.d)
    if not isinstance(features.map, LinearMap):
        raise TypeError(_NO_MATRIX.format(name, repr(features.map)))
    return to_numpy(features.map.matrix, name).astype(float)


def power_rank(degrees: Iterable[int], rank: int) -> int:
    """Σ_n C(ρ + n − 1, n) over the degrees: the dimension of polynomials of ρ linear forms.

    That of the features φ_r(Wx), |r| in ``degrees``, on an open set of x, ρ = rank W; and with
    ρ = rank M the rank of Σ_n c_n (xᵀMy)ⁿ, c_n ≠ 0.
    """
    return sum(math.comb(rank + n - 1, n) if rank else int(n == 0) for n in degrees)


def column_rank(features: np.ndarray) -> int:
    """The rank of features (n, D), numerically, each column over its largest entry.

    Features of high order are small by their weights alone, which the rank does not see.
    """
    largest = np.abs(features).max(0)
    return int(np.linalg.matrix_rank(features / np.where(largest > 0, largest, 1.0)))
