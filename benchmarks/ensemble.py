"""256 two-tower heads in one batch, beside a loop over the same heads, by the same optimizer.

Claim: the batch is at least 1.5 × as fast on a CPU, where a loop already fills a core with larger
heads, and at least 30 × on a GPU, where a loop leaves it idle. Both take the same steps from the
same weights on the same grid, and must end at the same errors. One thread on the CPU: matrices of
this size gain nothing from more.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np

os.environ.setdefault("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")  # every compilation is a first one
import torch

from rkbs.approximation import TARGETS, Quadrature
from rkbs.attention import Adam, TwoTowerEnsemble, TwoTowerHead, train_heads
from rkbs.attention.heads.surfaces import Surfaces
from rkbs.attention.heads.training import one_thread

TARGET = TARGETS["oscillating"]
MODELS = 256
SIZES = ((8, 16), (16, 32), (32, 64))
"""(nodes, hidden units) of the cases, at d = 1, 2, 4 and 8 by turns."""


def timed(work: Callable[[], object], device: str) -> tuple[float, object]:
    """Seconds until the device has finished, and what came out."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def looped(
    ensemble: TwoTowerEnsemble, quadrature: Quadrature, method: Adam, device: str
) -> np.ndarray:
    """The last errors of the same heads, each a module of its own, one after the other."""
    like = {"dtype": ensemble.query.hidden_weight.dtype, "device": device}
    x = torch.as_tensor(quadrature.x.nodes, **like)
    weights = torch.as_tensor(quadrature.x.root * quadrature.y.root.T, **like)
    goal = torch.as_tensor(quadrature.tabulate(TARGET), **like)
    last = []
    for head in ensemble.heads():
        module = TwoTowerHead.from_head(head, **like)
        _, squared = method.minimize(
            module.parameters(),
            lambda module=module: (module(x, x) * weights - goal).square().sum()[None],
        )
        last.append(np.sqrt(squared[-1, 0]))
    return np.array(last)


def compiled(ensemble: TwoTowerEnsemble, quadrature: Quadrature, device: str) -> str:
    """What torch.compile makes of a step's loss and gradient, and after how many it has paid."""
    surfaces = Surfaces.tabulate(TARGET, quadrature, ensemble)

    def eager() -> None:
        ensemble.zero_grad()
        surfaces.squared_errors(ensemble).sum().backward()

    step = torch.compile(eager)
    with one_thread(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="dynamo_pgo force disabled")  # as asked for
        first = timed(step, device)[0]
        before, after = (
            np.median([timed(work, device)[0] for _ in range(15)]) for work in (eager, step)
        )
    saved = before - after
    pays = f"pays after {first / saved:.0f} steps" if saved > 0 else "does not pay"
    return f"compiled in {first:.0f} s, step {before / after:.2f} × as fast: {pays}"


def compare(nodes: int, width: int, steps: int, device: str, dtype: torch.dtype) -> None:
    """One line: seconds of both, their ratio, and how far the errors differ."""
    dims = list(islice(cycle((1, 2, 4, 8)), MODELS))
    ensemble = TwoTowerEnsemble.random(
        dims, [width] * MODELS, range(MODELS), dtype=dtype, device=device
    )
    quadrature, method = Quadrature.gauss_legendre(nodes), Adam(steps)
    start = TwoTowerEnsemble.from_heads(ensemble.heads(), dtype=dtype, device=device)
    train_heads(TARGET, start, quadrature=quadrature, method=Adam(2))  # warm up
    with one_thread():
        alone, errors = timed(lambda: looped(ensemble, quadrature, method, device), device)
    batch, training = timed(
        lambda: train_heads(TARGET, ensemble, quadrature=quadrature, method=method), device
    )
    off = np.abs(training.errors[-1] / errors - 1).max()
    print(
        f"{nodes:6d} {width:6d} {str(dtype).removeprefix('torch.'):>8s} {alone:9.2f} {batch:9.2f} "
        f"{alone / batch:7.1f} × {off:12.1e}   {compiled(ensemble, quadrature, device)}"
    )


def main() -> None:
    """A line per size and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args()
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu, one thread"
    print(f"{MODELS} heads, {options.steps} steps of Adam, {name}")
    print(f"{'nodes':>6s} {'m':>6s} {'dtype':>8s} {'loop, s':>9s} {'batch, s':>9s} ", end="")
    print(f"{'ratio':>9s} {'differ by':>12s}   torch.compile of a step")
    for nodes, width in SIZES:
        for dtype in (torch.float64, torch.float32):
            compare(nodes, width, options.steps, device, dtype)


if __name__ == "__main__":
    main()
