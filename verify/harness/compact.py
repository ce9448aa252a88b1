"""JSON that is small and can be read: tables by columns, a row a line, short things in one line."""

from __future__ import annotations

import json
from typing import Any

_TABLE = {"columns", "cells"}
_LINE = 96


def to_text(value: Any) -> str:
    """JSON text of a value of JSON's types, without NaN and infinity."""
    return "".join(_lines(value, ""))


def tabulated(value: Any) -> Any:
    """``value`` with each list of dicts that have the same keys as ``{"columns", "cells"}``.

    Raises
    ------
    ValueError
        For a dict that would be read back as a table.
    """
    if isinstance(value, dict):
        if value.keys() == _TABLE:
            raise ValueError(f"a dict of {sorted(_TABLE)} alone would be read back as a table")
        return {key: tabulated(entry) for key, entry in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > 1 and all(isinstance(row, dict) and row for row in value):
        columns = [*value[0]]
        if all([*row] == columns for row in value):
            cells = [[tabulated(row[name]) for name in columns] for row in value]
            return {"columns": columns, "cells": cells}
    return [tabulated(entry) for entry in value]


def spelled_out(value: Any) -> Any:
    """What ``tabulated`` was made of."""
    if isinstance(value, list):
        return [spelled_out(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == _TABLE:
        columns = value["columns"]
        rows = [dict(zip(columns, row, strict=True)) for row in value["cells"]]
        return spelled_out(rows)
    return {key: spelled_out(entry) for key, entry in value.items()}


def _lines(value: Any, indent: str) -> list[str]:
    """The text in pieces: dicts and lists of dicts are broken where they are long."""
    short = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if len(short) <= _LINE or not _is_deep(value):
        return [short]
    inner, pieces = f"{indent} ", []
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        name = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(value, dict) else ""
        pieces += [",\n" if pieces else "\n", inner, name, *_lines(entry, inner)]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return [opening, *pieces, "\n", indent, closing]


def _is_deep(value: Any) -> bool:
    """Whether lines help: for dicts, lists of dicts, and tables' lists of rows."""
    if isinstance(value, dict):
        return True
    return isinstance(value, list) and all(isinstance(entry, (dict, list)) for entry in value)
