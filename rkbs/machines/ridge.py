"""Ridge regression on pairs: the operator machine with Ω = ½‖T‖²."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from scipy.sparse import csr_array

from rkbs.data._entities import Entities
from rkbs.kernels.base import Kernel
from rkbs.kernels.low_rank import LeftOut, LowRank
from rkbs.kernels.repair import Repair
from rkbs.machines._samples import Samples
from rkbs.machines._solving import FixedAlphaMixin, RidgeSolver, check_solver, ridge_solver
from rkbs.machines._within import decomposed
from rkbs.machines.base import OperatorMachine
from rkbs.problems._grams import Gram
from rkbs.problems.certificates import KKTCertificate
from rkbs.problems.low_rank import LowRankGram
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._pair_weights import is_separable_grid
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.spectral import Spectral
from rkbs.terms.residual_losses import Squared


class RidgeMachine(OperatorMachine):
    """h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩ + offsets with the penalty (α/2) ‖T‖²: what fits share."""

    dual_coef_: np.ndarray
    certificate_: KKTCertificate

    def __init__(
        self,
        kernel_x: Kernel | None,
        kernel_y: Kernel | None,
        n_features_x: int | None,
        fit_intercept: bool,
        effects: tuple[str, ...],
        effects_alpha: float | None,
        repair_x: Repair | str | None,
        repair_y: Repair | str | None,
    ) -> None:
        super().__init__(kernel_x, kernel_y, n_features_x, fit_intercept, repair_x, repair_y)
        self.effects = effects
        self.effects_alpha = effects_alpha

    def _problem(self, samples: Samples, alpha: float) -> tuple[OperatorProblem, float]:
        """The problem of these pairs at one α, and the mean that its responses are less."""
        data, mean = self._data(samples, Squared())
        return OperatorProblem(**data, alpha=alpha), mean

    def _keep(self, solution: RidgeSolution, mean: float) -> None:
        """The attributes of a fit, or ``ConvergenceError``."""
        problem, (M, c, theta) = solution.check().problem, solution.value
        self._keep_offsets(problem.offsets, theta, mean)
        # The solution is the machine's own, and its arrays become those of the fit.
        self.dual_coef_ = self._at_pairs(problem, c)
        self.dual_coef_ /= problem.alpha
        self.query_coef_, self.key_coef_ = problem.factored_expansion(M, spend=True)
        self.certificate_ = solution.certificate

    def _at_pairs(self, problem: OperatorProblem, a: np.ndarray) -> Any:
        """The matrix (n_x, n_y) of coefficients at the pairs."""
        return problem.pairs._as_matrix(a)


@final
class BinaryKernelRidge(FixedAlphaMixin, RidgeMachine):
    """h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩ + b, minimizing ½ Σ_n (z_n − h(x_n, y_n))² + (α/2) ‖T‖²_{S_2}.

    By the representer theorem h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y) + b: a finite expansion
    over cross-domain pairs. On a complete grid A comes in closed form from two eigendecompositions.

    The constant b is not penalized and minimized jointly, so that Σ_ij A_ij = 0; it is the mean of
    the responses only where the operator happens to have none. With ``effects``
    h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩ + b + a_x + a'_y, an effect for each entity with the penalty
    (α_e/2) (‖a‖² + ‖a'‖²) beside (α/2) ‖T‖², found from the Schur complement of the n_x + n_y + 1
    unknowns. An entity that the fit did not have has the effect 0.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        The Mercer kernels k_X and k_Y within the two domains, ``RBF()`` by default. For a binary
        kernel κ(x, y), asymmetric or not, use ``BinaryKernelRidge.from_kernel(κ)``. ``Precomputed``
        takes a given Gram matrix, ``LowRank`` the features of a large domain, whose Gram matrix
        is then not formed. ``K + b * Identity() + c * Constant()`` gives each entity an
        effect of its own, and all of them a mean; ``Pairs`` says who is who. ``combine`` makes one
        of several kernels, with weights.
    alpha : float, default=1.0
        α > 0. The loss is a sum over pairs: the scale of α is that of ``KernelRidge``.
    fit_intercept : bool, default=True
        Whether there is a b; else it is 0, as in ``KernelRidge``.
    effects : tuple of {"row", "column"}, default=()
        Whether each entity behind the rows of X, of Y, has an effect. "Kernel + entity effect"
        within a domain, ``K + b * Identity()``, is another model: there the effect of x has an
        operator's value at every y.
    effects_alpha : float, optional
        α_e > 0, by default α.
    repair_x, repair_y : {"shift", "clip", "flip", "symmetrize"} or Repair, optional
        What makes the Gram matrix of X, of Y, symmetric positive semi-definite where the
        similarities are not; see ``Repair`` for the formulas. It is learned from the points in use,
        new ones follow it, and cross-validation can choose it.
    n_features_x : int, optional
        Only for plain arrays with rows [x | y], and needed where they have more than two columns:
        how many of them, from the left, describe x.
    solver : Solver, optional
        By default ``Spectral()`` on a complete grid without ``LowRank`` kernels, and with weights
        of pairs that are products u_i v_j, if any; else ``Cholesky()`` for up to 2000 pairs and
        ``ConjugateGradient()`` beyond.

    Attributes
    ----------
    query_coef_, key_coef_ : arrays of shape (n_x, r), (n_y, r)
        The fit in two factors, r the lesser numerical rank of the two Gram matrices: h(x, y) =
        q(x)·k(y) + b with q(x) = k_X(x, X_fit) ``query_coef_``, k(y) = k_Y(y, Y_fit) ``key_coef_``.
        ``query`` and ``key`` evaluate them, and predictions are made of them. Of a ``LowRank``
        kernel they have a row per feature: q(x) = φ(x) ``query_coef_``.
    dual_coef_ : array of shape (n_x, n_y), sparse where a kernel is ``LowRank``
        A = w (z − h)/α at the pairs, w their weights, zero where there was none: the coefficients
        of the expansion, of sum 0 with an intercept, over the points in use (``X_fit_`` ×
        ``Y_fit_``: rows of X and Y without any pair are dropped). k_X A k_Y loses the digits of
        λ_max/α, the largest eigenvalue of the pairs' Gram matrix over α, which predictions keep.
    intercept_ : float
        b, 0 without ``fit_intercept``.
    sample_weight_ : array of shape (n,), or None
        The weights of the pairs in use, those of weight 0 left out; None: all are 1.
    row_effects_, column_effects_ : arrays of shape (n_x,), (n_y,), or None
        The effects of the rows of ``X_fit_`` and ``Y_fit_``, where they were asked for.
    certificate_ : Certificate
        KKT residual and duality gap of the fit.
    X_fit_, Y_fit_ : arrays
        The training domains, copied, without the rows that occur in no pair: row k of
        ``dual_coef_`` belongs to ``X_fit_[k]``, the k-th row of X among ``np.unique(pairs.i)``.
    ids_x_, ids_y_ : arrays of objects, or None
        Who the rows of ``X_fit_`` and ``Y_fit_`` are, where the pairs came with ids.
    kernel_x_, kernel_y_ : Kernel
        The kernels of the fit.
    left_out_x_, left_out_y_ : LeftOut or None
        Of a ``LowRank`` kernel, what it leaves out of the Gram matrix of ``X_fit_``, ``Y_fit_``.
    repair_x_, repair_y_ : Repaired or None
        What the repairs changed.
    n_features_in_, n_features_x_ : int
    feature_names_in_x_, feature_names_in_y_ : arrays of str
        Where the domains came with names of their features, which predictions then expect.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit: NaN, shapes, an indefinite or asymmetric kernel.
    ConvergenceError
        When the certificate does not keep the solver's tolerance.

    Source: theory §3C. More examples are in the README and in notebook 01.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelRidge, Pairs
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> machine = BinaryKernelRidge(RBF(), RBF(), alpha=1e-6)
    >>> machine = machine.fit(Pairs.grid(x, y), np.sin(x + 2 * y.T))
    >>> machine.predict_grid([[0.5]], [[0.25]]).round(2), machine.certificate_.passed
    (array([[0.84]]), True)
    """

    left_out_x_: LeftOut | None
    left_out_y_: LeftOut | None
    _by_features = True

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        alpha: float = 1.0,
        n_features_x: int | None = None,
        solver: RidgeSolver | None = None,
        fit_intercept: bool = True,
        effects: tuple[str, ...] = (),
        effects_alpha: float | None = None,
        repair_x: Repair | str | None = None,
        repair_y: Repair | str | None = None,
    ) -> None:
        super().__init__(
            kernel_x,
            kernel_y,
            n_features_x,
            fit_intercept,
            effects,
            effects_alpha,
            repair_x,
            repair_y,
        )
        self.alpha = alpha
        self.solver = solver

    def _gram(self, kernel: Kernel, known: Entities, samples: Samples) -> Gram:
        """Of a kernel of low rank features; else the decomposition, if the solver needs no more."""
        if isinstance(kernel, LowRank):
            return LowRankGram(kernel.features(known.points))
        closed = is_separable_grid(samples.pairs, samples.weights)
        if closed and (self.solver is None or isinstance(self.solver, Spectral)):
            return decomposed(kernel, known)
        return super()._gram(kernel, known, samples)

    def _keep(self, solution: RidgeSolution, mean: float) -> None:
        super()._keep(solution, mean)
        self.left_out_x_, self.left_out_y_ = (
            kernel.left_out(X) if isinstance(kernel, LowRank) else None
            for kernel, X in ((self.kernel_x_, self.X_fit_), (self.kernel_y_, self.Y_fit_))
        )

    def _at_pairs(self, problem: OperatorProblem, a: np.ndarray) -> Any:
        """A sparse one of a problem of low rank: the grid may outgrow memory."""
        if not problem.is_low_rank:
            return super()._at_pairs(problem, a)
        shape = len(problem.pairs.X), len(problem.pairs.Y)
        return csr_array((a, (problem.pairs.i, problem.pairs.j)), shape=shape)

    def _solver(self, problem: OperatorProblem) -> RidgeSolver:
        known = "Spectral(), Cholesky(), ConjugateGradient()"
        if (solver := check_solver(self.solver, OperatorProblem, known)) is not None:
            return solver
        return ridge_solver(problem)
