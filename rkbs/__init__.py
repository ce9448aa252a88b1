"""rkbs: binary kernel machines in reproducing kernel Banach spaces.

The theory of dot-product attention as a kernel method, verified by computation, with certified
classical solvers. torch is needed, and imported, only by ``rkbs.attention``. SciPy and
scikit-learn are imported with the first solver or machine that is asked for (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rkbs._version import __version__
from rkbs.data.pairs import Pairs
from rkbs.data.scorers import PairScorer
from rkbs.data.splits import PairKFold
from rkbs.kernels.base import Kernel
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.distance import RBF, Cauchy, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import EDP, Linear, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.features import PowerFeatures
from rkbs.kernels.inspection import Inspection, inspect
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.low_rank import LowRank
from rkbs.kernels.positive_features import PositiveFeatures
from rkbs.kernels.precomputed import Precomputed
from rkbs.kernels.repair import Clip, Flip, Shift, Symmetrize
from rkbs.kernels.tanimoto import Tanimoto
from rkbs.problems.certificates import Certificate
from rkbs.problems.expansion import OneSidedProblem
from rkbs.problems.low_rank import LowRankGram
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.product import ProductProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.spaces.sections import FeatureSections
from rkbs.spaces.tensor_sections import TensorSections
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten

if TYPE_CHECKING:
    from rkbs.machines.intervals import Intervals
    from rkbs.machines.persistence import load, save
    from rkbs.machines.posterior import Posterior
    from rkbs.machines.ridge import BinaryKernelRidge
    from rkbs.machines.ridge_cv import BinaryKernelRidgeCV
    from rkbs.machines.spectral import BinaryKernelMachine
    from rkbs.machines.spectral_cv import BinaryKernelMachineCV
    from rkbs.solvers.base import ConvergenceError, Solution, solve
    from rkbs.solvers.functions.alternating import Alternating
    from rkbs.solvers.functions.dual_newton import DualNewton
    from rkbs.solvers.operators.admm import ADMM
    from rkbs.solvers.operators.dense import Cholesky
    from rkbs.solvers.operators.factorized import Factorized
    from rkbs.solvers.operators.incomplete import ConjugateGradient
    from rkbs.solvers.operators.spectral import Spectral
    from rkbs.solvers.operators.spectral_newton import SpectralNewton

__all__ = [
    "ADMM",
    "EDP",
    "RBF",
    "Alternating",
    "BinaryKernelMachine",
    "BinaryKernelMachineCV",
    "BinaryKernelRidge",
    "BinaryKernelRidgeCV",
    "CappedEDP",
    "Cauchy",
    "Certificate",
    "Cholesky",
    "Clip",
    "ConjugateGradient",
    "Constant",
    "ConvergenceError",
    "DualNewton",
    "EpsilonInsensitive",
    "ExponentiatedIntersection",
    "Factorized",
    "FeatureSections",
    "Flip",
    "HalfSquare",
    "Hinge",
    "Huber",
    "Identity",
    "Inspection",
    "Intervals",
    "Kernel",
    "KeyNormBias",
    "L2Distance",
    "Laplace",
    "Linear",
    "Logistic",
    "LowRank",
    "LowRankGram",
    "Norm",
    "OneSidedProblem",
    "OperatorProblem",
    "PairKFold",
    "PairScorer",
    "Pairs",
    "PositiveFeatures",
    "Posterior",
    "PowerFeatures",
    "PowerNorm",
    "Precomputed",
    "ProductProblem",
    "Quadratic",
    "RKBSPair",
    "Schatten",
    "SchattenProblem",
    "SeparableProblem",
    "Shift",
    "Solution",
    "Spectral",
    "SpectralNewton",
    "Squared",
    "Symmetrize",
    "Tanimoto",
    "TaylorEDP",
    "TensorSections",
    "__version__",
    "inspect",
    "load",
    "save",
    "solve",
]

_LATE = {
    "rkbs.machines": (
        "BinaryKernelMachine",
        "BinaryKernelMachineCV",
        "BinaryKernelRidge",
        "BinaryKernelRidgeCV",
        "Intervals",
        "Posterior",
        "load",
        "save",
    ),
    "rkbs.solvers": (
        "ADMM",
        "Alternating",
        "Cholesky",
        "ConjugateGradient",
        "ConvergenceError",
        "DualNewton",
        "Factorized",
        "Solution",
        "Spectral",
        "SpectralNewton",
        "solve",
    ),
}


if not TYPE_CHECKING:  # to a type checker every name of a module with __getattr__ exists

    def __getattr__(name: str) -> Any:
        for module, names in _LATE.items():
            if name in names:
                globals()[name] = getattr(import_module(module), name)
                return globals()[name]
        raise AttributeError(f"module 'rkbs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
