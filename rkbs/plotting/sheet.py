"""One style for every figure.

It is ``rkbs.mplstyle`` in ``rkbs``: installed with the package, it is also matplotlib's
``plt.style.use("rkbs.rkbs")``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib import _mathtext  # matplotlib has no setting for the size of sub- and superscripts
from matplotlib.axis import Axis
from matplotlib.figure import Figure

_STYLE = mpl.rc_params_from_file(
    Path(__file__).parents[1] / "rkbs.mplstyle", use_default_template=False
)

COLUMN, PAGE = 5.5, 6.75
"""Widths of figures in inches, as printed."""

COLORS = tuple(_STYLE["axes.prop_cycle"].by_key()["color"])
"""Told apart with any color vision; lines also differ by marker."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

SCRIPT_SIZE = 7 / 8
"""Of sub- and superscripts, relative to their text: 7 points in text of 8, not matplotlib's 5.6."""

SIGNED_MAP, POSITIVE_MAP = "RdBu_r", "viridis"
"""Color maps: diverging around zero, and sequential."""

LIMIT = {"color": "black", "lw": 0.9}
"""How the best-known limit is drawn, a bound or a floor."""

TOLERANCE = {**LIMIT, "ls": "--", "label": "tolerance of the claim"}
"""How a bound is drawn that a claim sets for itself."""

OUT_OF_REACH = {"color": "0.88", "lw": 0}
"""How the region beyond a limit is filled."""


@contextmanager
def style() -> Iterator[None]:
    """Draw in rkbs's style inside this context, leaving matplotlib's own settings alone."""
    before = _mathtext.SHRINK_FACTOR
    with mpl.rc_context(_STYLE):
        _mathtext.SHRINK_FACTOR = SCRIPT_SIZE
        try:
            yield
        finally:
            _mathtext.SHRINK_FACTOR = before


def save(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write ``<stem>.pdf`` (vector) and ``<stem>.png``, and return both paths."""
    stem = Path(stem)
    pdf, png = stem.with_suffix(".pdf"), stem.with_suffix(".png")
    with style():
        # No creation date: the same record gives the same file.
        figure.savefig(pdf, metadata={"CreationDate": None, "ModDate": None})
        figure.savefig(png, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return pdf, png


def looks(names: Iterable[Hashable]) -> dict[Hashable, dict[str, str]]:
    """A color and a marker for each name, in order, as keywords of ``plot``.

    Raises
    ------
    ValueError
        For more names than there are colors.
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(COLORS):
        raise ValueError(f"looks has {len(COLORS)} colors, got {len(names)} names: {names}")
    pairs = zip(COLORS, MARKERS, strict=True)
    return {
        name: {"color": color, "marker": marker}
        for name, (color, marker) in zip(names, pairs, strict=False)
    }


def set_ticks(axis: Axis, places: Iterable[float]) -> None:
    """Ticks at these places, with these labels, and none between: on logarithmic axes, too."""
    places = list(places)
    axis.set_ticks(places, [f"{place:g}" for place in places])
    axis.set_ticks([], minor=True)
    axis.set_tick_params(labelsize=7)  # as there are no superscripts
