"""Attention with other kernels beside ``scaled_dot_product_attention``: time and memory.

Claims, as ratios to torch's own on standard normal queries, keys and values, 8 heads of dimension
64, one thread, forward and forward with backward: EDP ≤ 1.05; RBF ≤ 1.3; quadratic and Taylor 2
≤ 2.5; Taylor 4 ≤ 3.5; Taylor 8 ≤ 4.5; L2 ≤ 3.5 where its squares do not cancel; RBF at the default
error, RBF and L2 by differences, Laplace and the intersection ≤ 12. And memory is linear in n for
all.

Contenders take turns in one run, in process time; medians. Memory is what the process holds at its
peak, of forward with backward, beyond what it held before.

With ``--device`` it is the table of ``attention_device.py`` instead, by wall clock, on a GPU or
with all threads of the CPU, to which ``--sizes``, ``--rounds``, ``--only``, ``--seconds`` and
``--json`` apply.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path as File

import attention_device
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rkbs.attention import Automatic, Blocked, Path, attention_path, kernel_attention
from rkbs.kernels import (
    EDP,
    RBF,
    ExponentiatedIntersection,
    Kernel,
    L2Distance,
    Laplace,
    Quadratic,
    TaylorEDP,
)

HEADS, DIMENSION = 8, 64
STATUS, REFERENCES = File("/proc/self/status"), File("/proc/self/clear_refs")
CONTENDERS: dict[str, tuple[Kernel, Path, float]] = {  # kernel, path, most times torch's own
    "EDP": (EDP(), Automatic(), 1.05),
    "RBF, error 1e-5": (RBF(), Automatic(1e-5), 1.3),
    "quadratic": (Quadratic(), Automatic(), 2.5),
    "Taylor 2": (TaylorEDP(2), Automatic(), 2.5),
    "Taylor 4": (TaylorEDP(4), Automatic(), 3.5),
    "Taylor 8": (TaylorEDP(8), Automatic(), 4.5),
    "L2": (L2Distance(), Automatic(), 3.5),
    "L2, differences": (L2Distance(), Blocked(error=0.0), 12),
    "RBF": (RBF(), Automatic(), 12),
    "RBF, differences": (RBF(), Blocked(error=0.0), 12),
    "Laplace": (Laplace(), Automatic(), 12),
    "intersection": (ExponentiatedIntersection(), Automatic(), 12),
    "quadratic, error 1e-4": (Quadratic(), Automatic(1e-4), 2.5),
}
QUICK = 6
"""So many contenders are measured at every n, the others up to ``--slow``."""


def points(n: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, HEADS, n, DIMENSION, generator=generator) for _ in range(3)]


def calls(name: str, tensors: list[Tensor]) -> tuple[Callable, Callable]:
    """Forward, and forward with backward."""
    if name == "torch":
        attend = scaled_dot_product_attention
    else:
        kernel, path, _ = CONTENDERS[name]

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return kernel_attention(q, k, v, kernel, path=path)

    leaves = [x.clone().requires_grad_() for x in tensors]
    unit = torch.ones(())

    def both() -> None:
        out = attend(*leaves)
        torch.autograd.grad(out, leaves, unit.expand_as(out))

    return lambda: attend(*tensors), both


def timed(call: Callable) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def times(names: list[str], n: int, rounds: int) -> dict[str, tuple[float, float]]:
    """The median ratios to torch's own of the same round."""
    tensors = points(n)
    work = {name: calls(name, tensors) for name in ["torch", *names]}
    for pair in work.values():
        pair[0](), pair[1]()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (forward, both) in work.items():
            found[name].append((timed(forward), timed(both)))
    middle = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    own = middle.pop("torch")
    return {name: (row[0] / own[0], row[1] / own[1]) for name, row in middle.items()}


def resident(field: str) -> float:
    """MiB of this process, by a field of its status (Linux)."""
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) / 1024


def memory(name: str, n: int) -> float:
    """MiB at the peak of forward with backward, beyond what is held before."""
    _, both = calls(name, points(n))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    REFERENCES.write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    both()
    return resident("VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*")
    parser.add_argument("--slow", type=int, default=1024, help="the largest n of slow contenders")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--memory", type=int, nargs="*", default=[1024, 2048])
    every = sorted({*CONTENDERS, *attention_device.CONTENDERS})
    parser.add_argument("--only", nargs="+", choices=every, default=every)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="the table of a device")
    parser.add_argument("--seconds", type=float, default=150.0, help="of a device's table")
    parser.add_argument("--json", type=File, help="where a device's numbers are kept")
    options = parser.parse_args()
    if options.device is not None:
        sizes, rounds = options.sizes or attention_device.SIZES, options.rounds or 15
        wanted = options.only, rounds, options.seconds, options.json
        attention_device.run(options.device, sizes, *wanted)
        return
    if options.json is not None:
        parser.error("--json needs --device")
    torch.set_num_threads(1)
    print(f"{'n':>6} {'contender':24} {'forward':>8} {'both':>8} {'bound':>6}  path")
    for n in options.sizes or [256, 1024, 2048]:
        slow = list(CONTENDERS)[QUICK:] if n > options.slow else []
        names = [name for name in CONTENDERS if name in options.only and name not in slow]
        for name, (forward, both) in times(names, n, options.rounds or 5).items():
            kernel, path, bound = CONTENDERS[name]
            chosen = attention_path(*points(n), kernel, path=path)
            met = "met" if max(forward, both) <= bound else "MISSED"
            print(f"{n:6} {name:24} {forward:8.2f} {both:8.2f} {bound:6}  {met}, {chosen}")
    calls("torch", points(64))[1]()  # what torch sets up once is not counted
    for n in options.memory:
        for name in ["torch", *(name for name in CONTENDERS if name in options.only)]:
            print(f"{n:6} {name:24} {memory(name, n):8.1f} MiB at the peak beyond the inputs")


if __name__ == "__main__":
    main()
