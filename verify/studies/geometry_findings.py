"""What ends of trainings say of norms: of gaps, of M, of singular values and of entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.harness.evidence import Check, drawn, greatest, least
from verify.studies.geometry_norms import SPECTRAL
from verify.studies.geometry_runs import RECIPES, D

AT_REST = 1e-3
"""The residual below which a gap is evidence."""
Rows = Sequence[Mapping[str, Any]]


def of(rows: Rows, names: Sequence[str], d: int = D) -> list[Mapping[str, Any]]:
    """The rows of some recipes."""
    return [row for row in rows if row["recipe"] in names and row["d"] == d]


def own_gap(rows: Rows) -> list[float]:
    """The gaps of the norms that the optimizers are to realize, of all seeds."""
    return [gap for row in rows for gap in row["gaps"][row["norm"]]]


def other_gap(rows: Rows) -> list[float]:
    """The gaps of all other norms."""
    return [
        gap
        for row in rows
        for name, gaps in row["gaps"].items()
        for gap in gaps
        if name != row["norm"]
    ]


def all_of(rows: Rows, key: str) -> list[float]:
    """What all seeds of all rows have."""
    return [value for row in rows for value in np.ravel(row[key]).tolist()]


def by_norm(rows: Rows, *names: str) -> list[Mapping[str, Any]]:
    """The rows of the matrix whose optimizers are to realize one of these norms."""
    return [row for row in of(rows, [*RECIPES]) if row["norm"] in names]


def motion(row: Mapping[str, Any]) -> np.ndarray:
    """The residual of each seed; of polar factors that of the maps up to a turn of their rows.

    J, the spectral norm and its optimizers see no orthogonal Q in W ← QW, and where the gradient
    is singular their maps can turn on and on while all that is measured of them rests (theory).
    """
    return np.asarray(row["turned" if row["norm"] == SPECTRAL.name else "residual"])


def at_rest(rows: Rows) -> list[dict[str, Any]]:
    """The rows with the gaps and sizes of those seeds alone that are at rest."""
    found = []
    for row in rows:
        calm = np.flatnonzero(motion(row) <= AT_REST)
        gaps = {name: np.take(gap, calm) for name, gap in row["gaps"].items()}
        found.append({**row, "gaps": gaps, "size": np.take(row["size"], calm, 0)})
    return found


def consequences(rows: Rows) -> tuple[Check, ...]:
    """Of M, singular values and entries: what each norm says, and what can fail."""
    nuclear, spectral = by_norm(rows, "Frobenius"), by_norm(rows, "spectral")
    signs, narrow = by_norm(rows, "entrywise ℓ^∞"), of(rows, ["Muon"], 4)
    low = greatest(gap for row in nuclear for gap in row["gaps_of_M"]["nuclear"])
    flat = greatest(gap for row in spectral for gap in row["gaps_of_M"]["spectral"])
    apart = greatest(
        abs(gap - rest)
        for row in narrow
        for gap, rest in zip(row["gaps_of_M"]["spectral"], row["beyond"], strict=True)
    )
    values = least(all_of(narrow, "singular_values"))
    many = least(all_of(signs, "at_bound"))
    few = greatest(all_of([*nuclear, *spectral], "at_bound"))
    return (
        # As of maps: M solves a convex problem, and the gap bounds how far J is above its minimum.
        # 1e-4 was asked first. A direction that M lacks grows as exp((σ/λ − 1)λΣη), and λΣη is 80
        # for gradient descent: it is not seen to grow where it is starved by less than a per cent.
        Check("d = D, Frobenius: nuclear gap of M, largest", low, "<=", 1e-2, asked=1e-4),
        Check("d = D, Muon: spectral gap of M, largest", flat, "<=", 1e-4),
        Check("d = 4, Muon: |spectral gap of M − ‖R‖_*/‖G‖_*|, largest", apart, "<=", 1e-4),
        Check("d = 4, Muon: λσ(W), smallest", values, ">=", 1 - AT_REST),
        # Half, and a twentieth, which are three of 64 entries: 0.9 and 0.02 in the pilot.
        Check("ℓ^∞: share of entries at ±1/λ, smallest", many, ">=", 0.5),
        Check("Frobenius, Muon: share of entries at their largest, largest", few, "<=", 0.05),
        # Half of eight, and one or two: 6 or 7 and 1 in the pilot.
        Check("Muon: singular values at 1/λ, fewest", least(level(spectral)), ">=", 4),
        Check("Frobenius: singular values at the largest, most", greatest(level(nuclear)), "<=", 2),
        *rank_checks(rows),
    )


def level(rows: Rows) -> list[float]:
    """How many singular values of a map are the largest, to 1e-3."""
    found = []
    for row in rows:
        s = np.asarray(row["singular_values"])
        found += (s >= (1 - AT_REST) * s[..., :1]).sum(-1).ravel().tolist()
    return found


def rank_checks(rows: Rows) -> tuple[Check, ...]:
    """Ranks of M, to 1e-3, at the radii of the matrix: ordered as the norms that M has."""
    one, low, middle, high = (
        all_of(of(rows, [name]), "rank_of_M")
        for name in ("coordinate descent", "rank-one descent", "normalized gradient", "Muon")
    )
    if not one:  # a quick run has none of them
        return ()
    return (
        Check("ℓ¹: rank of M, largest", greatest(one), "==", 1),
        # Schatten-½, nuclear, spectral.
        Check(
            "rank of M: nuclear, largest − Frobenius, smallest", max(low) - min(middle), "<=", -1
        ),
        Check(
            "rank of M: Frobenius, largest − spectral, smallest", max(middle) - min(high), "<=", -1
        ),
    )


RANGES = ("residual", "turned", "last", "loss", "at_bound", "size")


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a record keeps of a row: the least and the largest of all seeds, to four digits."""
    kept = {key: row[key] for key in ("recipe", "d", "norm", "decay", "rank_of_M")}
    ranges = {key: row[key] for key in RANGES}
    values = np.asarray(row["singular_values"]).mean((0, 1))
    return (
        kept
        | {key: drawn([least(np.ravel(x)), greatest(np.ravel(x))]) for key, x in ranges.items()}
        | {"gaps": {name: drawn([least(x), greatest(x)]) for name, x in row["gaps"].items()}}
        | {"values": drawn(values), "levels": [least(level([row])), greatest(level([row]))]}
        | {"at_rest": int((motion(row) <= AT_REST).sum())}
    )
