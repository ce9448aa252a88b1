"""Classifiers of film reviews that differ in the kernel alone, and what was said before.

``DECLARED`` (SST-2) and ``FINE`` (SST-5) were written before any run with their seeds. The recipe
was chosen with seed 100, by the errors of EDP and of uniform attention on dev, of ten: 4000 to
12 000 byte pairs, or words; rates of 1e-3 to 5e-3; dropout of 0.3 or 0.5; batches of 32 or 64.
Nothing was chosen on test. Results hold the hash of their block; those of another are exploratory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.entity import Constant

if TYPE_CHECKING:
    from rkbs.transformer.text.sentiment import LabeledText
    from rkbs.transformer.text.splits import Splits

KERNELS: dict[str, Kernel] = {"EDP": EDP(), "uniform": Constant()}

DECLARED: dict[str, Any] = {
    "task": "SST-2",
    "data": "SST-2, sentences: trained on train, judged on test",
    "outcome": "errors of 100 sentences of test, after the last step",
    "classes": 2,
    "kernels": sorted(KERNELS),
    "head_dims": [16],
    # On dev the errors of the two differed by 0.5 points from recipe to recipe (deviation), of the
    # same seed. At 0.9 five seeds have a power of 0.4 for the equivalence, ten have 0.9.
    "seeds": list(range(10)),
    "pilot_seeds": [100, 101],
    "vocab": 8000,
    "model": {"d_model": 64, "heads": 4, "layers": 2, "context": 80, "dropout": 0.5},
    "batch": 32,
    "epochs": 4,
    "recipe": {"lr": 5e-3, "warmup": 100, "clip": 1.0, "weight_decay": 0.01},
    # Of hypotheses (worse, better, d): the difference of their outcomes is above 0.
    "differences": [["uniform", "EDP", 16]],
    # Of hypotheses (one, other, d): the difference is within ±margin.
    "equivalences": [["uniform", "EDP", 16]],
    "margin": 1.0,
    "level": 0.05,
    "correction": "Holm, over the difference and the equivalence",
    "power": 0.8,
    "C": [1, 3, 10, 30],  # of logistic regression on words, chosen on dev
    "published": 85.4,  # accuracy of recursive tensor networks (Socher et al. 2013)
    "attended": 100,  # sentences of which the share of keys is told that are attended to
}
FINE: dict[str, Any] = DECLARED | {
    "task": "SST-5",
    "data": "SST-5, sentences: trained on train, judged on test",
    "classes": 5,
    "seeds": [0, 1, 2],
    "equivalences": [],  # three seeds have no power
    "correction": "none, one difference",
    "published": 45.7,
}
TASKS = {"SST-2": DECLARED, "SST-5": FINE}


def configurations(
    declared: Mapping[str, Any] | None = None,
    seeds: Sequence[int] | None = None,
    steps: int | None = None,
) -> list[dict[str, Any]]:
    """A kernel and a seed each, of ``DECLARED`` unless another block is given.

    ``steps`` cuts runs short, which are then of another experiment than the declared one.
    """
    declared = DECLARED if declared is None else declared
    seeds = declared["seeds"] if seeds is None else seeds
    cells = ((k, d, s) for s in seeds for d in declared["head_dims"] for k in declared["kernels"])
    return [
        {"task": declared["task"], "kernel": k, "d": d, "seed": s, "steps": steps}
        for k, d, s in cells
    ]


def pilots() -> list[dict[str, Any]]:
    """The runs of the pilot's seeds, of which the power is computed."""
    return configurations(seeds=DECLARED["pilot_seeds"])


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """Train a classifier and judge it, for a sweep."""
    from rkbs.transformer.batches import Batches
    from rkbs.transformer.losses import classification_loss
    from rkbs.transformer.model import EncoderClassifier, TransformerConfig
    from verify.studies.attended import attended
    from verify.studies.fitting import fit

    declared, reviews = TASKS[configuration["task"]], encoded(configuration["task"])
    kernel, seed = KERNELS[configuration["kernel"]], configuration["seed"]
    columns = {"tokens": reviews.rows, "labels": reviews.labels}
    batches = Batches(columns, declared["batch"], seed=seed)
    sizes = {**declared["model"], "vocab": reviews.vocab, "head_dim": configuration["d"]}
    model = EncoderClassifier(TransformerConfig(**sizes), declared["classes"], kernel, seed=seed)
    fitted = fit(model, batches, classification_loss, declared, configuration["steps"], device)
    wrong = mistakes(model, reviews)
    shares = attended(model, [(row,) for row in reviews.judged[: declared["attended"]]])
    return {
        **fitted,
        "outcome": 100 * float(wrong.mean()),
        "judged": len(wrong),
        "wrong": np.packbits(wrong).tobytes().hex(),
        "attended": shares["encoder"],
    }


def mistakes(model: Any, reviews: Reviews) -> np.ndarray:
    """Whether each sentence that is judged gets another class than its own."""
    import torch

    from rkbs.transformer.batches import Batches

    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        found = [
            model(batch["tokens"].to(device)).argmax(-1).cpu()
            for batch in Batches({"tokens": reviews.judged}, 100, shuffle=False)
        ]
    return torch.cat(found).numpy() != np.array(reviews.truth)


def unpacked(result: Mapping[str, Any]) -> np.ndarray:
    """The mistakes of a result, 1 at each."""
    packed = np.frombuffer(bytes.fromhex(result["wrong"]), np.uint8)
    return np.unpackbits(packed, count=result["judged"]).astype(float)


@dataclass(frozen=True)
class Reviews:
    """Sentences as tokens, with their classes: those that are trained on, and that are judged."""

    rows: list[list[int]]
    labels: list[int]
    judged: list[list[int]]
    truth: list[int]
    vocab: int


@cache
def encoded(task: str) -> Reviews:
    """The sentences of a task as tokens.

    Raises
    ------
    DataNotFoundError
        Where the treebank is not on this machine.
    """
    from rkbs.transformer.text.bpe import BPE

    declared, text = TASKS[task], loaded(task)
    bpe = BPE.train(text.train.sentences, declared["vocab"])
    rows, judged = (bpe.encode(part.sentences) for part in (text.train, text.test))
    return Reviews(rows, list(text.train.labels), judged, list(text.test.labels), len(bpe))


def loaded(task: str) -> Splits[LabeledText]:
    """The sentences of a task, and their classes."""
    from rkbs.transformer.text.sentiment import load_sst2, load_sst5

    return load_sst2() if task == "SST-2" else load_sst5()


@cache
def baselines(task: str) -> dict[str, float]:
    """Errors of 100 sentences of the class that is most frequent, and of words.

    ``words``: logistic regression on TF-IDF of words and of pairs that follow each other, with
    the C, of those declared, of the fewest errors on dev.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, dev, test = loaded(task)
    words = TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"\S+", lowercase=False, binary=True
    ).fit(train.sentences)
    X, X_dev, X_test = (words.transform(part.sentences) for part in (train, dev, test))
    models = [LogisticRegression(C=C, max_iter=2000).fit(X, train.labels) for C in TASKS[task]["C"]]
    best = max(models, key=lambda model: model.score(X_dev, dev.labels))
    most = np.bincount(train.labels).argmax()
    return {
        "majority": 100 * float(np.mean(np.array(test.labels) != most)),
        "words": 100 * (1 - float(best.score(X_test, test.labels))),
    }
