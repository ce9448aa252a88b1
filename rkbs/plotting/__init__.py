"""One style for every figure, and what several figures draw in the same way."""

from rkbs.plotting.groups import (
    error_against_dimension,
    ranges,
    scores_by_fold,
)
from rkbs.plotting.heads import audit_map
from rkbs.plotting.kernels import (
    against_predictors,
    declared_differences,
    excess_by_kernel,
    learning_curves,
)
from rkbs.plotting.names import name_points
from rkbs.plotting.sheet import (
    COLORS,
    COLUMN,
    LIMIT,
    MARKERS,
    OUT_OF_REACH,
    PAGE,
    POSITIVE_MAP,
    SCRIPT_SIZE,
    SIGNED_MAP,
    TOLERANCE,
    looks,
    save,
    set_ticks,
    style,
)

__all__ = [
    "COLORS",
    "COLUMN",
    "LIMIT",
    "MARKERS",
    "OUT_OF_REACH",
    "PAGE",
    "POSITIVE_MAP",
    "SCRIPT_SIZE",
    "SIGNED_MAP",
    "TOLERANCE",
    "against_predictors",
    "audit_map",
    "declared_differences",
    "error_against_dimension",
    "excess_by_kernel",
    "learning_curves",
    "looks",
    "name_points",
    "ranges",
    "save",
    "scores_by_fold",
    "set_ticks",
    "style",
]
