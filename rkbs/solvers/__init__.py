"""Solvers: each returns a Solution with its certificate."""

from rkbs.eigen import Eigen
from rkbs.solvers.admm import ADMM
from rkbs.solvers.alternating import Alternating, ProductPoint
from rkbs.solvers.base import ConvergenceError, Leave, Solution, Solver, solve
from rkbs.solvers.dense import Cholesky, DenseState
from rkbs.solvers.dual_newton import DualNewton
from rkbs.solvers.incomplete import ConjugateGradient
from rkbs.solvers.spectral import Spectral, SpectralState
from rkbs.solvers.spectral_newton import SpectralNewton

__all__ = [
    "ADMM",
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
    "SpectralNewton",
    "SpectralState",
    "solve",
]
