"""What trained heads are: language models and translators trained here, and a trained encoder.

``DECLARED`` was written before any run of the models that it names. Seen before were: of the
encoder, the shares of a pilot, and all measures on SST-2's valid part, on which nothing is judged
(what the maps alone decide is the same there and here); and one small model of each kind, of the
quick profile's sizes and seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verify.studies.declared import digest

DECLARED: dict[str, Any] = {
    "corpus": {"sentences": 1200, "held out": 200, "seed": 0},
    "model": {"d_model": 64, "heads": 4, "layers": 2, "context": 40, "dropout": 0.1},
    "recipe": {"steps": 400, "lr": 3e-3, "warmup": 40, "weight_decay": 0.01},
    "batch": 50,
    "kinds": ["causal", "tied", "translator"],
    "seeds": [0, 1, 2, 3, 4],
    # Of the model's error before training: so much is left after it, at most.
    "learned": 0.5,
    # Shares of untied heads, of points to themselves, at least.
    "of heads": {
        "training lowers the effective rank of M": 0.9,
        "the inputs' covariance lowers the effective rank of M": 0.9,
    },
    # Means over the heads of a model, one minus the other: negative. Five seeds, t tests, Holm.
    # 4 is what Saponati et al. (2025) find of large models: attention that looks both ways gets
    # symmetric forms, causal attention directional ones.
    "differences": [
        ["antisymmetric_share", "causal", "causal, untrained"],
        ["weighted_negative_mass", "causal", "causal, untrained"],
        ["exchanged", "causal", "causal, untrained"],
        ["antisymmetric_share", "encoder", "decoder"],
    ],
    "level": 0.05,
    "encoder": {
        "model": "all-MiniLM-L6-v2",
        "text": "SST-2, the first 200 sentences of test",
        "sentences": 200,
        "heads": 72,
        "antisymmetric_share": [0.1, 0.65],  # the pilot: 0.13 to 0.61
        "exchanged, mean": 0.4,  # of random maps 0.5
    },
    # Against W_K turned at random: singular values of both maps stay, their orientation is drawn.
    "turned": 40,
}


def configurations(short: bool = False, seed: int = 0) -> list[dict[str, Any]]:
    """The models that were declared and the encoder; or smaller ones of a seed of their own."""
    if short:
        sizes = {"d_model": 32, "heads": 4, "layers": 2, "steps": 60, "sentences": 300}
        return [{"kind": kind, "seed": 100 + seed, **sizes} for kind in DECLARED["kinds"]]
    cells = [{"kind": k, "seed": s} for s in DECLARED["seeds"] for k in DECLARED["kinds"]]
    return [*cells, {"kind": "trained encoder"}]


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """Train a model, or load the encoder, and measure its heads, for a sweep."""
    from verify.studies import head_measures as measures  # late: it loads torch

    if configuration["kind"] == "trained encoder":
        found = measures.of_encoder(DECLARED["encoder"]["sentences"], DECLARED["turned"])
    else:
        found = measures.of_trained(configuration, DECLARED)
    return {"declared": digest(DECLARED), **found}


def heads_of(results: Sequence[Mapping[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """The rows of all heads of some kinds, of points to themselves unless ``cross`` is one."""
    return [row for result in results for row in result["heads"] if row["kind"] in kinds]


def means(results: Sequence[Mapping[str, Any]], kind: str, measure: str) -> dict[int, float]:
    """Seed ↦ the mean of a measure over the heads of a kind, trained or "…, untrained"."""
    name, _, untrained = kind.partition(", ")
    found: dict[int, float] = {}
    for result in results:
        rows = [row for row in result["heads"] if row["kind"] == name]
        if rows:
            values = [row["untrained" if untrained else "trained"][measure] for row in rows]
            found[result["seed"]] = sum(values) / len(values)
    return found
