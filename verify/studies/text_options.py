"""Language models with other options than those of the study on text: are its differences found?

``DECLARED`` was written before any of these runs.
"""

from __future__ import annotations

from typing import Any

from verify.studies import text
from verify.studies.declared import digest

OPTIONS: dict[str, dict[str, Any]] = {
    "W^Q = W^K": {"head_dim": 16, "tie_query_key": True},
    "‖q‖ = ‖k‖ = √d": {"head_dim": 16, "normalize_qk": True},
    "d = 4": {"head_dim": 4},
    "3 epochs": {"head_dim": 16},
}
EPOCHS = {"3 epochs": 3}
"""Of the options that have more than one."""

DECLARED: dict[str, Any] = {
    "experiment": text.DECLARED,  # its data, sizes, recipe and outcome
    "options": OPTIONS,
    "epochs": EPOCHS,
    "seeds": [0, 1, 2],
    # Uniform attention has no queries and keys: its runs differ from those of the study on text in
    # the number of epochs alone, and are its runs elsewhere.
    "kernels": {option: ["EDP", "L2"] for option in OPTIONS}
    | {"3 epochs": ["EDP", "L2", "uniform"]},
    # Of hypotheses (worse, better), at each option: the difference of their outcomes is above 0.
    "differences": [["uniform", "EDP"], ["L2", "EDP"]],
    "level": 0.05,
    "correction": "Holm, over all options",
}


def configurations() -> list[dict[str, Any]]:
    """An option, a kernel and a seed each."""
    return [
        {"option": option, "kernel": kernel, "seed": seed, "steps": None}
        for option in OPTIONS
        for seed in DECLARED["seeds"]
        for kernel in DECLARED["kernels"][option]
    ]


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """Train a model and judge it, for a sweep."""
    option = configuration["option"]
    result = text.trained(
        text.KERNELS[configuration["kernel"]],
        OPTIONS[option],
        configuration["seed"],
        device,
        EPOCHS.get(option, 1),
        configuration["steps"],
    )
    return {"declared": digest(DECLARED), **result}
