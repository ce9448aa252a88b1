"""Two-domain data: pairs with responses, who the points are, folds, scores, and real data sets."""

from rkbs.data.clusters import similarity_clusters
from rkbs.data.davis import DAVIS_SOURCE, KinaseBinding, load_davis
from rkbs.data.gdsc import GDSC_SOURCE, DataNotFoundError, DrugResponse, load_gdsc
from rkbs.data.metrics import (
    UndefinedScoreError,
    UnitScores,
    auc,
    aupr,
    c_index,
    mse,
    rmse,
    score_by_unit,
)
from rkbs.data.pairs import Pairs
from rkbs.data.scorers import PairScorer
from rkbs.data.splits import FoldSizes, PairKFold

__all__ = [
    "DAVIS_SOURCE",
    "GDSC_SOURCE",
    "DataNotFoundError",
    "DrugResponse",
    "FoldSizes",
    "KinaseBinding",
    "PairKFold",
    "PairScorer",
    "Pairs",
    "UndefinedScoreError",
    "UnitScores",
    "auc",
    "aupr",
    "c_index",
    "load_davis",
    "load_gdsc",
    "mse",
    "rmse",
    "score_by_unit",
    "similarity_clusters",
]
