"""Kernels and attention in one graph: nothing a compiler cannot trace, and the same numbers."""

import shutil

import pytest
import torch
from test_attention import NONNEGATIVE, POSITIVE, inputs, masks

from rkbs.attention import attention
from rkbs.kernels import EDP, KERNELS, RBF, L2Distance, Laplace, Quadratic, Scaled

WEIGHT = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
COMBINED = (  # made from a parameter inside the graph, as a module does
    lambda c: Scaled(EDP(), c),
    lambda c: 0.5 * RBF(c) + EDP(),
    lambda c: L2Distance(c) * Quadratic(c),
    lambda c: Laplace().pullback(c * WEIGHT, WEIGHT),
    lambda c: EDP().pullback(c * WEIGHT, None).T,
)


def agrees(function, *tensors, backend="aot_eager", backward=True):
    torch._dynamo.reset()
    compiled = torch.compile(function, backend=backend, fullgraph=True)
    results = []
    for run in (compiled, function):
        leaves = [x.clone().requires_grad_(backward) for x in tensors]
        out = run(*leaves)
        gradients = torch.autograd.grad(out.square().sum(), leaves) if backward else ()
        results.append([out, *gradients])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * max(1, theirs.abs().max())


@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_every_kernel_in_attention(name):
    mask = masks(5, 7, torch.float64)["bool" if name in NONNEGATIVE else "infinite"]
    agrees(lambda q, k, v: attention(q, k, v, KERNELS[name], mask), *inputs())


def test_combinations_of_learned_kernels():
    def every(q, k, v, c):
        return sum(attention(q, k, v, combined(c)) for combined in COMBINED)

    agrees(every, *inputs(), torch.tensor(0.7, dtype=torch.float64))


def test_every_kernel_on_tensors():
    def every(x, y):
        return torch.stack([kernel(x, y) for kernel in KERNELS.values()])

    agrees(every, *inputs(2)[:2])


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler")
def test_the_compiler_of_torch():
    agrees(RBF(), *inputs()[:2], backend="inductor", backward=False)
