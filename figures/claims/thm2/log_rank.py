"""Theorem 2: through exp, d pays for the rank of log κ*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.log_rank",)
CAPTION = (
    "Errors of heads h, of heads through exp and through softmax, against d, for four positive "
    "kernels; lines are the floors of each, where rounding does not hide them. A kernel whose "
    "logarithm has rank one takes a head through exp of dimension one, and an infinite dimension "
    "without exp (top left); kernels of finite rank with a logarithm of infinite rank are the "
    "other way round. Softmax leaves a factor per target free and saves one dimension (bottom "
    "right). Hollow: trained by Adam, which comes less far."
)

LINKS = {"linear": "h itself", "exp": "$e^h$", "softmax": "softmax of h"}
PANELS = {
    "edp": ("linear", "exp"),
    "square": ("linear", "exp"),
    "affine": ("linear", "exp"),
    "row_factor": ("exp", "softmax"),
}
TITLES = {"row_factor": r"log κ* = $\cos 4t+ts+\cos 2t\,P_2(s)$"}


def _panel(axis: Axes, rows: list[dict[str, Any]], links: tuple[str, ...]) -> None:
    of_logits = "softmax" in links
    error, floor = ("logit_error", "tail") if of_logits else ("error", "floor")
    for link in links:
        look = plotting.looks(LINKS)[link]
        mine = [row for row in rows if row["link"] == link]
        for kind, face in (("limit", {}), ("Adam", {"mfc": "white"})):
            some = [row for row in mine if row["kind"] == kind]
            errors = [_scaled(row, error) for row in some]
            axis.plot([row["d"] for row in some], errors, ls="none", **look, **face)
        told = [r for r in mine if r["kind"] == "limit" and r["tail"] > 10 * r["rounding"]]
        dims = sorted({row["d"] for row in told})
        floors = [min(_scaled(row, floor) for row in told if row["d"] == d) for d in dims]
        axis.plot(dims, floors, color=look["color"], lw=1)
    axis.set(yscale="log", ylim=(1e-13, 5), xticks=[1, 2, 3, 4, 6, 8])
    axis.set(xlabel="head dimension d")
    axis.set_ylabel("L² error of h\n(softmax: up to c(t))" if of_logits else "L² error / ‖κ*‖")


def _scaled(row: dict[str, Any], name: str) -> float:
    """Errors of κ* relative to ‖κ*‖, errors of logits as they are."""
    return row[name] / row["norm"] if name in ("error", "floor") else row[name]


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each kernel."""
    data = found["thm2.log_rank"].data
    figure = Figure(figsize=(plotting.PAGE, 4.6))
    axes = figure.subplots(2, 2)
    for axis, (name, links) in zip(axes.flat, PANELS.items(), strict=True):
        _panel(axis, [row for row in data["rows"] if row["target"] == name], links)
        axis.set_title(TITLES.get(name, f"κ* = {data['formulas'][name]}"))
    looks = plotting.looks(LINKS)
    handles = [Line2D([], [], label=LINKS[link], **looks[link]) for link in LINKS]
    handles.append(Line2D([], [], color="0.3", lw=1, label="floor"))
    hollow = {"color": "0.3", "marker": "o", "ls": "none", "mfc": "white"}
    handles.append(Line2D([], [], label="hollow: Adam", **hollow))
    figure.legend(handles=handles, loc="outside lower center", fontsize=8, ncols=len(handles))
    return figure
