"""Theorem 2 at a glance: the floor, heads trained to it, and heads that plain Adam leaves above."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from rkbs import plotting
from rkbs.approximation import TARGETS, schmidt
from verify.ledger import load_record
from verify.trained_heads import errors_by_dimension, like_the_first
from verify.yardsticks import MIDDLE

SHOWN = ("edp", "oscillating", "kink")


def draw(folder: Path) -> Figure:
    """Three targets, heads of one width."""
    limit, trained, frozen = (
        load_record(claim, folder).evidence.data["rows"]
        for claim in ("thm2.limit", "thm2.trained", "thm2.constructive")
    )
    projected = [row for row in limit if row["start"] == "constructive"]
    plain = like_the_first(trained)
    figure = Figure(figsize=(9.4, 3.1))
    for axis, name in zip(figure.subplots(1, len(SHOWN)), SHOWN, strict=True):
        spectrum = schmidt(TARGETS[name])
        dims = range(1, 17)
        heads = {
            "plain Adam": errors_by_dimension(plain, name, MIDDLE),
            "random hidden layers": errors_by_dimension(frozen, name, MIDDLE),
            "variable projection": errors_by_dimension(projected, name, MIDDLE),
        }
        floor = (dims, [spectrum.floor(d) for d in dims])
        plotting.error_against_dimension(axis, floor, spectrum.rounding, heads)
        axis.set_title(f"F = {TARGETS[name].formula}, m = {MIDDLE}")
        axis.set(xlabel="head dimension d", ylabel="L² error")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


if __name__ == "__main__":
    from verify.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
