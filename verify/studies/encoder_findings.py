"""What cuts of a trained encoder lose, by the margins that were declared before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rkbs.kernels.dot_product import TaylorEDP
from verify.studies.encoder import DECLARED
from verify.studies.paired import interval

KEPT, LOST, UNDECIDED = "kept", "lost", "undecided"
HEAD_DIM = 32
"""Of the encoder's queries and keys."""

Cells = Sequence[dict[str, Any]]
Table = dict[tuple[str, int], dict[str, dict[str, Any]]]
"""(mode, order) ↦ outcome ↦ what was found of it."""


def confident(values: Sequence[float]) -> list[float]:
    """The t interval of a mean, with the declared level on each side."""
    return list(interval(values, 2 * DECLARED["level"]))


def of_cosines(values: Sequence[float]) -> dict[str, Any]:
    """Mean, interval and the 5 % quantile of sentences' cosines; whether they are kept."""
    low, high = confident(values)
    margin = DECLARED["margins"]["cosine"]
    return {
        "mean": float(np.mean(values)),
        "interval": [low, high],
        "quantile": float(np.quantile(values, 0.05)),
        "verdict": KEPT if low >= margin else LOST if high < margin else UNDECIDED,
    }


def of_accuracy(correct: Sequence[int], exact: Sequence[int]) -> dict[str, Any]:
    """Accuracy, and how far it is from the exact encoder's on the same sentences.

    ``gained`` and ``missed`` count the sentences that only one of the two classifies rightly: the
    new one, and the exact one.
    """
    difference = np.subtract(correct, exact)
    low, high = confident(difference.tolist())
    margin = DECLARED["margins"]["accuracy"]
    inside = -margin <= low and high <= margin
    return {
        "accuracy": float(np.mean(correct)),
        "mean": float(difference.mean()),
        "interval": [low, high],
        "gained": int((difference > 0).sum()),
        "missed": int((difference < 0).sum()),
        "verdict": KEPT if inside else LOST if high < -margin else UNDECIDED,
    }


def together(verdicts: Iterable[str]) -> str:
    """Kept where all outcomes are, lost where one is."""
    found = set(verdicts)
    return LOST if LOST in found else KEPT if found == {KEPT} else UNDECIDED


def least_kept(verdicts: Mapping[int, str]) -> int | None:
    """The least order from which on all are kept, None where the highest is not."""
    found = None
    for order in sorted(verdicts, reverse=True):
        if verdicts[order] != KEPT:
            break
        found = order
    return found


def probes(cells: Cells, results: Cells) -> dict[str, list[int]]:
    """Which sentences each probe classifies rightly: "exact", a baseline, "cut at 2"."""
    return {
        cell["of"] + (f" at {cell['order']}" if "order" in cell else ""): result["correct"]
        for cell, result in zip(cells, results, strict=True)
        if cell["what"] == "probe"
    }


def outcomes(cells: Cells, results: Cells, exact: Sequence[int] | None) -> Table:
    """What cuts of all layers were found to do; accuracies beside the exact encoder's."""
    found: Table = {}
    for cell, result in zip(cells, results, strict=True):
        if cell["what"] == "cut":
            row = found.setdefault((cell["mode"], cell["order"]), {})
            row[f"cosine, {cell['text']}"] = of_cosines(result["cosines"])
            if exact is not None and "correct" in result:
                row["accuracy"] = of_accuracy(result["correct"], exact)
    return found


def sequence(found: Table, mode: str, names: Sequence[str]) -> dict[int, str]:
    """Even order ↦ the verdict of these outcomes together, where all of them were computed."""
    rows = {
        order: row
        for (of, order), row in found.items()
        # Uniform attention is the same in both modes.
        if order % 2 == 0 and (of == mode or (order == 0 and of == "centered"))
    }
    return {
        order: together(row[name]["verdict"] for name in names)
        for order, row in sorted(rows.items())
        if all(name in row for name in names)
    }


def least_orders(found: Table) -> dict[str, dict[str, int | None]]:
    """For each mode the least order that is kept: by all outcomes, and by each."""
    names = list(dict.fromkeys(name for row in found.values() for name in row))
    modes = dict.fromkeys(mode for mode, _ in found)
    return {
        mode: {"all": least_kept(sequence(found, mode, names))}
        | {name: least_kept(sequence(found, mode, [name])) for name in names}
        for mode in modes
    }


def table(cells: Cells, results: Cells, found: Table) -> Iterator[dict[str, Any]]:
    """A row for each text, mode and order."""
    for cell, result in zip(cells, results, strict=True):
        if cell["what"] == "cut":
            told = found[cell["mode"], cell["order"]]
            yield {
                **{name: cell[name] for name in ("text", "mode", "order")},
                "features": TaylorEDP(cell["order"]).feature_dim(HEAD_DIM),
                **{name: result[name] for name in ("turned", "least")},
                "cosine": told[f"cosine, {cell['text']}"],
                "accuracy": told.get("accuracy") if "correct" in result else None,
            }


def of_layers(cells: Cells, results: Cells) -> Iterator[dict[str, Any]]:
    """A row for each layer: cosines by the order at which it alone is cut."""
    for cell, result in zip(cells, results, strict=True):
        if cell["what"] == "layer":
            rows = dict(zip(cell["orders"], map(of_cosines, result["cosines"]), strict=True))
            yield {
                "layer": cell["layer"],
                "orders": cell["orders"],
                "cosines": [row["mean"] for row in rows.values()],
                "quantiles": [row["quantile"] for row in rows.values()],
                "least": least_kept({n: r["verdict"] for n, r in rows.items() if n % 2 == 0}),
            }
