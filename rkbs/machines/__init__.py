"""Binary kernel machines as scikit-learn estimators."""

from rkbs.machines.edges import grid_edges
from rkbs.machines.intervals import Intervals, LeaveOutErrors
from rkbs.machines.pairwise import PairwiseKernelRidge
from rkbs.machines.persistence import load, save
from rkbs.machines.posterior import Posterior
from rkbs.machines.ridge import BinaryKernelRidge
from rkbs.machines.ridge_cv import BinaryKernelRidgeCV
from rkbs.machines.spectral import BinaryKernelMachine
from rkbs.machines.spectral_cv import BinaryKernelMachineCV

__all__ = [
    "BinaryKernelMachine",
    "BinaryKernelMachineCV",
    "BinaryKernelRidge",
    "BinaryKernelRidgeCV",
    "Intervals",
    "LeaveOutErrors",
    "PairwiseKernelRidge",
    "Posterior",
    "grid_edges",
    "load",
    "save",
]
