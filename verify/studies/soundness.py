"""Whether the runs of a declared experiment count, and are pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from verify.harness.evidence import Check, greatest, least
from verify.studies.declared import digest
from verify.studies.findings import Declared, unpaired


def soundness(
    blocks: Iterable[Declared],
    cells: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    whole: bool,
) -> tuple[Check, ...]:
    """That all runs are of these declarations, of one length, paired by seed, and judged alike."""
    declared = {digest(block) for block in blocks}
    stray = sum(r["declared"] not in declared or r["complete"] is not whole for r in results)
    judged = [result["judged"] for result in results]
    seeds = len(unpaired(cells, results))
    return (
        Check("runs of another declaration, or of another length", stray, "==", 0),
        Check("seeds of which kernels saw different batches", seeds, "==", 0),
        Check("judged, most − fewest", greatest(judged) - least(judged), "==", 0),
    )
