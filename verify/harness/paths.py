"""Where things are in the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "verify" / "results"
"""The reference records of CPUs, which verdicts, README and figures show."""


def reference(device: str) -> Path:
    """Where the reference records of a device are: those of a GPU never replace those of a CPU."""
    return REFERENCE / "cuda" if device.startswith("cuda") else REFERENCE
