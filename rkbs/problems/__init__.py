"""Problems: objective, dual and optimality residual, so that any solution can be certified."""

from rkbs.problems.base import Problem
from rkbs.problems.certificates import (
    Certificate,
    GapCertificate,
    KKTCertificate,
    StationarityCertificate,
)
from rkbs.problems.expansion import ExpansionPoint, ExpansionProblem, OneSidedProblem
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.low_rank import LowRankGram
from rkbs.problems.offsets import Offsets
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.pairwise import PairwiseProblem
from rkbs.problems.product import ProductProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.problems.separable import SeparableProblem

__all__ = [
    "Certificate",
    "ExpansionPoint",
    "ExpansionProblem",
    "GapCertificate",
    "KKTCertificate",
    "LowRankGram",
    "Offsets",
    "OneSidedProblem",
    "OperatorPoint",
    "OperatorProblem",
    "PairwiseProblem",
    "Problem",
    "ProductProblem",
    "SchattenProblem",
    "SeparableProblem",
    "StationarityCertificate",
]
