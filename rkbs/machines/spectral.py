"""The operator machine for any loss and any penalty on singular values."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from rkbs._arrays import kind_error
from rkbs.kernels.base import Kernel
from rkbs.kernels.repair import Repair
from rkbs.machines._samples import Samples
from rkbs.machines._solving import FixedAlphaMixin, SpectralSolver, check_solver
from rkbs.machines.base import OperatorMachine
from rkbs.problems.certificates import GapCertificate
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.base import SchattenSolution
from rkbs.solvers.operators.factorized import Factorized
from rkbs.solvers.operators.spectral_newton import SpectralNewton
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten, SpectralPenalty
from rkbs.terms.weighted import without_weights

_LARGE = 100
"""From so many points of each domain on factors of low rank cost less than whole matrices."""


class SchattenMachine(OperatorMachine):
    """h(x, y) = q(x)·k(y) + b, minimizing Σ_n ℓ(h(x_n, y_n); z_n) + α Ω(T): what fits share.

    Predictions are made of the two factors of the fit, never of A = Q Kᵀ, which loses digits.
    """

    alpha_max_: float
    certificate_: GapCertificate
    iota_coef_: np.ndarray
    rank_: int
    singular_values_: np.ndarray

    def __init__(
        self,
        kernel_x: Kernel | None,
        kernel_y: Kernel | None,
        loss: Loss | None,
        penalty: SpectralPenalty | None,
        n_features_x: int | None,
        solver: SpectralSolver | None,
        fit_intercept: bool,
        repair_x: Repair | str | None,
        repair_y: Repair | str | None,
    ) -> None:
        super().__init__(kernel_x, kernel_y, n_features_x, fit_intercept, repair_x, repair_y)
        self.loss = loss
        self.penalty = penalty
        self.solver = solver

    @property
    def dual_coef_(self) -> np.ndarray:
        """A = Q Kᵀ, the coefficients of the expansion over all observed points, (n_x, n_y)."""
        return self.query_coef_ @ self.key_coef_.T

    def _problem(self, samples: Samples, alpha: float) -> tuple[SchattenProblem, float]:
        """The problem of these pairs at one α, and the mean that its responses are less."""
        loss = Squared() if self.loss is None else self.loss
        if not isinstance(loss, Loss):
            raise kind_error(loss, "loss", Loss)
        penalty = Schatten(1.0) if self.penalty is None else self.penalty
        data, mean = self._data(samples, loss)
        problem = SchattenProblem(**data, alpha=alpha, penalty=penalty)
        self.alpha_max_ = problem.zero_threshold()
        return problem, mean

    def _solver(self, problem: SchattenProblem) -> SpectralSolver:
        known = "ADMM(), Factorized(), SpectralNewton()"
        if (solver := check_solver(self.solver, SchattenProblem, known)) is not None:
            return solver
        penalty, loss = problem.penalty, problem.loss
        if penalty == Schatten(1.0):
            large = min(len(problem.pairs.X), len(problem.pairs.Y)) >= _LARGE
            return Factorized(tol=1e-6) if loss.smooth and large else ADMM(tol=1e-6)
        # Huber's ℓ' has kinks, and no curvature far off: in either chart Newton's method can stall.
        twice = penalty.is_twice_differentiable or penalty.is_dual_twice_differentiable
        smooth = loss.smooth and twice and not isinstance(without_weights(loss), Huber)
        return SpectralNewton() if smooth else ADMM(tol=1e-6)

    def _keep(self, solution: SchattenSolution, mean: float) -> None:
        """The attributes of a fit, or ``ConvergenceError``."""
        problem = solution.problem
        share = problem.alpha / self.alpha_max_ if self.alpha_max_ > 0 else math.inf
        known = 0 < share < math.inf
        solution.check(f"alpha is {share:.3g} of alpha_max_ = {self.alpha_max_:.3g}" * known)
        self._keep_offsets(problem.offsets, solution.value.theta, mean)
        factored = problem.factored_expansion(solution.value.M)
        self.query_coef_, self.key_coef_, self.singular_values_ = factored
        self.rank_ = self.query_coef_.shape[1]
        self.iota_coef_ = problem.pairs.matrix(solution.value.c) / problem.alpha
        self.certificate_ = solution.certificate


@final
class BinaryKernelMachine(FixedAlphaMixin, SchattenMachine):
    """h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩ + b, minimizing Σ_n ℓ(h(x_n, y_n); z_n) + α Ω(T).

    By the representer theorem h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y) + b. The constant b is
    not penalized and minimized jointly: in the dual Σ_n c_n = 0. Unless Ω = ½‖T‖² the sum
    is over the whole grid of observed points, also where only some of its pairs were observed.
    With the nuclear norm, the default, T has low rank, and h(x, y) = q(x)·k(y) + b with as
    many features: attention logits linear in these features, fitted to the global optimum.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        The Mercer kernels k_X and k_Y within the two domains, ``RBF()`` by default. For a binary
        kernel κ(x, y), asymmetric or not, use ``BinaryKernelMachine.from_kernel(κ)``.
    loss : Loss, optional
        ℓ, ``Squared()`` by default. ``Logistic()`` and ``Hinge()`` take responses z = ±1.
    penalty : SpectralPenalty, optional
        Ω, ``Schatten(1)`` (the nuclear norm) by default. ``Schatten(2)`` with the squared loss is
        ``BinaryKernelRidge`` at the same α.
    alpha : float, default=1.0
        α > 0. The loss is a sum over pairs.
    fit_intercept : bool, default=True
        Whether there is a b; else it is 0. Labels of one class have no b with ``Logistic()``.
    n_features_x : int, optional
        Only for plain arrays with rows [x | y], and needed where they have more than two columns:
        how many of them, from the left, describe x.
    solver : Solver, optional
        By default ``SpectralNewton()`` where the loss and Ω are smooth enough: Ω or Ω* twice
        differentiable (``Schatten(p)``, p > 1) and ℓ' without kinks, which ``Huber`` has. For the
        nuclear norm and a smooth loss ``Factorized(tol=1e-6)`` from 100 points of each domain on.
        Else ``ADMM(tol=1e-6)``, which can miss its tolerance where α is so weak that labels are
        separated, and then says so.
    repair_x, repair_y : {"shift", "clip", "flip", "symmetrize"} or Repair, optional
        As in ``BinaryKernelRidge``.

    Attributes
    ----------
    query_coef_, key_coef_ : arrays of shape (n_x, rank_), (n_y, rank_)
        The fit in two factors: h(x, y) = q(x)·k(y) + b with q(x) = k_X(x, X_fit) ``query_coef_``
        and k(y) = k_Y(y, Y_fit) ``key_coef_``. ``query`` and ``key`` evaluate them.
    intercept_ : float
        b, 0 without ``fit_intercept``.
    sample_weight_ : array of shape (n,), or None
        The weights of the pairs in use, those of weight 0 left out; None: all are 1.
    dual_coef_ : array of shape (n_x, n_y)
        A = ``query_coef_ @ key_coef_.T``, formed when asked for. It is over the whole grid of the
        points in use (``X_fit_`` × ``Y_fit_``). Where a Gram matrix is singular A is not unique,
        and this is the one in the ranges of both. With smooth kernels its entries can reach 1e9 and
        k_X A k_Y loses as many digits, which predictions, made of the factors, keep.
    iota_coef_ : array of shape (n_x, n_y)
        C/α, zero where there was no pair: ∇Ω(T) = Σ_n (c_n/α) Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}), an
        expansion over the observed pairs (for the nuclear norm, a member of ∂‖T‖_*).
    singular_values_ : array
        The singular values of T, decreasing.
    rank_ : int
        How many of them are above rounding: the head dimension of h.
    certificate_ : Certificate
        The duality gap of the fit, for the Gram matrices rounded to their numerical rank: see
        ``SchattenProblem`` for what that leaves open where α is near rounding.
    alpha_max_ : float
        ``SchattenProblem.zero_threshold``: from this α on T = 0, and h = b the best constant.
        Infinite unless Ω has a slope at 0, as the nuclear norm has. A useful α is a fraction of it.
    X_fit_, Y_fit_ : arrays
        The training domains, copied; rows without any pair are dropped.
    ids_x_, ids_y_ : arrays of objects, or None
        Who the rows of ``X_fit_`` and ``Y_fit_`` are, where the pairs came with ids.
    kernel_x_, kernel_y_ : Kernel
        The kernels of the fit.
    repair_x_, repair_y_ : Repaired or None
        What the repairs changed.
    n_features_in_, n_features_x_ : int
    feature_names_in_x_, feature_names_in_y_ : arrays of str
        Where the domains came with names of their features, which predictions then expect.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    ConvergenceError
        When the certificate does not keep the solver's tolerance.

    Notes
    -----
    ``predict`` returns h: for labels z = ±1 that is the logit, or the hinge loss's decision value,
    whose sign is the label. ``score`` is R² of h, whatever the loss; for labels, score with
    ``make_scorer(roc_auc_score)`` of ``sklearn.metrics``, or compare the predictions' signs.

    Source: theory §3, reading C.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelMachine, Pairs
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> machine = BinaryKernelMachine(RBF(), RBF(), alpha=0.01)
    >>> machine = machine.fit(Pairs.grid(x, y), np.sin(x + 2 * y.T))
    >>> machine.rank_, machine.query(x).shape, machine.certificate_.passed
    (2, (8, 2), True)
    """

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        loss: Loss | None = None,
        penalty: SpectralPenalty | None = None,
        alpha: float = 1.0,
        n_features_x: int | None = None,
        solver: SpectralSolver | None = None,
        fit_intercept: bool = True,
        repair_x: Repair | str | None = None,
        repair_y: Repair | str | None = None,
    ) -> None:
        super().__init__(
            kernel_x,
            kernel_y,
            loss,
            penalty,
            n_features_x,
            solver,
            fit_intercept,
            repair_x,
            repair_y,
        )
        self.alpha = alpha
