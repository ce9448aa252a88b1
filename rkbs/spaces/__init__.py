"""Pairs of reproducing kernel Banach spaces: elements, norms, duality map, kernel sections."""

from rkbs.spaces.banach_pair import Element, RKBSPair
from rkbs.spaces.function_spaces import FunctionSpaces
from rkbs.spaces.lp import conjugate_exponent, duality_map, lp_norm
from rkbs.spaces.sections import FeatureSections, Sections, TensorSections

__all__ = [
    "Element",
    "FeatureSections",
    "FunctionSpaces",
    "RKBSPair",
    "Sections",
    "TensorSections",
    "conjugate_exponent",
    "duality_map",
    "lp_norm",
]
