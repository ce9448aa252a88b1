"""The separable reading of the binary problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import short_repr
from rkbs.problems.binary import BinaryProblem
from rkbs.problems.expansion import ExpansionProblem, Side


@final
@dataclass(frozen=True, eq=False)
class SeparableProblem(ExpansionProblem, BinaryProblem):
    """min_{f, g} Σ_n ℓ(f(x_{i_n}) + g(y_{j_n}); z_n) + λ_X R_X(‖f‖) + λ_Y R_Y(‖g‖).

    Main effects of x and of y: f + g has no interaction (for one see ``ProductProblem`` and
    ``SchattenProblem``). f = f_v ∈ B_X with ‖f‖ = ‖v‖_p, g = g_u ∈ B_Y with ‖g‖ = ‖u‖_{p'}. The
    Fenchel dual has an unknown c_n for each pair. With ξ_i = Σ_{n: i_n = i} c_n,
    ζ_j = Σ_{n: j_n = j} c_n and w = Σ_i ξ_i Φ_X(x_i), w' = Σ_j ζ_j Φ_Y(y_j) it is

        max_c −Σ ℓ*(−c_n; z_n) − λ_X R_X*(‖w‖_{p'} / λ_X) − λ_Y R_Y*(‖w'‖_p / λ_Y).

    At the optimum c_n = −ℓ'(h_n; z_n), v is a multiple of ι(w) and u of ι(w'), that is
    λ_X R_X'(‖f*‖) ι(f*) = Σ_i ξ_i κ(x_i, ·) and λ_Y R_Y'(‖g*‖) ι(g*) = Σ_j ζ_j κ(·, y_j).

    Parameters and errors: as of ``BinaryProblem``.

    Source: paper Theorem 1; theory §3, reading A.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, DualNewton, Pairs, RKBSPair, SeparableProblem, solve
    >>> x, y = np.linspace(0, 1, 4)[:, None], np.linspace(0, 1, 3)[:, None]
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 4, p=1.5)
    >>> problem = SeparableProblem(spaces, Pairs.grid(x, y), x**2 - y.T, 1e-4, 1e-4)
    >>> solution = solve(problem, DualNewton()).check()
    >>> bool(abs(solution.predict_grid(x, y) - (x**2 - y.T)).max() < 0.01)
    True
    """

    __repr__ = short_repr

    @property
    def sides(self) -> tuple[Side, Side]:
        """f, then g."""
        return self.both

    def _joined(self, f: np.ndarray, g: np.ndarray) -> np.ndarray:
        return f + g

    def dual_vectors(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ_i ξ_i Φ_X(x_i) and Σ_j ζ_j Φ_Y(y_j), each of shape (D,)."""
        xi, zeta = self.expansion(c)
        return xi @ self.phi_x, zeta @ self.phi_y
