"""What every problem has: data, a loss, the α of its penalty, and the evaluation of solutions."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from rkbs.terms.losses import Loss

Function = Callable[[np.ndarray], np.ndarray]
"""A function of new points: (n, d) → (n,)."""


class Problem(abc.ABC):
    """min Σ_n ℓ(h_n; z_n) + a penalty of weight α, of one function, of two, or of an operator.

    Attributes
    ----------
    z : array of shape (n,)
    loss : Loss
    alpha : float
        α > 0, which a regularization path changes. Of two penalties it is λ_X, and λ_Y/λ_X stays.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral, solve
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> fits = [solve(problem.with_alpha(alpha), Spectral()).value.M for alpha in (0.1, 1.0, 10.0)]
    >>> bool(np.all(np.diff([np.linalg.norm(M) for M in fits]) < 0))
    True
    """

    z: np.ndarray
    loss: Loss
    alpha: float

    @abc.abstractmethod
    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another α: what no α changes is shared, not computed again."""

    def functions(self, value: Any) -> tuple[Function, ...]:
        """f, and g where there are two, of what a solver found; none of an operator."""
        return ()

    def predict_grid(self, value: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """h(x, y) at all pairs of new points, of what a solver found: (n, m).

        Raises
        ------
        TypeError
            For a problem of one function of one domain.
        """
        raise TypeError(
            f"{type(self).__name__} has one function, of one domain: evaluate it by solution.f"
        )
