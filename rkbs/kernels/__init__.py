"""Kernels: the class is the formula; one body serves numpy and torch."""

from rkbs.kernels.algebra import LinearMap, Product, Pullback, Scaled, Sum, Transpose
from rkbs.kernels.base import Kernel, PositiveKernel
from rkbs.kernels.distance import RBF, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import EDP, DotProductKernel, Linear, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.precomputed import Precomputed

KERNELS = {
    "edp": EDP(),
    "rbf": RBF(),
    "l2": L2Distance(),
    "ei": ExponentiatedIntersection(),
    "quadratic": Quadratic(),
    "taylor-3": TaylorEDP(3),
    "taylor-4": TaylorEDP(4),
    "linear": Linear(),
    "laplace": Laplace(),
    "identity": Identity(),
    "constant": Constant(),
}
"""Every kernel with a formula, by its short name, at default parameters."""

PAPER_KERNELS = ("edp", "rbf", "l2", "ei", "quadratic")
"""The kernels that Wright & Gonzalez (2021) put into a Transformer, by short name."""

__all__ = [
    "EDP",
    "KERNELS",
    "PAPER_KERNELS",
    "RBF",
    "Constant",
    "DotProductKernel",
    "ExponentiatedIntersection",
    "Identity",
    "Kernel",
    "L2Distance",
    "Laplace",
    "Linear",
    "LinearMap",
    "PositiveKernel",
    "Precomputed",
    "Product",
    "Pullback",
    "Quadratic",
    "Scaled",
    "Sum",
    "TaylorEDP",
    "Transpose",
]
