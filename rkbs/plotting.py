"""One style for every figure; figure functions take results and return a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's palette, told apart with any color vision; lines also differ by marker."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

SIGNED_MAP, POSITIVE_MAP = "RdBu_r", "viridis"
"""Color maps: diverging around zero, and sequential."""

_STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "pdf.fonttype": 42,
    "svg.hashsalt": "rkbs",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in rkbs's style inside this context, leaving matplotlib's own settings alone."""
    with mpl.rc_context(_STYLE):
        yield


def save(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write ``<stem>.pdf`` (vector) and ``<stem>.png``, and return both paths."""
    stem = Path(stem)
    pdf, png = stem.with_suffix(".pdf"), stem.with_suffix(".png")
    with style():
        # No creation date: the same record gives the same file.
        figure.savefig(pdf, metadata={"CreationDate": None, "ModDate": None})
        figure.savefig(png, metadata={"Software": None})
    return pdf, png
