"""Experiments whose hypotheses were written down before their runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(block: Mapping[str, Any]) -> str:
    """Of what was declared: each result holds it, and one with another is exploratory."""
    return hashlib.sha256(json.dumps(block, sort_keys=True).encode()).hexdigest()[:16]
