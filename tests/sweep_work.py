"""What the processes of ``test_sweep`` compute: a module of its own, which imports little."""

import math
import os
import signal
import time
from pathlib import Path

import numpy as np


def work(configuration, device):
    """Notes that it ran, and does what the configuration says."""
    x, log = configuration["x"], Path(configuration["log"])
    with log.open("a") as out:
        print(x, file=out)
    if log.read_text().split().count(str(x)) <= configuration.get("dies", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(configuration.get("seconds", 0))
    if configuration.get("fails"):
        raise ArithmeticError(f"no luck with {x}")
    return {
        "square": x**2,
        "limits": [math.nan, math.inf, -math.inf, {"and": 0.1 + 0.2}],
        "array": np.arange(3) / 7,
        "given": configuration,
        "device": device,
    }


def other_work(configuration, device):
    return {"other": configuration["x"]}


def threads(configuration, device):
    return {"threads": os.environ["OMP_NUM_THREADS"], "process": os.getpid()}


def no_dict(configuration, device):
    return [1]


def word(configuration, device):
    return {"p": "inf"}
