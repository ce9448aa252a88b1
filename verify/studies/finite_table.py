"""Errors of contestants on finite data, looked up and averaged with intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from verify.studies.contestants import KERNEL_MACHINES
from verify.studies.finite_sample import KINDS, interval

Row = dict[str, Any]
Cell = tuple[str, int, float, float]
"""(target, n, noise, share of the pairs observed)."""


class Table:
    """The rows, looked up by cell, seed, contestant and d."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self.by_key = {
            (cell_of(r), r["seed"], r["contestant"], r["d"] if " at d" in r["contestant"] else 0): r
            for r in self.rows
        }
        self.seeds = sorted({r["seed"] for r in self.rows})
        self.cells = list(dict.fromkeys(map(cell_of, self.rows)))
        self.dims = sorted({r["d"] for r in self.rows if r["contestant"] == "attention at d"})

    def logs(self, cell: Cell, name: str, kind: str, d: int = 0) -> np.ndarray:
        """Logarithms of a contestant's errors, one for each seed."""
        keys = [(cell, seed, name, d) for seed in self.seeds]
        return np.log([self.by_key[key]["errors"][kind] for key in keys])

    def hindsight(self, cell: Cell, name: str, kind: str) -> np.ndarray:
        """The same with the d of least error, seed by seed: no selection could do better."""
        return np.min([self.logs(cell, name, kind, d) for d in self.dims], axis=0)

    def kinds(self, cell: Cell) -> tuple[str, ...]:
        """The kinds of test pairs that a cell has."""
        found = self.by_key[cell, self.seeds[0], "means", 0]["errors"]
        return tuple(kind for kind in KINDS if kind in found)

    def over(
        self,
        machine: str,
        cells: Iterable[Cell],
        kinds: Iterable[str] = (),
        head: str = "attention",
    ) -> np.ndarray:
        """log(head/machine), the mean over cells and kinds of test pairs, by seed."""
        kinds = tuple(kinds)
        return np.mean(
            [
                self.logs(cell, head, kind) - self.logs(cell, machine, kind)
                for cell in cells
                for kind in kinds or self.kinds(cell)
            ],
            axis=0,
        )

    def complete(self) -> list[Cell]:
        """The cells where all pairs are observed."""
        return [cell for cell in self.cells if cell[3] == 1]


def cell_of(row: Row) -> Cell:
    """(target, n, noise, share) of a row."""
    return row["target"], row["n"], row["noise"], row["share"]


def ratio(logs: np.ndarray) -> dict[str, float]:
    """A geometric mean with its 95 % interval, from logarithms by seed."""
    mean, low, high = (math.exp(x) for x in interval(logs))
    return {"ratio": mean, "low": low, "high": high}


def comparisons(table: Table) -> list[Row]:
    """Attention's errors over those of each kernel machine: by cell and kind, and by kind."""
    rows = []
    for machine in KERNEL_MACHINES:
        for kind in KINDS:
            cells = [cell for cell in table.cells if kind in table.kinds(cell)]
            common = {"machine": machine, "kind": kind}
            rows.append(common | {"cell": None} | ratio(table.over(machine, cells, [kind])))
            rows += [
                common | {"cell": cell} | ratio(table.over(machine, [cell], [kind]))
                for cell in cells
            ]
    return rows


def estimates(table: Table, kind: str) -> list[Row]:
    """What a figure shows of each contestant (at each d) in each cell, over the seeds.

    ``mean``, ``low`` and ``high`` of the error on one kind of test pairs (a geometric mean, with
    Student's 95 % interval), its ``median``, the mean costs, and the median ``floor`` of its rank.
    """
    found: dict[tuple[Cell, str, int], list[Row]] = {}
    for (cell, _, name, d), row in table.by_key.items():
        found.setdefault((cell, name, d), []).append(row)
    return [
        dict(zip(("target", "n", "noise", "share"), cell, strict=True))
        | {"contestant": name, "d": d}
        | _over_seeds(rows, kind)
        for (cell, name, d), rows in found.items()
    ]


def _over_seeds(rows: list[Row], kind: str) -> Row:
    errors = [row["errors"][kind] for row in rows]
    mean = ratio(np.log(errors))
    costs = {
        key: float(np.mean([row[key] for row in rows]))
        for key in ("seconds", "flops")
        if all(row[key] is not None for row in rows)
    }
    floors = [row["floor"] for row in rows if row["floor"] is not None]
    floor = {"floor": float(np.median(floors))} if floors else {}
    spread = {"mean": mean["ratio"], "low": mean["low"], "high": mean["high"]}
    return {"pairs": rows[0]["pairs"], "median": float(np.median(errors))} | spread | costs | floor
