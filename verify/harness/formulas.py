"""Formulas of plain text, ``W^Q``, ``x_i``, ``d^{1/4}``, as raised and lowered letters of HTML."""

from __future__ import annotations

import re
from typing import Any

_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_RAISED = re.compile(rf"\^({_GROUP}|[\w′*])")
_LOWERED = re.compile(
    rf"(?<!\w)([^\W\d_]|[)\]‖])_({_GROUP}|\w(?![^\W²³ᵀ]))|([)\]‖])_({_GROUP}|[\w*])"
)
"""After one letter that stands alone, or a bracket: ``from_mask`` and ``prop1.all_pairs`` stay."""


def in_html(text: str) -> Any:
    """Text as HTML: escaped, exponents raised and indices lowered."""
    from markupsafe import Markup, escape

    return Markup(_set(str(escape(text))))


def _set(text: str) -> str:
    """Indices first: they stand closer to their letter."""
    lowered = _LOWERED.sub(lambda m: f"{m[1] or m[3]}<sub>{_set(_bare(m[2] or m[4]))}</sub>", text)
    return _RAISED.sub(lambda m: f"<sup>{_set(_bare(m[1]))}</sup>", lowered)


def _bare(group: str) -> str:
    return group[1:-1] if group.startswith("{") else group
