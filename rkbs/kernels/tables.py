"""The tables of kernels: a new kernel is entered here."""

from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.distance import RBF, Cauchy, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import EDP, Linear, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.tanimoto import Tanimoto

KERNELS = {
    "edp": EDP(),
    "rbf": RBF(),
    "l2": L2Distance(),
    "ei": ExponentiatedIntersection(),
    "quadratic": Quadratic(),
    "taylor-3": TaylorEDP(3),
    "taylor-4": TaylorEDP(4),
    "capped": CappedEDP(),
    "key-norm": KeyNormBias(EDP()),
    "linear": Linear(),
    "cauchy": Cauchy(),
    "laplace": Laplace(),
    "identity": Identity(),
    "constant": Constant(),
    "tanimoto": Tanimoto(),
}
"""Every kernel with a formula, by its short name, at default parameters."""

PAPER_KERNELS = ("edp", "rbf", "l2", "ei", "quadratic")
"""The kernels that Wright & Gonzalez (2021) put into a Transformer, by short name."""
