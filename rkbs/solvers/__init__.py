"""Solvers: each returns a Solution with its certificate."""

from rkbs.eigen import Eigen
from rkbs.solvers.base import ConvergenceError, Leave, Solution, Solver, solve
from rkbs.solvers.dual_newton import DualNewton, SeparablePoint
from rkbs.solvers.incomplete import Cholesky, ConjugateGradient, DenseState
from rkbs.solvers.spectral import Spectral, SpectralState

__all__ = [
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceError",
    "DenseState",
    "DualNewton",
    "Eigen",
    "Leave",
    "SeparablePoint",
    "Solution",
    "Solver",
    "Spectral",
    "SpectralState",
    "solve",
]
