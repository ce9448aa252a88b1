"""Heads of free queries and keys: their weights, their starts, and that training climbs."""

import numpy as np
import pytest
import torch

from rkbs.kernels import EDP, PositiveFeatures, TaylorEDP
from verify.oracles import weights as plain
from verify.studies import free_heads
from verify.studies.free_heads import (
    arithmetic_mean,
    geometric_mean,
    in_turn,
    least,
    soft_count,
    starts,
    trained,
)


def test_weights_are_plain_sums():
    q, k = starts(4, 5, 3, (1.0, 2.0), seed=0)
    A = free_heads.weights(TaylorEDP(4), q, k)
    assert np.allclose(A, plain.of_kernel(TaylorEDP(4), q.numpy(), k.numpy()), rtol=1e-12)
    assert torch.equal(free_heads.self_weights(TaylorEDP(4), q, k), A.diagonal(dim1=1, dim2=2))


def test_starts_take_scales_in_turn():
    q, k = starts(400, 3, 2, (0.5, 4.0), seed=0)
    assert q.shape == k.shape == (400, 3, 2)
    assert float(q[::2].std()) == pytest.approx(0.5, rel=0.1)
    assert float(k[1::2].std()) == pytest.approx(4.0, rel=0.1)
    assert torch.equal(q, starts(400, 3, 2, (0.5, 4.0), seed=0)[0])


def test_objectives():
    own = torch.tensor([[0.25, 0.5], [0.9, 0.1]], dtype=torch.float64)
    assert arithmetic_mean(own).tolist() == pytest.approx([0.375, 0.5])
    assert geometric_mean(own).exp().tolist() == pytest.approx([0.125**0.5, 0.3])
    assert least(own).tolist() == [0.25, 0.1]
    assert soft_count(own)[1] == pytest.approx(0.5)
    mixed = in_turn(least, arithmetic_mean)(own)
    assert mixed.tolist() == pytest.approx([0.25, 0.5])


@pytest.mark.parametrize("objective", [arithmetic_mean, geometric_mean, least, soft_count])
def test_training_climbs(objective):
    kernel = TaylorEDP(2)
    before = [x.numpy() for x in starts(8, 6, 2, free_heads.SCALES, seed=1)]
    after = trained(kernel, 6, 2, 8, 150, seed=1, objectives=(objective,))
    values = [
        objective(torch.tensor(plain.own(plain.of_kernel(kernel, *x)))) for x in (before, after)
    ]
    assert (values[1] > values[0]).all()


def test_heads_train_by_themselves():
    alone = trained(EDP(), 4, 2, 1, 20, seed=0, objectives=(geometric_mean,))
    q, k = starts(1, 4, 2, free_heads.SCALES, seed=0)
    many = free_heads.ascend(EDP(), q.repeat(3, 1, 1), k.repeat(3, 1, 1), geometric_mean, 20)
    assert np.allclose(alone[0], many[0][2], rtol=1e-9)


def test_parameters_are_trained_in_place():
    parameters = [torch.randn(4, 3, 2).double(), torch.zeros(4, 3).double()] * 2
    parameters = [x.clone().requires_grad_() for x in parameters]
    begun = [x.detach().clone() for x in parameters]
    trained(PositiveFeatures(*parameters), 3, 2, 4, 5, seed=0, parameters=parameters)
    assert all(not torch.equal(a, b) for a, b in zip(parameters, begun, strict=True))
