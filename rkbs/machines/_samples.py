"""What a fit sees of what it is given: pairs, responses, and the weights that are not zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import as_floating, check_finite
from rkbs._frames import to_numpy
from rkbs.data.pairs import Pairs
from rkbs.machines._tables import pairs_of_table


@final
@dataclass(frozen=True, eq=False)
class Samples:
    """The pairs of a fit, of those that were given without those of weight 0.

    Attributes
    ----------
    pairs : Pairs
        Over the rows in use.
    z : array of shape (n,)
    weights : array of shape (n,), or None
        Positive; None: all are 1.
    kept : bool array of shape (n_given,), or None
        Which of the given samples these are, None where all are.
    given : Pairs or None
        These pairs over all rows that came with them; None: they came as a table.
    """

    pairs: Pairs
    z: np.ndarray
    weights: np.ndarray | None
    kept: np.ndarray | None
    given: Pairs | None

    @classmethod
    def of(cls, machine: Any, X: Any, y: Any, sample_weight: Any) -> Samples:
        """Those of the arguments of ``fit``; sets ``n_features_in_``, and names of a table.

        Raises
        ------
        TypeError, ValueError
            Naming the argument that does not fit.
        """
        if isinstance(X, Pairs):
            if machine.n_features_x not in (None, X.X.shape[1]):
                raise ValueError(
                    f"n_features_x={machine.n_features_x!r} contradicts the Pairs, whose X has "
                    f"{X.X.shape[1]} columns: it is for plain arrays only"
                )
            machine.n_features_in_ = X.shape[1]
            pairs, z = X, X.responses(y)
        else:
            pairs, z = pairs_of_table(machine, X, y)
            z = pairs.responses(z)
        weights, kept = as_weights(sample_weight, pairs), None
        if weights is not None and not weights.all():
            kept = weights > 0
            pairs, z, weights = pairs[kept], z[kept], weights[kept]
        if weights is not None and (weights == 1).all():
            weights = None
        given = pairs if isinstance(X, Pairs) else None
        return cls(pairs.compact(), z, weights, kept, given)


def restored(values: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    """Values of the samples that were kept, NaN for those of weight 0: (n,) → (n_given,)."""
    if kept is None:
        return values
    out = np.full(len(kept), np.nan)
    out[kept] = values
    return out


def as_weights(sample_weight: Any, pairs: Pairs) -> np.ndarray | None:
    """The weights of all pairs, (n,), also from the matrix of a complete grid; None for None.

    Raises
    ------
    TypeError, ValueError
        For what is no array of numbers, another shape, NaN or infinity, negative weights and zeros
        alone.
    """
    if sample_weight is None:
        return None
    weights = as_floating(to_numpy(sample_weight, "sample_weight"), "sample_weight").astype(float)
    check_finite(weights, "sample_weight", ": a pair that is not to count has the weight 0")
    grid = (len(pairs.X), len(pairs.Y))
    if pairs.is_complete and weights.shape == grid:
        weights = pairs.entries(weights)
    if weights.shape != (len(pairs),):
        expected = f"({len(pairs)},)" + f" or {grid}" * pairs.is_complete
        raise ValueError(
            f"sample_weight must hold a weight for each pair, shape {expected}, got shape "
            f"{weights.shape}"
        )
    if (weights < 0).any():
        k = int(np.argmax(weights < 0))
        raise ValueError(
            f"sample_weight must not be negative, got {weights[k]:.3g} for pair {k}: a pair that "
            "is not to count has the weight 0"
        )
    if not weights.any():
        raise ValueError(
            "sample_weight must hold a weight above zero for one pair at least, got zeros alone"
        )
    return weights
