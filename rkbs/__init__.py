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
from rkbs.expansion import OneSidedProblem
from rkbs.features import PowerFeatures
from rkbs.kernels import (
    EDP,
    RBF,
    Constant,
    ExponentiatedIntersection,
    Identity,
    Kernel,
    L2Distance,
    Laplace,
    Linear,
    Precomputed,
    Quadratic,
    TaylorEDP,
)
from rkbs.losses import EpsilonInsensitive, Hinge, Huber, Logistic, Squared
from rkbs.pairs import Pairs
from rkbs.penalties import Schatten
from rkbs.problems import OperatorProblem
from rkbs.product import ProductProblem
from rkbs.regularizers import HalfSquare, Norm, PowerNorm
from rkbs.schatten import SchattenProblem
from rkbs.sections import FeatureSections, TensorSections
from rkbs.separable import SeparableProblem
from rkbs.spaces import RKBSPair

if TYPE_CHECKING:
    from rkbs.machines import (
        BinaryKernelMachine,
        BinaryKernelMachineCV,
        BinaryKernelRidge,
        BinaryKernelRidgeCV,
    )
    from rkbs.solvers import (
        ADMM,
        Alternating,
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
    "Alternating",
    "BinaryKernelMachine",
    "BinaryKernelMachineCV",
    "BinaryKernelRidge",
    "BinaryKernelRidgeCV",
    "Certificate",
    "Cholesky",
    "ConjugateGradient",
    "Constant",
    "ConvergenceError",
    "DualNewton",
    "EpsilonInsensitive",
    "ExponentiatedIntersection",
    "FeatureSections",
    "HalfSquare",
    "Hinge",
    "Huber",
    "Identity",
    "Inspection",
    "Kernel",
    "L2Distance",
    "Laplace",
    "Linear",
    "Logistic",
    "Norm",
    "OneSidedProblem",
    "OperatorProblem",
    "Pairs",
    "PowerFeatures",
    "PowerNorm",
    "Precomputed",
    "ProductProblem",
    "Quadratic",
    "RKBSPair",
    "Schatten",
    "SchattenProblem",
    "SeparableProblem",
    "Solution",
    "Spectral",
    "SpectralNewton",
    "Squared",
    "TaylorEDP",
    "TensorSections",
    "__version__",
    "inspect",
    "solve",
]

_LATE = {
    "rkbs.machines": (
        "BinaryKernelMachine",
        "BinaryKernelMachineCV",
        "BinaryKernelRidge",
        "BinaryKernelRidgeCV",
    ),
    "rkbs.solvers": (
        "ADMM",
        "Alternating",
        "Cholesky",
        "ConjugateGradient",
        "ConvergenceError",
        "DualNewton",
        "Solution",
        "Spectral",
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
