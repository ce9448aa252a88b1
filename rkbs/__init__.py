"""rkbs: binary kernel machines in reproducing kernel Banach spaces.

The theory of dot-product attention as a kernel method, verified by computation, with certified
classical solvers. torch is needed, and imported, only by ``rkbs.attention``. SciPy and
scikit-learn are imported with the first solver or machine that is asked for (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rkbs._version import __version__
from rkbs.certificates import Certificate
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
from rkbs.pairs import Pairs
from rkbs.penalties import Schatten
from rkbs.problems import OperatorProblem
from rkbs.schatten import SchattenProblem
from rkbs.separable import SeparableProblem
from rkbs.spaces import RKBSPair

if TYPE_CHECKING:
    from rkbs.machines import BinaryKernelMachine, BinaryKernelRidge, BinaryKernelRidgeCV
    from rkbs.solvers import (
        ADMM,
        Cholesky,
        ConjugateGradient,
        ConvergenceError,
        DualNewton,
        Solution,
        Spectral,
        SpectralNewton,
        solve,
    )

__all__ = [
    "ADMM",
    "EDP",
    "RBF",
    "BinaryKernelMachine",
    "BinaryKernelRidge",
    "BinaryKernelRidgeCV",
    "Certificate",
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceError",
    "DualNewton",
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
    "Schatten",
    "SchattenProblem",
    "SeparableProblem",
    "Solution",
    "Spectral",
    "SpectralNewton",
    "TaylorEDP",
    "__version__",
    "inspect",
    "solve",
]

_LATE = {
    "rkbs.machines": ("BinaryKernelMachine", "BinaryKernelRidge", "BinaryKernelRidgeCV"),
    "rkbs.solvers": (
        "ADMM",
        "Cholesky",
        "ConjugateGradient",
        "ConvergenceError",
        "DualNewton",
        "Solution",
        "Spectral",
        "SpectralNewton",
        "SpectralNewton",
        "solve",
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATE.items():
        if name in names:
            globals()[name] = getattr(import_module(module), name)
            return globals()[name]
    raise AttributeError(f"module 'rkbs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
