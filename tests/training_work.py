"""What ``test_training`` runs in a process of its own: a run that is killed again and again.

Each run is a fork, so that torch is imported once. Prints, as JSON, how often a run was killed,
and whether what it ended with has the bits of a run that was left in peace.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from transformer_helpers import language_task

from rkbs.kernels import RBF
from rkbs.transformer import Recipe, language_loss, save_weights, token_nll, train
from rkbs.transformer.checkpoints import Path as WritingPath

RECIPE = Recipe(
    steps=13, lr=1e-2, warmup=3, evaluate_every=4, save_every=3, weight_decay=0.1, clip=0.5
)


def run(folder, die):
    """Train, and write the weights and losses that it ends with; ``die`` is asked in between."""
    model, batches = language_task(RBF(0.5), dropout=0.2)

    def loss(model, batch):
        found = language_loss(model, batch)
        die("step")
        return found

    def evaluate(model):
        die("evaluation")
        return token_nll(model, batches)[0].mean()

    kept = WritingPath.replace

    def replace(part, path):
        die("before a file")
        kept(part, path)
        die("after a file")

    WritingPath.replace = replace
    history = train(model, batches, loss, RECIPE, evaluate=evaluate, folder=folder / "run")
    WritingPath.replace = kept
    save_weights(model, folder / "model.safetensors")
    (folder / "history.json").write_text(json.dumps(vars(history)))


def killer(place, number):
    """Kills the process at the so-manieth call from a place."""
    left = number

    def die(where):
        nonlocal left
        if where == place:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return die


def forked(folder, die):
    """Whether a run in a fork was killed; it must have ended well otherwise."""
    child = os.fork()
    if not child:
        status = 1
        try:
            run(folder, die)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def ended(folder):
    names = ("model.safetensors", "history.json")
    return [(folder / name).read_bytes() for name in names]


def main(folder):
    torch.set_num_threads(1)
    for name in ("peace", "war"):
        (folder / name).mkdir()
    run(folder / "peace", killer("", 0))  # not in a fork: what torch imports late, all then have
    killed, places = 0, []
    for place, numbers in (
        ("step", (1, 2, 5)),
        ("before a file", (2, 3, 4)),
        ("after a file", (1, 2, 3)),
        ("evaluation", (1, 1)),
        ("step", (2, 4)),
    ):
        for number in numbers:
            was = forked(folder / "war", killer(place, number))
            killed += was
            places += [place] * was
    while forked(folder / "war", killer("", 0)):
        pass
    same = ended(folder / "peace") == ended(folder / "war")
    left = sorted(path.name for path in (folder / "war" / "run").iterdir())
    print(json.dumps({"killed": killed, "places": sorted(set(places)), "same": same, "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
