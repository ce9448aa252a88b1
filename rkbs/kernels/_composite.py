"""Kernels made of one kernel or of two, and the structure that they have of these."""

from __future__ import annotations

import abc
import dataclasses

from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension


@dataclasses.dataclass(frozen=True)
class Combination(Kernel):
    """Two kernels combined so that any structure they share is kept.

    Answers are True or unknown, never False: what one kernel lacks, the other may mend.
    """

    a: Kernel
    b: Kernel

    def _share(self, structure: str) -> bool | None:
        return True if getattr(self.a, structure) and getattr(self.b, structure) else None

    @property
    def is_mercer(self) -> bool | None:
        return self._share("is_mercer")

    @property
    def is_symmetric(self) -> bool | None:
        return self._share("is_symmetric")

    @property
    def is_positive(self) -> bool | None:
        return self._share("is_positive")

    @property
    def is_nonnegative(self) -> bool | None:
        return self._share("is_nonnegative")


@dataclasses.dataclass(frozen=True)
class Wrapper(Kernel, abc.ABC):
    """One kernel seen another way; structure passes through unless a subclass says otherwise."""

    kernel: Kernel

    @property
    def is_mercer(self) -> bool | None:
        return self.kernel.is_mercer

    @property
    def is_symmetric(self) -> bool | None:
        return self.kernel.is_symmetric

    @property
    def is_positive(self) -> bool | None:
        return self.kernel.is_positive

    @property
    def is_nonnegative(self) -> bool | None:
        return self.kernel.is_nonnegative

    def feature_dim(self, d: int) -> FeatureDimension:
        return self.kernel.feature_dim(d)

    def rank_bound(self, d: int) -> FeatureDimension:
        return self.kernel.rank_bound(d)
