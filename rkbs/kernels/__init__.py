"""Kernels: the class is the formula; one body serves numpy and torch."""

from rkbs.kernels._parameters import ARRAY, POSITIVE, REAL, Parametric, per_head
from rkbs.kernels.algebra import Product, Scaled, Sum, Transpose
from rkbs.kernels.alignment import alignment_weights
from rkbs.kernels.base import Kernel, PositiveKernel
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.custom import Custom
from rkbs.kernels.distance import RBF, Cauchy, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import EDP, DotProductKernel, Linear, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.key_bounds import depth_bound, leverage_bound
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.low_rank import LeftOut, LowRank
from rkbs.kernels.pairwise import PairwiseProduct, PairwiseSum
from rkbs.kernels.positive_features import PositiveFeatures
from rkbs.kernels.precomputed import Precomputed
from rkbs.kernels.pullback import LinearMap, Pullback
from rkbs.kernels.repair import Clip, Flip, Repair, Repaired, Shift, Symmetrize
from rkbs.kernels.selection import Capacity, SelfWeight, capacity, self_weight
from rkbs.kernels.tables import KERNELS, PAPER_KERNELS
from rkbs.kernels.tanimoto import Tanimoto
from rkbs.kernels.weighted_sum import WeightedSum, combine

__all__ = [
    "ARRAY",
    "EDP",
    "KERNELS",
    "PAPER_KERNELS",
    "POSITIVE",
    "RBF",
    "REAL",
    "Capacity",
    "CappedEDP",
    "Cauchy",
    "Clip",
    "Constant",
    "Custom",
    "DotProductKernel",
    "ExponentiatedIntersection",
    "Flip",
    "Identity",
    "Kernel",
    "KeyNormBias",
    "L2Distance",
    "Laplace",
    "LeftOut",
    "Linear",
    "LinearMap",
    "LowRank",
    "PairwiseProduct",
    "PairwiseSum",
    "Parametric",
    "PositiveFeatures",
    "PositiveKernel",
    "Precomputed",
    "Product",
    "Pullback",
    "Quadratic",
    "Repair",
    "Repaired",
    "Scaled",
    "SelfWeight",
    "Shift",
    "Sum",
    "Symmetrize",
    "Tanimoto",
    "TaylorEDP",
    "Transpose",
    "WeightedSum",
    "alignment_weights",
    "capacity",
    "combine",
    "depth_bound",
    "leverage_bound",
    "per_head",
    "self_weight",
]
