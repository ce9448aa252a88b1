"""rkbs: binary kernel machines in reproducing kernel Banach spaces.

The theory of dot-product attention as a kernel method, verified by computation, with certified
classical solvers. torch is needed, and imported, only by ``rkbs.attention``.
"""

from rkbs._version import __version__
from rkbs.diagnostics import Inspection, inspect
from rkbs.features import PowerFeatures
from rkbs.kernels import (
    EDP,
    RBF,
    ExponentiatedIntersection,
    Kernel,
    L2Distance,
    Laplace,
    Linear,
    Precomputed,
    Quadratic,
    TaylorEDP,
)
from rkbs.machines import BinaryKernelRidge, BinaryKernelRidgeCV
from rkbs.pairs import Pairs
from rkbs.problems import Certificate, OperatorProblem
from rkbs.solvers import (
    Cholesky,
    ConjugateGradient,
    ConvergenceError,
    Solution,
    Spectral,
    solve,
)
from rkbs.spaces import RKBSPair

__all__ = [
    "EDP",
    "RBF",
    "BinaryKernelRidge",
    "BinaryKernelRidgeCV",
    "Certificate",
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceError",
    "ExponentiatedIntersection",
    "Inspection",
    "Kernel",
    "L2Distance",
    "Laplace",
    "Linear",
    "OperatorProblem",
    "Pairs",
    "PowerFeatures",
    "Precomputed",
    "Quadratic",
    "RKBSPair",
    "Solution",
    "Spectral",
    "TaylorEDP",
    "__version__",
    "inspect",
    "solve",
]
