"""Problems: objective, dual and optimality residual, so that any solution can be certified."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from typing import Self, final

import numpy as np

from rkbs._arrays import as_matrix, check_kinds, check_number, short_repr
from rkbs.certificates import KKTCertificate, relative_gap
from rkbs.losses import Loss, Squared
from rkbs.pairs import Pairs


@dataclass(frozen=True, eq=False)
class GramProblem(abc.ABC):
    """Data, loss and α of the operator reading: h_n = ⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩.

    Parameters
    ----------
    gram_x, gram_y : arrays of shape (n_x, n_x), (n_y, n_y)
        Within-domain Gram matrices: symmetric, positive semi-definite (the latter is checked
        where the eigenvalues are computed).
    pairs : Pairs
        Only its indices are used.
    z : array of shape (n,), or (n_x, n_y) for a complete grid
        Responses; labels −1 and 1 for the logistic and hinge losses.
    alpha : float
        α > 0, the regularization. The loss is a sum over pairs, as in scikit-learn's
        ``KernelRidge``; the paper's 1/(n_x n_y) average has λ = α/(n_x n_y).
    loss : Loss

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    """

    gram_x: np.ndarray
    gram_y: np.ndarray
    pairs: Pairs
    z: np.ndarray
    alpha: float
    loss: Loss = field(default_factory=Squared)

    def __post_init__(self) -> None:
        check_kinds(self, pairs=Pairs, loss=Loss)
        checked = {
            "gram_x": as_gram(self.gram_x, "gram_x", len(self.pairs.X)),
            "gram_y": as_gram(self.gram_y, "gram_y", len(self.pairs.Y)),
            "z": self.loss.check(check_scale(self.pairs.responses(self.z))),
            "alpha": check_number(self.alpha, "alpha", above=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @abc.abstractmethod
    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another α."""


@final
@dataclass(frozen=True, eq=False)
class OperatorProblem(GramProblem):
    """min_T Σ_n ℓ(⟨Φ_X(x_{i_n}), T Φ_Y(y_{j_n})⟩; z_n) + (α/2) ‖T‖²_{S_2}, the operator reading.

    By the representer theorem T* = Σ_n c_n Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}), so with K the Gram matrix
    of the pairs, K_{nm} = k_X(x_{i_n}, x_{i_m}) k_Y(y_{j_n}, y_{j_m}), it is
    min_c Σ ℓ((Kc)_n; z_n) + (α/2) cᵀKc. K is never formed: Kc = (K_X A K_Y)[i, j] with A the
    matrix that holds c at the pairs.

    The certificate is of the Gram matrices as given. Their rounding moves eigenvalues, also those
    that are zero, by up to n · eps · λ_max: for α near that of K (α ≲ 1e-14 λ_max) the optimum is
    one of the rounding, and the gap of the exact matrices can be larger.

    Parameters and errors: as of ``GramProblem``.

    Source: theory §3, reading C; Abernethy, Bach, Evgeniou & Vert (JMLR 2009).
    """

    __repr__ = short_repr

    def with_alpha(self, alpha: float) -> OperatorProblem:
        """The same problem at another α; itself where α is the same, without checking it again."""
        return self if alpha == self.alpha else replace(self, alpha=alpha)

    def values(self, c: np.ndarray) -> np.ndarray:
        """h = Kc, the machine's values at the pairs: (n,) → (n,)."""
        return self.pairs.values(self.gram_x @ self.pairs.matrix(c) @ self.gram_y)

    def objective(self, c: np.ndarray) -> float:
        """Σ ℓ(h_n; z_n) + (α/2) cᵀh, h = Kc."""
        return self._objectives(c, self.values(c))[0]

    def dual_objective(self, c: np.ndarray) -> float:
        """−Σ ℓ*(−α c_n; z_n) − (α/2) cᵀh, a lower bound of the optimum for every c."""
        return self._objectives(c, self.values(c))[1]

    def _objectives(self, c: np.ndarray, h: np.ndarray) -> tuple[float, float]:
        quadratic = self.alpha / 2 * (c @ h)
        primal = self.loss.value(h, self.z).sum() + quadratic
        dual = -self.loss.conjugate(-self.alpha * c, self.z).sum() - quadratic
        return float(primal), float(dual)

    def certify(self, c: np.ndarray, tolerance: float) -> KKTCertificate:
        """KKT residual and duality gap of the coefficients c, from one product with K."""
        h = self.values(c)
        residual = self.loss.gradient(h, self.z) + self.alpha * c
        scale = np.linalg.norm(self.loss.gradient(np.zeros_like(h), self.z))
        return KKTCertificate(
            kkt_residual=float(np.linalg.norm(residual) / max(scale, np.finfo(float).tiny)),
            relative_gap=relative_gap(*self._objectives(c, h)),
            tolerance=tolerance,
        )


def check_scale(z: np.ndarray) -> np.ndarray:
    """``z`` itself; a ``ValueError`` where its squares would leave the range of floats.

    Then neither the objective nor the certificate means anything (0/0, or inf/inf).
    """
    largest = np.abs(z).max()
    if largest > 0 and not 1e-140 < largest < 1e140:
        raise ValueError(
            f"z has the largest size {largest:.3g}, whose square leaves the range of float64: "
            "rescale the responses"
        )
    return z


def as_gram(gram: np.ndarray, name: str, size: int) -> np.ndarray:
    """Check a within-domain Gram matrix: square, of the domain's size, symmetric.

    Asymmetry at rounding level, n · eps · max|K| in the matrix's own precision, is averaged away;
    more is an error, because the closed form would silently solve another problem.
    """
    gram = as_matrix(gram, name)
    if gram.shape != (size, size):
        raise ValueError(
            f"{name} must have shape ({size}, {size}), a row per point, got {gram.shape}"
        )
    if np.array_equal(gram, gram.T):
        return gram
    gap = np.abs(gram - gram.T).max()
    if gap > size * np.finfo(gram.dtype).eps * np.abs(gram).max():
        raise ValueError(
            f"{name} must be symmetric, but max|K − Kᵀ| = {gap:.3g}: a within-domain Gram matrix "
            "is. For an asymmetric binary kernel κ use its within-domain kernels κ.domain_x and "
            "κ.domain_y (rkbs.diagnostics.inspect shows what a kernel has)."
        )
    return (gram + gram.T) / 2
