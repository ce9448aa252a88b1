"""The eigendecomposition of a within-domain Gram matrix, and the signs of its eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import short_repr


@final
@dataclass(frozen=True, eq=False)
class Eigen:
    """K = U diag(s) Uᵀ with s ≥ 0, of a positive semi-definite Gram matrix."""

    values: np.ndarray
    vectors: np.ndarray

    __repr__ = short_repr

    @classmethod
    def of(cls, gram: np.ndarray, name: str) -> Eigen:
        """Decompose; eigenvalues below −n · eps · λ_max raise, smaller negative ones are rounding.

        Raises
        ------
        ValueError
            If the matrix is indefinite: then the "penalty" would be unbounded below and the
            closed form a saddle point instead of a minimum.
        """
        values, vectors = np.linalg.eigh(gram.astype(float, copy=False))
        _check_signs(values, gram, name)
        return cls(np.maximum(values, 0.0), vectors)

    def range(self) -> Eigen:
        """The part with eigenvalues above n · eps · λ_max: the rest is zero to rounding."""
        rounding = len(self.vectors) * np.finfo(float).eps * self.values.max(initial=0.0)
        keep = self.values > rounding
        return Eigen(self.values[keep], self.vectors[:, keep])


def check_semidefinite(gram: np.ndarray, name: str) -> None:
    """The ``ValueError`` of ``Eigen.of``, from eigenvalues alone: a fraction of its time."""
    _check_signs(np.linalg.eigvalsh(gram.astype(float, copy=False)), gram, name)


def _check_signs(values: np.ndarray, gram: np.ndarray, name: str) -> None:
    """Refuse increasing eigenvalues of which the first is more negative than rounding makes it."""
    rounding = len(gram) * np.finfo(float).eps * np.abs(values).max()
    if values[0] < -rounding:
        raise ValueError(
            f"{name} must be positive semi-definite, but has the eigenvalue {values[0]:.3g} "
            f"(largest {values[-1]:.3g}; it came in {gram.dtype}, float64 leaves the least "
            "rounding): an indefinite kernel has no squared norm to penalize. Use a Mercer "
            "kernel within each domain; a non-Mercer κ(x, y) enters by its within-domain "
            "kernels κ.domain_x and κ.domain_y."
        )
