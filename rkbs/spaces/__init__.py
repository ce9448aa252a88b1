"""Pairs of reproducing kernel Banach spaces: elements, norms, duality map, kernel sections."""

from rkbs.spaces.banach_pair import RKBSPair
from rkbs.spaces.element import Element
from rkbs.spaces.function_spaces import FunctionSpaces
from rkbs.spaces.lp import conjugate_exponent, duality_map, lp_norm
from rkbs.spaces.sections import FeatureSections, Sections
from rkbs.spaces.tensor_sections import TensorSections

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
