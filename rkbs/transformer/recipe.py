"""How to train, what a run came to, and the error of one that diverged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch

from rkbs._arrays import check_count, check_number

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
_COUNTS = ("steps", "evaluate_every", "save_every")


class TrainingDivergedError(FloatingPointError):
    """A loss, a gradient or an evaluation is NaN or infinite; the step was not taken.

    Attributes
    ----------
    step : int
        Steps that were taken before.
    folder : path or None
        Where the checkpoint of that step is.

    Examples
    --------
    >>> import math
    >>> from rkbs.transformer import *
    >>> model = LanguageModel(TransformerConfig(vocab=9))
    >>> batches = Batches({"tokens": [[1, 5, 2]]}, size=1)
    >>> try:
    ...     train(model, batches, lambda m, b: math.nan * language_loss(m, b), Recipe(steps=1))
    ... except TrainingDivergedError as error:
    ...     print(str(error).split(":")[0])
    the loss is nan at step 0
    """

    def __init__(self, message: str, step: int, folder: Path | None) -> None:
        super().__init__(message)
        self.step, self.folder = step, folder


@final
@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW, a warmup, then a cosine.

    lr(t) = lr (t + 1)/warmup for t < warmup, then lr · (f + (1 − f)(1 + cos πs)/2) with
    s = (t − warmup)/(steps − warmup), which falls to f · lr.

    Parameters
    ----------
    steps : int
        ``epochs * len(batches)``, for epochs.
    lr : float
        The largest learning rate.
    warmup : int
        Steps; at most ``steps``.
    final : float
        f, between 0 and 1.
    clip : float or None
        The largest norm of a gradient, over all parameters.
    weight_decay : float
        Of weights with two axes: not of biases, norms and kernels.
    betas : two floats
        Of Adam.
    precision : {"float32", "bfloat16"}
        bfloat16: mixed, by ``torch.autocast``; weights and their updates stay in float32.
    device : str
    seed : int
        Of dropout and whatever else draws from torch's generator: each step starts it anew from
        the seed and the step's number.
    evaluate_every : int
        Steps between evaluations, if there is something to evaluate; the last step counts, too.
    patience : int or None
        Training stops when the last so many evaluations were no better than the best before.
    save_every : int
        Steps between checkpoints, where there is a folder.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter.

    Examples
    --------
    >>> from rkbs.transformer import Recipe
    >>> recipe = Recipe(steps=100, lr=1.0, warmup=10)
    >>> [round(recipe.learning_rate(t), 3) for t in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    steps: int
    lr: float = 1e-3
    warmup: int = 0
    final: float = 0.0
    clip: float | None = 1.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    precision: str = "float32"
    device: str = "cpu"
    seed: int = 0
    evaluate_every: int = 500
    patience: int | None = None
    save_every: int = 500

    def __post_init__(self) -> None:
        found: dict[str, Any] = {
            name: check_count(getattr(self, name), name, least)
            for names, least in ((_COUNTS, 1), (("warmup", "seed"), 0))
            for name in names
        }
        found["lr"] = check_number(self.lr, "lr", above=0.0)
        for name in ("final", "weight_decay"):
            found[name] = check_number(getattr(self, name), name, least=0.0)
        if self.clip is not None:
            found["clip"] = check_number(self.clip, "clip", above=0.0)
        if self.patience is not None:
            found["patience"] = check_count(self.patience, "patience")
        if self.warmup > self.steps:
            raise ValueError(f"warmup must be at most steps={self.steps}, got {self.warmup}")
        if self.final > 1:
            raise ValueError(f"final must be 0 ≤ f ≤ 1, a share of lr, got {self.final}")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(map(repr, PRECISIONS))}, got "
                f"{self.precision!r}"
            )
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise TypeError(f"betas must be two numbers, got {self.betas!r}")
        found["betas"] = tuple(check_number(beta, "betas", least=0.0) for beta in self.betas)
        if max(found["betas"]) >= 1:
            raise ValueError(f"betas must be two numbers 0 ≤ β < 1, got {self.betas!r}")
        try:
            torch.device(self.device)
        except RuntimeError as error:
            raise ValueError(
                f"device must be one of torch's, such as 'cpu' or 'cuda', got {self.device!r}"
            ) from error
        for name, value in found.items():  # Python's own numbers, which JSON has
            object.__setattr__(self, name, value)

    def learning_rate(self, step: int) -> float:
        """lr(t) of a step, 0 for the first."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        share = (step - self.warmup) / max(self.steps - self.warmup, 1)
        cosine = (1 + math.cos(math.pi * share)) / 2
        return self.lr * (self.final + (1 - self.final) * cosine)


@final
@dataclass
class History:
    """What a run came to.

    Attributes
    ----------
    losses : list of float
        Of each step, before it was taken.
    evaluations : list of (steps taken, value)
    best : int or None
        The steps after which the evaluation was least; the model ends with the weights of then.
    stopped : str
        ``"steps"`` where all were taken, ``"patience"`` where it stopped before.

    Examples
    --------
    >>> from rkbs.transformer import History
    >>> History(evaluations=[(10, 0.5), (20, 0.7)], best=10).best
    10
    """

    losses: list[float] = field(default_factory=list, repr=False)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    best: int | None = None
    stopped: str = ""
