"""Linear algebra: eigendecompositions of Gram matrices with the factors they give, and an SVD."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from rkbs._arrays import first_equal, short_repr

_NONE = 1e-12
"""A vector with this part of its length outside a space counts as one of it."""
_PARTS = 4
"""Of a matrix that is worked on in parts: more of them slow its products down."""
_LEAST = 32
"""Rows of a part, of any but the last."""


@final
@dataclass(frozen=True, eq=False)
class Eigen:
    """K = U diag(s) Uᵀ with s ≥ 0, of a positive semi-definite Gram matrix.

    Eigenvalues below n · eps · λ_max are zero: the decomposition cannot tell them from zero, nor
    their eigenvectors from those of zero. Of equal rows of K the eigenvectors of the others are
    equal: else points under several ids would differ by rounding, and fits amplify the difference.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Linear
    >>> from rkbs.solvers import Eigen
    >>> x = np.array([[1.0], [2.0], [3.0]])
    >>> eigen = Eigen.of(Linear()(x, x), "gram")
    >>> eigen.range().eigenvalues.round(3), eigen.eigenvalues[:2]  # Σ x², and exact zeros
    (array([14.]), array([0., 0.]))
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    turn: np.ndarray | None = None
    """W with F W = U diag(s)^{1/2} on the range, where the matrix is F Fᵀ of features F."""

    __repr__ = short_repr

    @classmethod
    def of(cls, gram: np.ndarray, name: str, *, overwrite: bool = False) -> Eigen:
        """Decompose; eigenvalues below −n · eps · λ_max raise.

        Parameters
        ----------
        gram : array of shape (n, n)
        name : str
            What an error calls it.
        overwrite : bool
            Whether the eigenvectors may take the place of ``gram``, where that is float64 in
            Fortran's order: 3 n² doubles at the peak then, ``gram`` included, else 4.

        Raises
        ------
        ValueError
            If the matrix is indefinite: then the "penalty" would be unbounded below and the
            closed form a saddle point instead of a minimum.
        """
        import scipy.linalg  # not at the top: problems import this file, and rkbs is light

        same, dtype = first_equal(gram), gram.dtype
        matrix = gram if overwrite else np.array(gram, dtype=float, order="F")
        eigenvalues, eigenvectors = scipy.linalg.eigh(
            matrix, overwrite_a=True, check_finite=False, driver="evd"
        )
        rounding = len(same) * np.finfo(float).eps * np.abs(eigenvalues).max()
        _check_signs(eigenvalues, rounding, dtype, name)
        keep = eigenvalues > rounding
        if (np.bincount(same) > 1).any():
            eigenvectors[:, keep] = _alike(eigenvectors[:, keep], same)
        return cls(np.where(keep, eigenvalues, 0.0), eigenvectors)

    @classmethod
    def of_features(cls, F: np.ndarray, beside: np.ndarray) -> Eigen:
        """Of K = F Fᵀ, which is never formed: its range, and what of ``beside`` is not in it.

        By singular values of F, so that small eigenvalues keep the digits that F Fᵀ would lose.
        """
        Q, triangle = np.linalg.qr(F)
        A, sigma, turn = svd(triangle)
        keep = sigma**2 > len(F) * np.finfo(float).eps * (sigma**2).max(initial=0.0)
        keep = np.flatnonzero(keep)[::-1]  # eigenvalues increase
        U, same = Q @ A[:, keep], first_equal(F)
        if (np.bincount(same) > 1).any():
            U = _alike(U, same)
        zeros = _complement(U, beside)
        eigenvalues = np.concatenate([np.zeros(zeros.shape[1]), sigma[keep] ** 2])
        vectors = np.hstack([zeros, U]) if zeros.size else U
        return cls(eigenvalues, vectors, turn[keep].T)

    def range(self) -> Eigen:
        """The part with positive eigenvalues, the last ones, on the same memory."""
        first = int(np.count_nonzero(self.eigenvalues == 0))
        if not first:
            return self
        return Eigen(self.eigenvalues[first:], self.eigenvectors[:, first:], self.turn)

    def gram(self) -> np.ndarray:
        """U diag(s) Uᵀ, the matrix itself."""
        root = self.eigenvectors * np.sqrt(self.eigenvalues)
        return root @ root.T

    def dual(self, *, spend: bool = False) -> np.ndarray:
        """U diag(s)^{−1/2}, on the range; of features F the W with F W = U diag(s)^{1/2}.

        An array of its own, unless it may take the place of the eigenvectors.
        """
        if self.turn is not None:
            return self.turn if spend else self.turn.copy()
        out = self.eigenvectors if spend else self.eigenvectors.copy()
        out /= np.sqrt(self.eigenvalues)
        return out


@final
@dataclass(frozen=True, eq=False)
class Factors:
    """R_X = U diag(s)^{1/2} and R_Y = V diag(t)^{1/2}, with K_X = R_X R_Xᵀ and K_Y = R_Y R_Yᵀ.

    ``x`` and ``y`` are the eigendecompositions on the ranges of the Gram matrices.
    """

    x: Eigen
    y: Eigen

    __repr__ = short_repr

    @cached_property
    def left(self) -> np.ndarray:
        """R_X, (n_x, r_x), row by row in memory, whatever the order of the eigenvectors."""
        return np.multiply(self.x.eigenvectors, np.sqrt(self.x.eigenvalues), order="C")

    @cached_property
    def right(self) -> np.ndarray:
        """R_Y, (n_y, r_y)."""
        return np.multiply(self.y.eigenvectors, np.sqrt(self.y.eigenvalues), order="C")

    @cached_property
    def dual_left(self) -> np.ndarray:
        """U diag(s)^{−1/2}, (n_x, r_x): takes rows k_X(x, X) to rows of R_X, also at new x.

        Where features state the Gram matrix, (k, r_x): takes features to these rows.
        """
        return self.x.dual()

    @cached_property
    def dual_right(self) -> np.ndarray:
        """V diag(t)^{−1/2}, (n_y, r_y), or (k, r_y)."""
        return self.y.dual()

    @cached_property
    def products(self) -> np.ndarray:
        """s_a t_b, the eigenvalues of M ↦ R_Xᵀ (R_X M R_Yᵀ) R_Y, (r_x, r_y)."""
        return np.multiply.outer(self.x.eigenvalues, self.y.eigenvalues)

    @property
    def shape(self) -> tuple[int, int]:
        """Of M, (r_x, r_y)."""
        return len(self.x.eigenvalues), len(self.y.eigenvalues)

    @property
    def largest(self) -> float:
        """The largest of ``products``, 0 where there is none."""
        return float(self.x.eigenvalues.max(initial=0.0) * self.y.eigenvalues.max(initial=0.0))

    def push(self, M: np.ndarray) -> np.ndarray:
        """R_X M R_Yᵀ, the values on the grid: (r_x, r_y) → (n_x, n_y)."""
        out = np.empty((len(self.x.eigenvectors), len(self.y.eigenvectors)))
        for some, rows in self.pushed(M):
            out[some] = rows
        return out

    def pull(self, C: np.ndarray) -> np.ndarray:
        """R_Xᵀ C R_Y, its adjoint: (n_x, n_y) → (r_x, r_y)."""
        out = np.empty((len(self.x.eigenvalues), len(self.y.eigenvalues)))
        for some, rows in self.pulled(C):
            out[some] = rows
        return out

    def pushed(self, M: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """``push``, some rows after others, for what does not need the whole of it."""
        U, V = self.x.eigenvectors, self.y.eigenvectors
        for some in parts(len(U)):
            rows = (U[some] * np.sqrt(self.x.eigenvalues)) @ M
            rows *= np.sqrt(self.y.eigenvalues)
            rows = rows @ V.T
            yield some, rows

    def pulled(self, C: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """``pull``, some rows after others."""
        U, V = self.x.eigenvectors, self.y.eigenvectors
        for some in parts(len(self.x.eigenvalues)):
            rows = U[:, some].T @ C
            rows = rows @ V
            rows *= np.sqrt(self.x.eigenvalues[some])[:, None]
            rows *= np.sqrt(self.y.eigenvalues)
            yield some, rows


def parts(size: int) -> Iterator[slice]:
    """0 … size − 1 in four parts: a temporary of a part is a quarter of a matrix."""
    step = max(_LEAST, -(-size // _PARTS))
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def inner(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> np.ndarray:
    """A B C, some rows after others: neither A B nor B C is formed."""
    out = np.empty((len(A), C.shape[1]))
    for some in parts(len(A)):
        np.matmul(A[some] @ B, C, out=out[some])
    return out


def _alike(eigenvectors: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Each row the mean of the rows that are to equal it."""
    sums = np.zeros_like(eigenvectors)
    np.add.at(sums, same, eigenvectors)
    return sums[same] / np.bincount(same)[same, None]


def _complement(U: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what columns span beside those of U, (n, m')."""
    rest = beside
    for _ in range(2):  # the second time for what rounding left
        rest = rest - U @ (U.T @ rest)
    rest = rest[:, np.linalg.norm(rest, axis=0) > _NONE * np.linalg.norm(beside, axis=0)]
    if rest.shape[1] < 2:
        return rest / np.linalg.norm(rest, axis=0)
    basis, size, _ = svd(rest)
    return basis[:, size > _NONE * size[0]]


def _check_signs(eigenvalues: np.ndarray, rounding: float, dtype: np.dtype, name: str) -> None:
    """Refuse increasing eigenvalues of which the first is more negative than rounding makes it."""
    if eigenvalues[0] < -rounding:
        raise ValueError(
            f"{name} must be positive semi-definite, but has the eigenvalue {eigenvalues[0]:.3g} "
            f"(largest {eigenvalues[-1]:.3g}; it came in {dtype}, float64 leaves the least "
            "rounding): an indefinite kernel has no squared norm to penalize. Use a Mercer "
            "kernel within each domain; a non-Mercer κ(x, y) enters by its within-domain "
            "kernels κ.domain_x and κ.domain_y, similarities by an estimator's "
            'repair_x="shift", and a matrix of similarities G shifted: '
            "G = G.astype(float); G = G - np.linalg.eigvalsh(G)[0] * np.eye(len(G))."
        )


def svd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U diag(σ) Vᵀ, thin; by LAPACK's gesvd for the rare finite matrix on which gesdd fails."""
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        import scipy.linalg  # not at the top: problems import this file, and rkbs is light

        return scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")
