"""Kernels give numpy's arrays for numpy's and for lists, and tensors for tensors."""

from dataclasses import dataclass
from fractions import Fraction
from typing import assert_type

import numpy as np
import torch
from torch import Tensor

from rkbs import (
    EDP,
    RBF,
    CappedEDP,
    Inspection,
    Kernel,
    KeyNormBias,
    Linear,
    PositiveFeatures,
    PowerFeatures,
    inspect,
)
from rkbs.attention import kernel_attention
from rkbs.kernels import (
    Capacity,
    Custom,
    LinearMap,
    SelfWeight,
    capacity,
    depth_bound,
    leverage_bound,
    self_weight,
)

x, y = np.zeros((3, 2)), np.zeros((4, 2))
q, k, v = torch.zeros(3, 2), torch.zeros(4, 2), torch.zeros(4, 5)

for kernel in (EDP(), RBF(0.5), RBF() + Linear(), 2.0 * EDP() * RBF(), EDP().T, EDP().domain_x):
    assert_type(kernel(x, y), np.ndarray)
    assert_type(kernel([[0.0, 1.0]], [[1.0, 0.0]]), np.ndarray)
    assert_type(kernel([[0.0, 1.0]], y), np.ndarray)
    assert_type(kernel(q, k), Tensor)
assert_type((EDP() * RBF()).log(x, y), np.ndarray)
assert_type((EDP() * RBF()).log(q, k), Tensor)
assert_type(EDP().pullback(np.eye(2), None), Kernel)
assert_type(inspect(EDP(), x).singular_values, np.ndarray)
assert_type(inspect(EDP(), x), Inspection)

features = PowerFeatures(EDP(), 2, 3)
assert_type(features(x), np.ndarray)
assert_type(features(q, signed=True), Tensor)
assert_type(features.remainder_bound(x), np.ndarray)

heads = KeyNormBias(EDP(), np.ones(2))  # a parameter for each of two heads
assert_type(heads(np.zeros((2, 3, 2)), np.zeros((2, 4, 2))), np.ndarray)
for bounded in (CappedEDP(1.0), PositiveFeatures.random(2, 3, np.random.default_rng(0))):
    assert_type(bounded(x, y), np.ndarray)
    assert_type(bounded.log(q, k), Tensor)
assert_type(LinearMap(np.eye(2))(x), np.ndarray)
assert_type(LinearMap(np.eye(2))(q), Tensor)

found = capacity(CappedEDP(1.0), 2)
assert_type(found, Capacity)
assert_type(found.bound, int | float | None)
assert_type(found.gap, int | float | None)
assert_type(found.attained, int | float)
assert_type(found.keys, np.ndarray)
assert_type(found.arrangement(2), tuple[np.ndarray, np.ndarray])
weight = self_weight(EDP(), 3, 4, max_logit=1.0)
assert_type(weight, SelfWeight)
assert_type(weight.attained, float)
assert_type(weight.bound_power, Fraction | None)
assert_type(leverage_bound([[1.0, 0.0], [0.0, 1.0]]), np.ndarray)
assert_type(depth_bound(found.keys), np.ndarray)


@dataclass(frozen=True)
class Sigmoid(Kernel):
    """A user's own kernel."""

    slope: float = 1.0
    is_symmetric = True

    def formula(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        values: np.ndarray = np.tanh(self.slope * x @ np.swapaxes(y, -1, -2))
        return values


assert_type(Sigmoid(0.5)(x, y), np.ndarray)
assert_type(Custom(lambda x, y: np.cos(x @ y.T), is_symmetric=True)(x, y), np.ndarray)

assert_type(kernel_attention(q, k, v), Tensor)
assert_type(
    kernel_attention(q, k, v, RBF(1.0), attn_mask=torch.ones(3, 4, dtype=torch.bool)), Tensor
)
