"""Theorem 2 at a glance: the floor, heads trained to it, and heads that plain Adam leaves above."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record
from verify.studies.rows import MIDDLE, at_a_glance


def draw(folder: Path) -> Figure:
    """Three targets, heads of one width."""
    ids = ("thm2.floor", "thm2.limit", "thm2.trained", "thm2.constructive")
    data = {claim: load_record(claim, folder).evidence.data for claim in ids}
    panels = at_a_glance(data)
    figure = Figure(figsize=(9.4, 3.1))
    for axis, (name, panel) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        curve = panel["curve"]
        floor = (curve["d"], curve["floor"])
        plotting.error_against_dimension(axis, floor, curve["rounding"], panel["heads"])
        axis.set_title(f"F = {data['thm2.floor']['formulas'][name]}, m = {MIDDLE}")
        axis.set(xlabel="head dimension d", ylabel="L² error")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
