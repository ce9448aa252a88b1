"""Training: a plain loop that is resumed bit for bit, and stops at the first NaN."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rkbs.attention.heads.training import Progress
from rkbs.transformer.batches import Batch, Batches
from rkbs.transformer.checkpoints import (
    CheckpointError,
    part_of,
    put_weights,
    read_checkpoint,
    write_checkpoint,
)
from rkbs.transformer.model import generator_of
from rkbs.transformer.recipe import PRECISIONS, History, Recipe, TrainingDivergedError

Loss = Callable[[Any, Batch], Tensor]
Evaluate = Callable[[Any], float]


@torch.inference_mode(False)
@torch.enable_grad()
def train(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    recipe: Recipe,
    *,
    evaluate: Evaluate | None = None,
    folder: Path | str | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a model in place, on ``recipe.device``, to which it is moved.

    Two runs that differ in the kernel alone start with the same shared weights, and see the same
    batches with the same learning rates. On a CPU, with the same number of threads, a run that was
    killed and called again with its ``folder`` ends with the same bits as one that was not.

    Parameters
    ----------
    model : torch.nn.Module
        Such as ``LanguageModel``.
    batches : Batches
    loss : callable
        (model, batch) → tensor without axes, as ``language_loss``.
    recipe : Recipe
    evaluate : callable, optional
        model → number, less is better, in evaluation mode and without gradients. The model ends
        with the weights that were best.
    folder : path, optional
        Where checkpoints are kept, and looked for.
    progress : callable, optional
        Told (steps done, steps); ``progress_bar()`` is one.

    Returns
    -------
    History

    Raises
    ------
    TrainingDivergedError
        At the first loss, gradient or evaluation that is not finite, after a checkpoint of the
        weights before it was written. Looking costs a GPU one synchronization a step.
    CheckpointError
        For a folder with a checkpoint of another run.

    Examples
    --------
    >>> from rkbs import RBF
    >>> from rkbs.transformer import *
    >>> model = LanguageModel(TransformerConfig(vocab=9, dropout=0.0), RBF())
    >>> batches = Batches({"tokens": [[1, 5, 6, 2], [1, 7, 2]]}, size=2)
    >>> history = train(model, batches, language_loss, Recipe(steps=30, lr=1e-2))
    >>> history.losses[0] > 1.5, history.losses[-1] < 0.5
    (True, True)
    """
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe must be a Recipe, such as Recipe(steps=1000), got {recipe!r}")
    if not isinstance(batches, Batches):
        raise TypeError(f"batches must be Batches(columns, size), got {type(batches).__name__}")
    loop = _Loop(model, batches, recipe, None if folder is None else Path(folder))
    devices = [loop.device] if loop.device.type == "cuda" else []
    was_training = model.training
    try:
        with torch.random.fork_rng(devices=devices):
            while True:
                if evaluate is not None and loop.is_to_be_evaluated():
                    loop.evaluate(evaluate)
                if loop.step == recipe.steps:
                    loop.history.stopped = loop.history.stopped or "steps"
                if loop.history.stopped or loop.step % recipe.save_every == 0:
                    loop.save()
                if loop.history.stopped:
                    break
                loop.take_step(loss)
                if progress is not None:
                    progress(loop.step, recipe.steps)
    finally:
        model.train(was_training)
    if loop.best:
        model.load_state_dict(loop.best)
    return loop.history


class _Loop:
    """The state of a run: a model, its optimizer, and how far they are."""

    def __init__(
        self, model: nn.Module, batches: Batches, recipe: Recipe, folder: Path | None
    ) -> None:
        self.device = torch.device(recipe.device)
        self.model, self.batches, self.recipe = model.to(self.device), batches, recipe
        self.folder, self.step, self.history = folder, 0, History()
        self.best: dict[str, Tensor] = {}
        self.parameters = dict(model.named_parameters())
        decayed = [p for p in self.parameters.values() if p.ndim > 1]
        others = [p for p in self.parameters.values() if p.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=True)
        if folder is not None:
            self._resume(folder)

    def take_step(self, loss: Loss) -> None:
        """The loss, its gradient, and a step of the optimizer if both are finite."""
        recipe = self.recipe
        self.model.train()
        torch.manual_seed(generator_of(recipe.seed, f"step {self.step}").initial_seed())
        batch = {k: column.to(self.device) for k, column in self.batches.at(self.step).items()}
        dtype = PRECISIONS[recipe.precision]
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
            value = loss(self.model, batch)
        if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value)
            raise TypeError(
                f"loss must return a tensor without axes that depends on the parameters, got {got}"
            )
        self.optimizer.zero_grad()
        value.backward()
        gradients = {k: p.grad for k, p in self.parameters.items() if p.grad is not None}
        norms = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients.values()]
        number, *lengths = torch.stack([value.detach().double(), *norms]).tolist()  # read once
        if not math.isfinite(number):
            self._diverged(f"the loss is {number}")
        if wrong := [k for k, x in zip(gradients, lengths, strict=True) if not math.isfinite(x)]:
            self._diverged(f"the gradient is not finite ({', '.join(wrong[:3])})")
        length = math.hypot(*lengths)
        if recipe.clip is not None and length > recipe.clip:
            torch._foreach_mul_(list(gradients.values()), recipe.clip / length)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate(self.step)
        self.optimizer.step()
        self.history.losses.append(number)
        self.step += 1

    def is_to_be_evaluated(self) -> bool:
        """Whether an evaluation is due after the steps taken, and has not been made."""
        made = [steps for steps, _ in self.history.evaluations]
        due = self.step % self.recipe.evaluate_every == 0 or self.step == self.recipe.steps
        return self.step > 0 and due and self.step not in made

    def evaluate(self, evaluate: Evaluate) -> None:
        """Evaluate, keep the best weights, and stop where patience ends."""
        self.model.eval()
        with torch.no_grad():
            found = float(evaluate(self.model))
        if not math.isfinite(found):
            self._diverged(f"the evaluation is {found}")
        history = self.history
        least = min((value for _, value in history.evaluations), default=math.inf)
        history.evaluations.append((self.step, found))
        if found < least:
            history.best = self.step
            self.best = {k: x.detach().clone() for k, x in self.model.state_dict().items()}
        since = sum(steps > (history.best or 0) for steps, _ in history.evaluations)
        if self.recipe.patience is not None and since >= self.recipe.patience:
            history.stopped = "patience"

    def save(self) -> None:
        """Write a checkpoint, where there is a folder."""
        if self.folder is None:
            return
        tensors = {f"model.{name}": x for name, x in self.model.state_dict().items()}
        tensors |= {f"best.{name}": x for name, x in self.best.items()}
        for name, parameter in self.parameters.items():
            for moment, x in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{moment}.{name}"] = x
        state = {"run": self._run(), **vars(self.history)}
        write_checkpoint(self.folder, self.step, tensors, state)

    def _run(self) -> dict[str, Any]:
        """What a run is told by, but for its device and how often it saves."""
        recipe = dataclasses.asdict(self.recipe) | {"betas": list(self.recipe.betas)}
        del recipe["device"], recipe["save_every"]
        model = re.sub(r" at 0x[0-9a-f]+", "", repr(self.model))  # without addresses
        digest = hashlib.sha256(model.encode()).hexdigest()[:16]
        return {"recipe": recipe, "batches": self.batches.digest, "model": digest}

    def _resume(self, folder: Path) -> None:
        found = read_checkpoint(folder)
        if found is None:
            return
        tensors, state = found
        run = self._run()
        if different := [part for part in run if state.get("run", {}).get(part) != run[part]]:
            raise CheckpointError(
                f"{folder} holds a checkpoint of another run: its {' and '.join(different)} "
                "differ. Pass another folder, or remove this one to begin anew"
            )
        put_weights(self.model, part_of(tensors, "model"), folder)
        self.best = {k: x.to(self.device) for k, x in part_of(tensors, "best").items()}
        moments = part_of(tensors, "optimizer")
        for key, x in moments.items():
            moment, _, name = key.partition(".")
            self.optimizer.state[self.parameters[name]][moment] = x.to(self.device)
        self.step = state["step"]
        self.history = History(
            state["losses"],
            [(steps, value) for steps, value in state["evaluations"]],
            state["best"],
            state["stopped"],
        )

    def _diverged(self, what: str) -> None:
        self.save()
        recipe, clip = self.recipe, f"clip={self.recipe.clip}"
        kept = "The model has the weights before that step; with folder= they are kept"
        if self.folder:
            kept = (
                f"The weights before that step are in {self.folder}: load_weights(model, folder) "
                "reads them, to begin anew in another folder"
            )
        raise TrainingDivergedError(
            f"{what} at step {self.step}: lower lr={recipe.lr}, lengthen warmup={recipe.warmup} or "
            f"clip more ({clip}), and look for inputs that are not finite. {kept}",
            self.step,
            self.folder,
        )
