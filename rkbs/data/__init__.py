"""Two-domain data: pairs with responses, who the points are, and real data sets."""

from rkbs.data.gdsc import GDSC_SOURCE, DataNotFoundError, DrugResponse, load_gdsc
from rkbs.data.pairs import Pairs

__all__ = [
    "GDSC_SOURCE",
    "DataNotFoundError",
    "DrugResponse",
    "Pairs",
    "load_gdsc",
]
