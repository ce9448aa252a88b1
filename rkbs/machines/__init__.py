"""Binary kernel machines as scikit-learn estimators."""

from rkbs.machines.ridge import BinaryKernelRidge, BinaryKernelRidgeCV
from rkbs.machines.schatten import BinaryKernelMachine
from rkbs.machines.schatten_cv import BinaryKernelMachineCV

__all__ = [
    "BinaryKernelMachine",
    "BinaryKernelMachineCV",
    "BinaryKernelRidge",
    "BinaryKernelRidgeCV",
]
