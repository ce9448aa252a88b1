"""Solvers: each returns a Solution with its certificate."""

from rkbs._linalg import Eigen
from rkbs.solvers.base import ConvergenceError, Leave, Solution, Solver, State, solve
from rkbs.solvers.functions.alternating import Alternating, ProductPoint
from rkbs.solvers.functions.dual_newton import DualNewton
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.backends import Backend, DaskBackend, NumpyBackend, TorchBackend
from rkbs.solvers.operators.dense import Cholesky, DenseState
from rkbs.solvers.operators.factorized import Factorized
from rkbs.solvers.operators.incomplete import ConjugateGradient
from rkbs.solvers.operators.pairwise import PairwiseConjugateGradient
from rkbs.solvers.operators.refined import RefinedConjugateGradient
from rkbs.solvers.operators.spectral import Spectral
from rkbs.solvers.operators.spectral_newton import SpectralNewton
from rkbs.solvers.operators.spectral_state import SpectralState

__all__ = [
    "ADMM",
    "Alternating",
    "Backend",
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceError",
    "DaskBackend",
    "DenseState",
    "DualNewton",
    "Eigen",
    "Factorized",
    "Leave",
    "NumpyBackend",
    "PairwiseConjugateGradient",
    "ProductPoint",
    "RefinedConjugateGradient",
    "Solution",
    "Solver",
    "Spectral",
    "SpectralNewton",
    "SpectralState",
    "State",
    "TorchBackend",
    "solve",
]
