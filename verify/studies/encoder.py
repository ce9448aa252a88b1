"""A trained encoder with exp's series cut after the fact, and what was said before.

``DECLARED`` was written before any cut was computed: texts, orders, outcomes, margins, and the
orders that two rules predict. Seen before were the exact encoder's logits, on sentences that
nothing is judged by: the rules need them. Each result holds the hash of the block; one with
another hash is exploratory.

A row's weights by exp do not change when a constant is added to its logits; those by a cut do. So
there are two cuts: of the logits as they stand, a kernel of q and k, and of logits less the mean of
their row, which is the same kernel of q and k − k̄, k̄ the mean of the sentence's keys. The second is
what is judged: it is no other function before it is cut.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

EVEN = list(range(0, 17, 2))

DECLARED: dict[str, Any] = {
    "model": "all-MiniLM-L6-v2",
    "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "texts": {
        "sst": "SST-2, all sentences of test",
        "multi30k": "Multi30k, English, the first 300 sentences of test_2016_flickr",
    },
    "cuts": {  # of all layers at once; order 0 is uniform attention, centered or not
        "sst": {"centered": EVEN, "as they stand": [2, 4, 8, 12, 16]},
        "multi30k": {"centered": list(range(17)), "as they stand": list(range(1, 17))},
    },
    # One layer cut, centered, the others exact; the first sentences of SST-2's test.
    "layers": {"orders": list(range(17)), "sentences": 100},
    "outcomes": [
        "cosine of a sentence's vector by the cut encoder with its vector by the exact one",
        "accuracy on SST-2 of a probe that was trained on vectors by the exact encoder",
    ],
    "probe": {  # logistic regression; C by five folds of what it is trained on
        "train": "the first 1500 sentences of SST-2's train",
        "C": [1.0, 10.0, 100.0],
        "retrained": [0, 2, 4],  # orders of which a probe is trained on vectors by the cut encoder
        "baselines": ["bag of tokens", "mean of token embeddings"],
    },
    # An outcome is kept where its interval is within its margin, lost where all of it is beyond.
    "margins": {"cosine": 0.999, "accuracy": 0.01},
    "level": 0.05,  # on each side: t intervals at 90 %, as of two one-sided tests
    # From the highest order downwards: an order is kept where all outcomes are, there and at all
    # higher ones. So no correction is needed.
    "sequence": "even orders, centered, from 16 to 0",
    "predicted": {
        "from": "the first 100 sentences of the valid parts of SST-2 and of Multi30k's English",
        # An angle of 0.0447 is a cosine of 0.999.
        "error": 0.0447,
        # Of a layer: the least even order at which the total variation between a row of weights by
        # the cut and one by exp is at most the error, in the mean over rows. Of all layers: the
        # root of the sum of its squares, as of errors that are independent.
        "by total variation": {
            "centered": {"layers": [6, 8, 8, 6, 6, 6], "all": 8},
            "as they stand": {"layers": [6, 12, 10, 8, 10, 6], "all": 14},
        },
        # The least even order at which the share of the series that is cut off, P(Poisson(a) > N),
        # is at most the error at the largest logit a. Of all layers: the largest of theirs.
        "by the largest logit": {
            "centered": {"layers": [50, 22, 18, 16, 20, 16], "all": 50},
            "as they stand": {"layers": [56, 20, 16, 14, 20, 16], "all": 56},
        },
    },
}


def declared_hash() -> str:
    """Of ``DECLARED`` as it stands."""
    return hashlib.sha256(json.dumps(DECLARED, sort_keys=True).encode()).hexdigest()[:16]


def configurations(short: bool = False) -> list[dict[str, Any]]:
    """The cuts, the layers and the probes that were declared; or cuts of a few other sentences."""
    if short:
        where = {"part": "valid", "most": 25, "probe": False}
        return [
            {"what": "cut", "text": text, "mode": "centered", "order": order, **where}
            for text in DECLARED["texts"]
            for order in (0, 4, 8, 12, 16)
        ]
    most, layers = {"sst": None, "multi30k": 300}, DECLARED["layers"]
    cells: list[dict[str, Any]] = [
        {"what": "cut", "text": text, "mode": mode, "order": order}
        | {"part": "test", "most": most[text], "probe": text == "sst"}
        for text, modes in DECLARED["cuts"].items()
        for mode, orders in modes.items()
        for order in orders
    ]
    cells += [{"what": "layer", "layer": layer, **layers} for layer in range(6)]
    said = DECLARED["probe"]
    cells += [{"what": "probe", "of": name} for name in ("exact", *said["baselines"])]
    return cells + [{"what": "probe", "of": "cut", "order": order} for order in said["retrained"]]


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """One of the ``configurations``, for a sweep."""
    from verify.studies import encoder_cut as study  # late: it loads torch

    found = getattr(study, f"of_{configuration['what']}")(configuration)
    return {"declared": declared_hash(), **found}


def lacking() -> str:
    """What nothing can be computed without, and is not here; empty where all is."""
    try:
        from rkbs.transformer.checkpoints import CheckpointError
        from verify.studies import encoder_cut as study
    except ImportError as error:
        return str(error)
    try:
        study.encoder()
        for text in DECLARED["texts"]:
            study.sentences(text, "test")
    except (FileNotFoundError, CheckpointError, ImportError) as error:
        return str(error)
    return ""
