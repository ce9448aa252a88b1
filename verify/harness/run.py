"""The circumstances in which a claim is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PROFILES = ("quick", "full")


@dataclass(frozen=True)
class Run:
    """The circumstances in which a claim is computed: size, device, seed; and how.

    ``folder`` keeps what sweeps have finished (None: nothing is kept); they run in ``jobs``
    processes, or at the ``scheduler``, the address of one of dask.distributed.
    """

    profile: str = "quick"
    device: str = "cpu"
    seed: int = 0
    report: Callable[[int, int, str], None] | None = None
    folder: Path | None = None
    jobs: int = 1
    scheduler: str = ""

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile must be one of {PROFILES}, got {self.profile!r}")

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator from the seed: the same numbers each time it is asked for."""
        return np.random.default_rng(self.seed)

    def pick(self, quick: Any, full: Any) -> Any:
        """The size for this profile."""
        return quick if self.profile == "quick" else full

    def progress(self, items: Iterable, label: str) -> Iterator:
        """The items one by one, reporting how many are done of how many."""
        items = list(items)
        for done, item in enumerate(items):
            if self.report:
                self.report(done, len(items), label)
            yield item
        if self.report:
            self.report(len(items), len(items), label)
