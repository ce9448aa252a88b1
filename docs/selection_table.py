"""The table of docs/selection.md: ``python docs/selection_table.py`` writes it into the page."""

from __future__ import annotations

import math
from pathlib import Path

from rkbs.kernels import (
    EDP,
    RBF,
    CappedEDP,
    ExponentiatedIntersection,
    Kernel,
    KeyNormBias,
    L2Distance,
    Quadratic,
    TaylorEDP,
    capacity,
)

PAGE = Path(__file__).with_name("selection.md")
DIMENSIONS = (1, 2, 3, 64)
KERNELS: tuple[Kernel, ...] = (
    EDP(),
    KeyNormBias(EDP()),
    RBF(),
    ExponentiatedIntersection(),
    CappedEDP(1.0),
    TaylorEDP(4),
    TaylorEDP(2),
    Quadratic(),
    L2Distance(),
)


def cell(kernel: Kernel, d: int) -> str:
    """How many keys are selected and by which law no more; or between what the number lies."""
    found = capacity(kernel, d)
    if found.attained == math.inf:
        return "any"
    if found.gap == 0:
        return f"{found.attained} ({found.law})"
    return f"{found.attained} to {found.bound} ({found.law})"


def table() -> str:
    """The table in Markdown."""
    head = "| kernel | " + " | ".join(f"d = {d}" for d in DIMENSIONS) + " |"
    rows = [
        f"| `{kernel!r}` | " + " | ".join(cell(kernel, d) for d in DIMENSIONS) + " |"
        for kernel in KERNELS
    ]
    return "\n".join([head, "|---" * (len(DIMENSIONS) + 1) + "|", *rows])


def written(text: str) -> str:
    """The page with its first table replaced."""
    lines = text.split("\n")
    first = next(k for k, line in enumerate(lines) if line.startswith("|"))
    after = next(k for k, line in enumerate(lines) if k > first and not line.startswith("|"))
    return "\n".join([*lines[:first], table(), *lines[after:]])


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
