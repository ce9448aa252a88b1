"""Binary kernel machines as scikit-learn estimators."""

from rkbs.machines.ridge import BinaryKernelRidge, BinaryKernelRidgeCV
from rkbs.machines.schatten import BinaryKernelMachine

__all__ = ["BinaryKernelMachine", "BinaryKernelRidge", "BinaryKernelRidgeCV"]
