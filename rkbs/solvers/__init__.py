"""Solvers: each returns a Solution with its certificate."""

from rkbs.solvers.alternating import Alternating, ProductPoint
from rkbs.solvers.base import ConvergenceError, Eigen, Leave, Solution, Solver, solve
from rkbs.solvers.dual_newton import DualNewton
from rkbs.solvers.incomplete import Cholesky, ConjugateGradient, DenseState
from rkbs.solvers.spectral import Spectral, SpectralState

__all__ = [
    "Alternating",
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceError",
    "DenseState",
    "DualNewton",
    "Eigen",
    "Leave",
    "ProductPoint",
    "Solution",
    "Solver",
    "Spectral",
    "SpectralState",
    "solve",
]
