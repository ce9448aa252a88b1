"""The ways in which attention is computed, each an object; ``Automatic`` chooses among them."""

from rkbs.attention.paths.automatic import Automatic
from rkbs.attention.paths.base import Path
from rkbs.attention.paths.dense import Dense

__all__ = ["Automatic", "Dense", "Path"]
