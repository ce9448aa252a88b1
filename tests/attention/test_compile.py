"""Kernels and attention in one graph: nothing a compiler cannot trace, and the same numbers."""

import pytest
import torch
from attention_helpers import EQUAL, NONNEGATIVE, POSITIVE, WEIGHT, alike, inputs, masks, off, plain

from rkbs.attention import attention
from rkbs.kernels import EDP, KERNELS, RBF, L2Distance, Quadratic, Scaled

COMBINED = (  # made from a parameter inside the graph, as a module does
    lambda c: Scaled(EDP(), c) + 0.5 * RBF(c),
    lambda c: (L2Distance(c) * Quadratic(c)).pullback(c * WEIGHT, None).T,
)


def agrees(function, *tensors, backend="aot_eager", backward=True, options=None):
    torch._dynamo.reset()
    compiled = torch.compile(function, backend=backend, fullgraph=True, options=options)
    results = []
    for run in (compiled, function):
        leaves = [x.clone().requires_grad_(backward) for x in tensors]
        out = run(*leaves)
        gradients = torch.autograd.grad(out.square().sum(), leaves) if backward else ()
        results.append([out, *gradients])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * max(1, theirs.abs().max())


@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE | EQUAL))
def test_every_kernel_in_attention(name):
    mask = masks(5, 7, torch.float64)["infinite" if name in POSITIVE else "bool"]
    tensors = alike(name, *inputs())
    assert off(attention(*tensors, KERNELS[name], mask), plain(*tensors, name, mask)) <= 1e-12
    agrees(lambda q, k, v: attention(q, k, v, KERNELS[name], mask), *tensors)


def test_combinations_of_learned_kernels():
    def every(q, k, v, c):
        return sum(attention(q, k, v, combined(c)) for combined in COMBINED)

    tensors, c = inputs(), torch.tensor(0.7, dtype=torch.float64)
    right = sum(plain(*tensors, combined(c)) for combined in COMBINED)
    assert off(every(*tensors, c), right) <= 1e-12
    agrees(every, *tensors, c)


def test_every_kernel_on_tensors():
    def every(x, y):
        return torch.stack([kernel(x, y) for kernel in KERNELS.values()])

    agrees(every, *inputs(2)[:2], backend="eager", backward=False)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_inductor():
    from torch._inductor import cpp_builder, exc  # here: a second, also where nothing is compiled

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        pytest.skip("inductor finds no C++ compiler")
    quick = {  # neither test programs for vector units nor headers compiled for later
        "cpp.vec_isa_ok": False,
        "cpp_cache_precompile_headers": False,
    }
    rbf, tensors = RBF(), inputs()
    assert off(attention(*tensors, rbf), plain(*tensors, "rbf")) <= 1e-12
    agrees(lambda q, k, v: attention(q, k, v, rbf), *tensors, backend="inductor", options=quick)
