"""Ridge with a sum of products of kernels, one operator for each product."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, final

import numpy as np

from rkbs._arrays import kind_error
from rkbs.data._entities import Entities
from rkbs.kernels.base import Kernel
from rkbs.kernels.distance import RBF
from rkbs.kernels.pairwise import PairwiseProduct, PairwiseSum
from rkbs.machines._solving import check_solver
from rkbs.machines._within import between, gram, within_domain
from rkbs.machines.pair_machine import PairMachine
from rkbs.problems.certificates import KKTCertificate
from rkbs.problems.pairwise import PairwiseProblem
from rkbs.solvers.base import solve
from rkbs.solvers.operators.pairwise import PairwiseConjugateGradient, PairwiseSolution
from rkbs.terms.residual_losses import Squared


@final
class PairwiseKernelRidge(PairMachine):
    """h(x, y) = Σ_l ⟨Φ_X^l(x), T_l Φ_Y^l(y)⟩ + b, minimizing ½ Σ_n (z_n − h_n)² + (α/2) Σ_l ‖T_l‖².

    Ridge with the kernel Σ_l w_l k_X^l(x, x') k_Y^l(y, y') of pairs, whose features are those of
    all products: h(x, y) = Σ_n a_n Σ_l w_l k_X^l(x, x_n) k_Y^l(y_n, y) + b over the observed pairs,
    with the same coefficients for each. ``BinaryKernelRidge`` is that of one product. The weights
    w_l are one parameter, ``kernel__weights``, which a search can set.

    Parameters
    ----------
    kernel : PairwiseSum, optional
        One product of ``RBF()`` in both domains by default.
    alpha : float, default=1.0
        α > 0. The loss is a sum over pairs.
    n_features_x : int, optional
        Only for plain arrays with rows [x | y], and needed where they have more than two columns:
        how many of them, from the left, describe x.
    solver : PairwiseConjugateGradient, optional
    fit_intercept, effects, effects_alpha
        As in ``BinaryKernelRidge``.

    Attributes
    ----------
    query_coef_, key_coef_ : tuples of arrays of shape (n_x, r_l), (n_y, r_l)
        Of each product of weight above 0: h(x, y) = Σ_l q_l(x)·k_l(y) + b with q_l(x) =
        k_X^l(x, X_fit) ``query_coef_[l]``, k_l(y) = k_Y^l(y, Y_fit) ``key_coef_[l]``. ``query`` and
        ``key`` have those of all products side by side.
    dual_coef_ : array of shape (n_x, n_y)
        a at the pairs, zero where there was none.
    kernel_ : PairwiseSum
        The kernel of the fit, without products of weight 0.
    intercept_ : float
        b, 0 without ``fit_intercept``.
    row_effects_, column_effects_ : arrays of shape (n_x,), (n_y,), or None
    certificate_ : Certificate
        KKT residual and duality gap of the fit, of all operators together.
    sample_weight_ : array of shape (n,), or None
        The weights of the pairs in use, where there were any but 1.
    X_fit_, Y_fit_, ids_x_, ids_y_, n_features_in_, n_features_x_
        As in ``BinaryKernelRidge``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    ConvergenceError
        When the certificate does not keep the solver's tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Constant, Linear, Pairs
    >>> from rkbs.kernels import PairwiseSum
    >>> from rkbs.machines import PairwiseKernelRidge
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> kernel = PairwiseSum([(RBF(), Constant()), (Constant(), RBF()), (Linear(), Linear())])
    >>> machine = PairwiseKernelRidge(kernel, alpha=1e-6)
    >>> machine = machine.fit(Pairs.grid(x, y), np.sin(3 * x) + np.cos(2 * y.T) + x * y.T)
    >>> machine.predict_grid([[0.5]], [[0.25]]).round(2), machine.certificate_.passed
    (array([[2.]]), True)
    """

    kernel_: PairwiseSum
    certificate_: KKTCertificate
    dual_coef_: np.ndarray
    key_coef_: tuple[np.ndarray, ...]
    query_coef_: tuple[np.ndarray, ...]

    def __init__(
        self,
        kernel: PairwiseSum | None = None,
        alpha: float = 1.0,
        n_features_x: int | None = None,
        solver: PairwiseConjugateGradient | None = None,
        fit_intercept: bool = True,
        effects: tuple[str, ...] = (),
        effects_alpha: float | None = None,
    ) -> None:
        self.kernel = kernel
        self.alpha = alpha
        self.n_features_x = n_features_x
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.effects = effects
        self.effects_alpha = effects_alpha

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit to the responses of pairs.

        Parameters
        ----------
        X, y, sample_weight
            As in ``BinaryKernelRidge``.
        """
        known = check_solver(self.solver, PairwiseProblem, "PairwiseConjugateGradient()")
        self.kernel_ = _checked(self.kernel, type(self))
        samples = self._samples(X, y, sample_weight)
        x, y, offsets, loss, mean = self._begin(samples, Squared())
        grams = [
            (weight * gram(product.kernel_x, x), gram(product.kernel_y, y))
            for weight, product in self.kernel_.terms
        ]
        problem = PairwiseProblem(
            grams, samples.pairs, samples.z, self.alpha, loss, offsets=offsets
        )
        self._keep(solve(problem, known or PairwiseConjugateGradient()).check(), mean)
        return self

    def _keep(self, solution: PairwiseSolution, mean: float) -> None:
        problem, (M, c, theta) = solution.problem, solution.value
        self._keep_offsets(problem.offsets, theta, mean)
        self.dual_coef_ = problem.pairs.matrix(c / problem.alpha)
        towers = problem.factored_expansion(M)
        # Rows of new points are those of k_X, not of w k_X: so the queries are multiplied.
        self.query_coef_ = tuple(
            weight * query
            for (weight, _), (query, _) in zip(self.kernel_.terms, towers, strict=True)
        )
        self.key_coef_ = tuple(key for _, key in towers)
        self.certificate_ = solution.certificate

    def _queries(self, X: Entities) -> np.ndarray:
        kernels = (product.kernel_x for _, product in self.kernel_.terms)
        return _tower(kernels, self.query_coef_, X, self._known("X"))

    def _keys(self, Y: Entities) -> np.ndarray:
        kernels = (product.kernel_y for _, product in self.kernel_.terms)
        return _tower(kernels, self.key_coef_, Y, self._known("Y"))


def _tower(
    kernels: Iterable[Kernel], coef: Iterable[np.ndarray], new: Entities, known: Entities
) -> np.ndarray:
    """k^l(new, known) ``coef[l]`` of all products, side by side."""
    parts = zip(kernels, coef, strict=True)
    return np.hstack([between(k, new, known, None, by_features=False) @ Q for k, Q in parts])


def _checked(kernel: Any, machine: type) -> PairwiseSum:
    """The products of weight above 0, with kernels that are Mercer as far as is known."""
    if kernel is None:
        return PairwiseSum([(RBF(), RBF())])
    if not isinstance(kernel, PairwiseSum):
        raise kind_error(kernel, "kernel", PairwiseSum, " or None")
    products = [
        PairwiseProduct(
            *(
                within_domain(getattr(product, name), f"kernel.products[{k}].{name}", machine)
                for name in ("kernel_x", "kernel_y")
            )
        )
        for k, (weight, product) in enumerate(zip(kernel.weights, kernel.products, strict=True))
        if weight
    ]
    return PairwiseSum(products, [weight for weight, _ in kernel.terms])
