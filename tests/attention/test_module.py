"""``KernelAttention``: the function, with parameters that are its own."""

import pytest
import torch

from rkbs.attention import Dense, KernelAttention, kernel_attention, start_gain
from rkbs.kernels import EDP, KERNELS, RBF, Linear

Q, K, V = torch.randn(3, 2, 3, 6, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [n for n, k in KERNELS.items() if k.is_nonnegative])
def test_it_is_the_function(name):
    kernel = KERNELS[name]
    module = KernelAttention(kernel, heads=3)
    for options in ({}, {"is_causal": True}, {"attn_mask": torch.rand(6, 6) < 0.5}):
        expected = kernel_attention(Q, K, V, kernel, **options)
        assert (module(Q, K, V, **options) - expected).abs().max() <= 2e-6
    out, weights = module(Q, K, V, return_weights=True)
    assert torch.allclose(weights @ V, out, atol=1e-6)


def test_the_gain_is_the_kernels():
    gain = start_gain(RBF(), 4)
    module = KernelAttention(RBF(), head_dim=4)
    expected = kernel_attention(gain * Q, gain * K, V, RBF())
    assert (module(Q, K, V) - expected).abs().max() <= 1e-6
    assert sorted(module.state_dict()) == ["gain", "kernel.tau"]


def test_dropout_is_for_training():
    module = KernelAttention(dropout=0.5)
    torch.manual_seed(0)
    assert not torch.equal(module(Q, K, V), module(Q, K, V))
    module.eval()
    assert torch.equal(module(Q, K, V), kernel_attention(Q, K, V))


def test_key_heads_are_shared():
    module = KernelAttention(EDP())
    shared = module(Q.repeat_interleave(2, 1), K, V, enable_gqa=True)
    assert torch.allclose(shared[:, ::2], module(Q, K, V), atol=1e-6)


def test_signed_kernels_take_a_policy():
    with pytest.raises(TypeError, match="non-negative"):
        KernelAttention(Linear())(Q, K, V)
    module = KernelAttention(Linear(), normalize="absolute", path=Dense())
    assert torch.equal(module(Q, K, V), kernel_attention(Q, K, V, Linear(), normalize="absolute"))


def test_a_kernel_trains():
    """Of values of another τ it finds that τ."""
    target = kernel_attention(Q, K, V, RBF(2.0))
    module = KernelAttention(RBF(0.5))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        (module(Q, K, V) - target).square().mean().backward()
        optimizer.step()
    assert float(module.kernel().tau.detach()) == pytest.approx(2.0, rel=1e-2)
