"""Theorem 2 in numbers: surfaces, the Schmidt floor, heads that reach it, certified errors."""

from rkbs.approximation.constructive import ConstructiveHead, constructive_head, head_on_layers
from rkbs.approximation.heads import Head, HiddenLayer
from rkbs.approximation.quadrature import Quadrature, Rule, l2_error, sup_error
from rkbs.approximation.spectrum import SampledFloor, SchmidtSpectrum, sampled_floor, schmidt
from rkbs.approximation.sup_bracket import SupBracket, certified_sup_error
from rkbs.approximation.surface import Surface, Target
from rkbs.approximation.targets import LINE, TARGETS

__all__ = [
    "LINE",
    "TARGETS",
    "ConstructiveHead",
    "Head",
    "HiddenLayer",
    "Quadrature",
    "Rule",
    "SampledFloor",
    "SchmidtSpectrum",
    "SupBracket",
    "Surface",
    "Target",
    "certified_sup_error",
    "constructive_head",
    "head_on_layers",
    "l2_error",
    "sampled_floor",
    "schmidt",
    "sup_error",
]
