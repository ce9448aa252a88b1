"""Kernels and attention in one graph: nothing a compiler cannot trace, and the same numbers."""

import pytest
import torch
from attention_helpers import (
    EQUAL,
    NONNEGATIVE,
    POSITIVE,
    REFUSED,
    WEIGHT,
    inputs,
    masks,
    off,
    plain,
)

from rkbs.attention import Blocked, Dense, Features, Fused, kernel_attention
from rkbs.attention.paths import _operation
from rkbs.kernels import EDP, KERNELS, RBF, L2Distance, Laplace, Quadratic, Scaled

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


def ours(q, k, v, name, mask):
    return kernel_attention(q, k, v, KERNELS[name], attn_mask=mask)


def test_every_kernel_in_attention():
    """Side by side in one graph, which takes a third of the time of a graph for each."""
    accepted, both = sorted(POSITIVE | NONNEGATIVE | EQUAL), masks(5, 7, torch.float64)

    def each(q, k, v, function):
        equal = torch.cat([k[:2], q[2:]])  # queries that are keys, for kernels of equality
        return [
            function(
                equal if name in EQUAL else q,
                k,
                v,
                name,
                both["infinite" if name in POSITIVE else "bool"],
            )
            for name in accepted
        ]

    tensors = inputs()
    for name, *found in zip(accepted, each(*tensors, ours), each(*tensors, plain), strict=True):
        assert off(*found) <= 1e-12, name
    agrees(lambda q, k, v: torch.stack(each(q, k, v, ours)), *tensors)


def test_combinations_of_learned_kernels():
    def every(q, k, v, c):
        return sum(kernel_attention(q, k, v, combined(c)) for combined in COMBINED)

    tensors, c = inputs(), torch.tensor(0.7, dtype=torch.float64)
    right = sum(plain(*tensors, combined(c)) for combined in COMBINED)
    assert off(every(*tensors, c), right) <= 1e-12
    agrees(every, *tensors, c, backend="eager")


def test_kernels_that_attention_refuses():
    def every(x, y):
        return torch.stack([KERNELS[name](x, y) for name in sorted(REFUSED)])

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
    assert off(kernel_attention(*tensors, rbf), plain(*tensors, "rbf")) <= 1e-12
    agrees(
        lambda q, k, v: kernel_attention(q, k, v, rbf), *tensors, backend="inductor", options=quick
    )


FORMS = ("rbf", "cauchy", "l2", "laplace", "ei", "quadratic", "taylor-4")


def test_forms_are_one_operation_in_a_graph():
    """In single precision, too, where RBF and Cauchy are taken from products in double."""
    seen = []
    allowed = masks(5, 7, torch.float64)["bool"]

    def every(q, k, v):
        named = {"attn_mask": allowed, "path": Blocked(numbers=14)}
        return torch.stack([kernel_attention(q, k, v, KERNELS[name], **named) for name in FORMS])

    def counting(graph, inputs):
        seen.append([str(node.target) for node in graph.graph.nodes])
        return graph

    for dtype, most in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        torch._dynamo.reset()
        leaves = [x.to(dtype).requires_grad_() for x in inputs()]
        out = torch.compile(every, backend=counting, fullgraph=True)(*leaves)
        right = [x.double().detach().requires_grad_() for x in leaves]
        expected = torch.stack([plain(*right, name, allowed) for name in FORMS])
        assert off(out, expected) <= most
        pulls = [
            torch.autograd.grad(x.square().sum(), xs)
            for x, xs in ((out, leaves), (expected, right))
        ]
        assert max(map(off, *pulls)) <= most
    assert [sum("rkbs.rows" in target for target in graph) for graph in seen] == [len(FORMS)] * 2


@pytest.mark.parametrize("is_causal", [False, True])
def test_torch_finds_the_operation_sound(is_causal):
    q, k, v = (x[0].requires_grad_() for x in inputs(1, 3, n=4, m=4))
    allowed = None if is_causal else masks(4, 4, torch.float64)["bool"]
    arguments = q, k, v, allowed, "Decay", 0, [3], is_causal, 6
    torch.library.opcheck(_operation._rows, arguments)
    assert torch.autograd.gradcheck(lambda *x: _operation._rows(*x, *arguments[3:]), (q, k, v))


def test_paths_in_one_graph():
    paths = {"fused": RBF(), "blocked": Laplace(), "features": Quadratic(), "dense": RBF()}
    named = {"fused": Fused(), "blocked": Blocked(numbers=14), "features": Features()}

    def every(q, k, v):
        return torch.stack(
            [
                kernel_attention(q, k, v, kernel, is_causal=True, path=named.get(name, Dense()))
                for name, kernel in paths.items()
            ]
        )

    tensors = inputs()
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    q, k, v = tensors
    right = [plain(q, k[:5], v[:5], kernel, causal) for kernel in paths.values()]
    assert off(every(*tensors), torch.stack(right)) <= 1e-12
    agrees(every, *tensors)
