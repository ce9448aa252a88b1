"""Attention with other kernels beside torch's own on one device, by wall clock.

What ``attention.py --device cuda`` runs: standard normal queries, keys and values, 8 heads of
dimension 64, one batch, in float32 (all contenders) and bfloat16 (some of them, at some n).
Each contender takes turns with ``scaled_dot_product_attention`` in the same dtype; ratios are of
medians, forward and forward with backward. First calls, in which FlexAttention compiles, are timed
apart. Memory is the peak of torch's allocator in forward with backward beyond what it held. What
torch is told of TF32 stays as it is, and is written down. Each row goes to the file when it is
there; after ``seconds`` no other begins, and those left are named.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rkbs.attention import Automatic, Blocked, Fused, Path, attention_path, kernel_attention
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
CONTENDERS: dict[str, tuple[Kernel, Path]] = {
    "EDP": (EDP(), Automatic()),
    "quadratic": (Quadratic(), Automatic()),
    "Taylor 4": (TaylorEDP(4), Automatic()),
    "RBF, fused": (RBF(), Fused()),
    "Taylor 2": (TaylorEDP(2), Automatic()),
    "Taylor 8": (TaylorEDP(8), Automatic()),
    "quadratic, blocked": (Quadratic(), Blocked()),
    "RBF": (RBF(), Automatic()),
    "L2": (L2Distance(), Automatic()),
    "Laplace": (Laplace(), Automatic()),
    "intersection": (ExponentiatedIntersection(), Automatic()),
}
IN_HALF = 3
"""So many contenders are measured in bfloat16, too, at the n in ``HALF_SIZES``."""
SLOW = list(CONTENDERS)[-5:]
"""Measured up to n = 4096."""
SIZES, HALF_SIZES, MOST_SLOW = [2048, 8192, 256, 1024, 4096], (2048, 8192), 4096
LEAST, ENOUGH = 3, 1.0
"""Rounds that each contender gets in any case, and the seconds after which it has had enough."""


def points(n: int, dtype: torch.dtype, device: str) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = 1, HEADS, n, DIMENSION
    return [torch.randn(shape, generator=generator).to(device, dtype) for _ in range(3)]


def calls(name: str, tensors: list[Tensor]) -> tuple[Callable, Callable]:
    """Forward, and forward with backward."""
    if name == "torch":
        attend = scaled_dot_product_attention
    else:
        kernel, path = CONTENDERS[name]

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return kernel_attention(q, k, v, kernel, path=path)

    leaves = [x.clone().requires_grad_() for x in tensors]
    unit = torch.ones_like(tensors[2])

    def forward() -> None:
        with torch.no_grad():
            attend(*tensors)

    def both() -> None:
        torch.autograd.grad(attend(*leaves), leaves, unit)

    return forward, both


def timed(call: Callable, device: str) -> float:
    """Milliseconds, by the device's own events where it has them."""
    if device == "cpu":
        start = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - start)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def first(name: str, tensors: list[Tensor], device: str) -> dict[str, Any]:
    """The first calls, timed by the clock, and the peak of memory of the second."""
    start = time.perf_counter()
    forward, both = calls(name, tensors)
    forward()
    both()
    if device == "cpu":
        return {"first_s": time.perf_counter() - start}
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    both()
    torch.cuda.synchronize()
    return {"first_s": seconds, "peak_mib": (torch.cuda.max_memory_allocated() - before) / 2**20}


def row_of(
    name: str, n: int, dtype: torch.dtype, device: str, rounds: int, own: tuple[Callable, Callable]
) -> dict[str, Any]:
    """A contender that takes turns with torch's own; if it fails, its error."""
    tensors = points(n, dtype, device)
    row: dict[str, Any] = {"n": n, "dtype": short(dtype), "contender": name}
    try:
        if name != "torch":
            kernel, path = CONTENDERS[name]
            row["path"] = repr(attention_path(*tensors, kernel, path=path))
        row |= first(name, tensors, device)
        work, times = calls(name, tensors), []
        start = time.perf_counter()
        while len(times) < LEAST or (len(times) < rounds and time.perf_counter() - start < ENOUGH):
            times.append([timed(call, device) for call in (*own, *work)])
    except Exception as error:
        return row | {"error": f"{type(error).__name__}: {error}"[:2000]}
    middle = [statistics.median(column) for column in zip(*times, strict=True)]
    keys = "torch_forward_ms", "torch_both_ms", "forward_ms", "both_ms"
    ratios = {"forward_ratio": middle[2] / middle[0], "both_ratio": middle[3] / middle[1]}
    return row | dict(zip(keys, middle, strict=True)) | ratios | {"all_ms": times}


def short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def described(device: str) -> dict[str, Any]:
    """What the numbers are of."""
    cuda = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or "cpu",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "heads": HEADS,
        "dimension": DIMENSION,
    }


def told(row: dict[str, Any]) -> str:
    head = f"{row['n']:6} {row['dtype']:9} {row['contender']:19}"
    if "error" in row:
        return f"{head} {row['error'].splitlines()[0][:100]}"
    numbers = (
        f"{row['forward_ms']:9.3f} {row['forward_ratio']:7.2f} {row['both_ms']:9.3f} "
        f"{row['both_ratio']:7.2f} {row.get('peak_mib', float('nan')):9.1f} "
        f"{row['first_s']:7.1f} {len(row['all_ms']):6}"
    )
    return f"{head} {numbers}  {row.get('path', '')}"


def run(
    device: str,
    sizes: list[int],
    only: list[str] | None = None,
    rounds: int = 15,
    seconds: float = 150.0,
    file: File | None = None,
) -> None:
    """Print the table, row by row, and keep all numbers in the file."""
    start = time.perf_counter()
    names = [name for name in CONTENDERS if only is None or name in only]
    in_half = [name for name in list(CONTENDERS)[:IN_HALF] if name in names]
    kept: dict[str, Any] = described(device) | {"rows": [], "left": []}

    def keep() -> None:
        if file is not None:
            kept["seconds"] = time.perf_counter() - start
            file.write_text(json.dumps(kept, indent=1) + "\n")

    print(
        ", ".join(f"{key}: {value}" for key, value in kept.items() if key not in ("rows", "left"))
    )
    print(
        f"{'n':>6} {'dtype':9} {'contender':19} {'forward':>9} {'ratio':>7} {'both':>9} "
        f"{'ratio':>7} {'peak MiB':>9} {'first s':>7} {'rounds':>6}  path"
    )
    groups = []
    for n in sizes:
        some = [name for name in names if n <= MOST_SLOW or name not in SLOW]
        groups.append((n, torch.float32, some))
        if n in HALF_SIZES or device == "cpu":
            groups.append((n, torch.bfloat16, in_half))
    for n, dtype, some in groups:
        own = calls("torch", points(n, dtype, device))
        for name in ["torch", *some]:
            if time.perf_counter() - start > seconds:
                kept["left"].append([n, short(dtype), name])
                print(f"{n:6} {short(dtype):9} {name:19} left: {seconds:.0f} s are over")
            else:
                kept["rows"].append(row_of(name, n, dtype, device, rounds, own))
                print(told(kept["rows"][-1]), flush=True)
            keep()
    print(f"{time.perf_counter() - start:.0f} s")
