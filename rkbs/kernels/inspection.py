"""Diagnostics: what a kernel's Gram matrix is, before anything is solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import as_matrix, is_tensor, short_repr
from rkbs.kernels.base import Kernel


@final
@dataclass(frozen=True, eq=False)
class Inspection:
    """The numerical structure of K_ij = κ(x_i, y_j).

    "Numerical" means up to rounding: an eigenvalue or singular value within
    max(n, m) · eps · σ_1 of zero counts as zero, and an asymmetry up to n · eps as
    none. Certified statements are made by ``verify``.

    Attributes
    ----------
    kernel : Kernel
    shape : (int, int)
    minimum, maximum : float
        The smallest and the largest entry.
    singular_values : array
        In decreasing order; infinite where they leave the range of the dtype.
    rank : int
    condition : float
        σ_1 over the smallest singular value that is not numerically zero.
    effective_rank : float
        exp(entropy of σ/Σσ), Roy & Vetterli (2007).
    asymmetry : float or None
        ‖K − Kᵀ‖_F / ‖K‖_F when X = Y, else None.
    inertia : (int, int, int) or None
        How many eigenvalues of the symmetric part (K + Kᵀ)/2 are positive, zero, negative; for
        X = Y.
    lowest_eigenvalue : float or None
        Of the symmetric part.

    Examples
    --------
    >>> from rkbs import L2Distance, inspect
    >>> found = inspect(L2Distance(), [[0.0], [1.0], [3.0]])
    >>> found.rank, found.inertia, found.is_within_domain_gram
    (3, (1, 0, 2), False)
    >>> found.repair
    'shift'
    """

    kernel: Kernel
    shape: tuple[int, int]
    minimum: float
    maximum: float
    singular_values: np.ndarray
    rank: int
    condition: float
    effective_rank: float
    asymmetry: float | None
    inertia: tuple[int, int, int] | None
    lowest_eigenvalue: float | None

    __repr__ = short_repr

    @property
    def is_within_domain_gram(self) -> bool:
        """Whether K can serve as a within-domain Gram matrix: symmetric, none negative."""
        rounding = max(self.shape) * np.finfo(self.singular_values.dtype).eps
        symmetric = self.asymmetry is not None and self.asymmetry <= rounding
        return bool(symmetric and self.inertia[2] == 0)

    @property
    def repair(self) -> str | None:
        """The repair to begin with where K cannot serve as it is; None where it can, or X ≠ Y.

        ``"symmetrize"`` for what is only asymmetric, else ``"shift"``: ``repair_x`` and
        ``repair_y`` of machines take it, and cross-validation may find ``"clip"`` or ``"flip"``
        better. A distance is no similarity: repair τ − distance, or exp(−distance).
        """
        if self.inertia is None or self.is_within_domain_gram:
            return None
        return "shift" if self.inertia[2] else "symmetrize"

    def __str__(self) -> str:
        lines = [
            f"{self.kernel!r} on {self.shape[0]} × {self.shape[1]} points",
            f"  entries         {self.minimum:.4g} … {self.maximum:.4g}",
            f"  rank            {self.rank} of {min(self.shape)} (effective "
            f"{self.effective_rank:.1f})",
            f"  condition       {self.condition:.2g}",
        ]
        if self.asymmetry is not None:
            positive, zero, negative = self.inertia
            lines += [
                f"  asymmetry       {self.asymmetry:.2g}",
                f"  inertia         {positive} positive, {zero} zero, {negative} negative "
                f"(lowest {self.lowest_eigenvalue:.3g})",
                f"  within-domain   {'usable' if self.is_within_domain_gram else 'not usable'}: "
                "needs a symmetric matrix without negative eigenvalues",
            ]
        if self.repair is not None:
            lines.append(
                f'  repair          repair_x="{self.repair}" of a machine (repair_y for Y), also '
                "for new points"
            )
        return "\n".join(lines)


def inspect(kernel: Kernel, X: Any, Y: Any = None) -> Inspection:
    """Symmetry, inertia, rank and conditioning of a kernel on given points.

    Parameters
    ----------
    kernel : Kernel
    X : array of shape (n, d_x)
    Y : array of shape (m, d_y), optional
        X by default; then symmetry and inertia are reported, too.

    Returns
    -------
    Inspection
        Print it, or read its attributes.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, inspect
    >>> rng = np.random.default_rng(0)
    >>> x, WQ, WK = rng.normal(size=(20, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    >>> [inspect(kernel, x).is_within_domain_gram for kernel in (EDP(), EDP().pullback(WQ, WK))]
    [True, False]
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, got {kernel!r}")
    within = Y is None
    gram = _gram(kernel, X, X if within else Y)
    eps, gram = np.finfo(gram.dtype).eps, gram.astype(np.result_type(gram, np.float32), copy=False)
    # Of the matrix over its largest entry: no sum or square of it over- or underflows.
    size = float(np.abs(gram).max())
    unit = gram / size if size > 0 else gram
    sigma = np.linalg.svd(unit, compute_uv=False)
    rounding = max(gram.shape) * eps * sigma[0]
    rank = int((sigma > rounding).sum())
    weights = sigma[sigma > 0] / sigma.sum() if sigma[0] > 0 else np.ones(1)
    asymmetry = inertia = lowest = None
    if within:
        asymmetry = float(np.linalg.norm(unit - unit.T) / max(np.linalg.norm(unit), 1.0))
        eigenvalues = np.linalg.eigvalsh((unit + unit.T) / 2)
        negative, positive = (
            int((eigenvalues < -rounding).sum()),
            int((eigenvalues > rounding).sum()),
        )
        inertia = (positive, len(gram) - positive - negative, negative)
        lowest = float(eigenvalues[0]) * size
    return Inspection(
        kernel=kernel,
        shape=gram.shape,
        minimum=float(gram.min()),
        maximum=float(gram.max()),
        singular_values=_times(sigma, size),
        rank=rank,
        condition=float(sigma[0] / sigma[rank - 1]) if rank else float("inf"),
        effective_rank=float(np.exp(-(weights * np.log(weights)).sum())) if rank else 0.0,
        asymmetry=asymmetry,
        inertia=inertia,
        lowest_eigenvalue=lowest,
    )


def _gram(kernel: Kernel, X: Any, Y: Any) -> np.ndarray:
    """The Gram matrix as a numpy array."""
    points = as_matrix(X, "X"), as_matrix(Y, "Y")
    if all(is_tensor(given) and given.is_floating_point() for given in (X, Y)):
        # As tensors: a kernel's parameters and maps may be tensors themselves.
        points = [given.float() if given.dtype.itemsize < 4 else given for given in (X, Y)]
        return as_matrix(kernel(*points), "kernel(X, Y)")
    return kernel(*points)


def _times(sigma: np.ndarray, size: float) -> np.ndarray:
    """σ · size in σ's dtype, infinite beyond its range."""
    with np.errstate(over="ignore"):
        return sigma * sigma.dtype.type(size)
