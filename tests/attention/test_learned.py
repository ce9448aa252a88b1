"""Modules that own a kernel's parameters."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from rkbs.attention import LearnedKernel, kernel_attention
from rkbs.kernels import (
    EDP,
    KERNELS,
    POSITIVE,
    RBF,
    Custom,
    Kernel,
    KeyNormBias,
    LinearMap,
    Parametric,
    PositiveFeatures,
    Scaled,
    per_head,
)

COMPOSITE = KeyNormBias(EDP().pullback(LinearMap(np.eye(3))), -0.3) + 0.5 * RBF(2.0)
CASES = {
    **KERNELS,
    "composite": COMPOSITE,
    "features": PositiveFeatures.random(3, 4, np.random.default_rng(0)),
    "heads": RBF([0.5, 2.0]),
    "tensor": Scaled(RBF(torch.tensor(0.5, dtype=torch.float64)), 2.0),
}


def points(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(2, 2, 5, 3, generator=generator, dtype=dtype)


@pytest.mark.parametrize("heads", [None, 2])
@pytest.mark.parametrize("name", CASES)
def test_training_starts_at_the_kernel(name, heads):
    kernel, x, y = CASES[name], points(), points(1)
    if name == "identity":
        x, y = x.abs().round(), y.abs().round()
    learned = LearnedKernel(kernel, heads=heads, dtype=torch.float64)
    assert (learned()(x, y) - kernel(x, y)).abs().max() <= 1e-12
    still = LearnedKernel(kernel, learn=False, heads=heads, dtype=torch.float64)
    assert not list(still.parameters())
    assert set(still.state_dict()) == set(learned.state_dict())
    assert torch.equal(still()(x, y), learned()(x, y))


def test_every_parameter_of_every_kernel_is_found():
    """A kernel's numbers are found in its fields; the order of a Taylor sum is none."""
    found = {name: sorted(LearnedKernel(kernel).state_dict()) for name, kernel in CASES.items()}
    fields = {
        name: sorted(
            field.name
            for field in dataclasses.fields(kernel)
            if isinstance(getattr(kernel, field.name), float)
        )
        for name, kernel in KERNELS.items()
    }
    simple = {name for name, kernel in KERNELS.items() if "kernel" not in vars(kernel)}
    assert {name: found[name] for name in simple} == {name: fields[name] for name in simple}
    assert found["key-norm"] == ["tau"]
    assert found["composite"] == ["a.kernel.map_x.matrix", "a.tau", "b.factor", "b.kernel.tau"]
    assert found["features"] == ["key_biases", "key_weights", "query_biases", "query_weights"]


def test_gradients_are_those_of_finite_differences():
    learned = LearnedKernel(COMPOSITE, heads=2, dtype=torch.float64)
    names, start = zip(*learned.named_parameters(), strict=True)
    x, y = points(), points(1)

    def of(*values):
        called = torch.func.functional_call(learned, dict(zip(names, values, strict=True)))
        return called(x, y)

    assert torch.autograd.gradcheck(of, [value.detach().requires_grad_() for value in start])


def test_no_step_makes_a_positive_parameter_negative():
    learned = LearnedKernel(RBF(0.1), dtype=torch.float64)
    optimizer = torch.optim.SGD(learned.parameters(), lr=5.0)
    x = points()
    for _ in range(3):
        optimizer.zero_grad()
        (-learned()(x, x.flip(-2)).mean()).backward()  # asks for an ever smaller tau
        optimizer.step()
    assert 0 < float(learned().tau.detach()) < 0.05


def test_it_is_saved_copied_and_moved():
    learned = LearnedKernel(COMPOSITE, heads=2)
    with torch.no_grad():
        for parameter in learned.parameters():
            parameter.add_(0.25)
    twin = LearnedKernel(COMPOSITE, heads=2)
    twin.load_state_dict(learned.state_dict())
    x = points(dtype=torch.float32)
    assert torch.equal(twin()(x, x), learned()(x, x))
    assert torch.equal(copy.deepcopy(learned)()(x, x), learned()(x, x))
    assert {p.dtype for p in learned.to(torch.float64).parameters()} == {torch.float64}
    assert not torch.equal(LearnedKernel(COMPOSITE, heads=2)()(x, x), twin()(x, x))


class Net(nn.Module):
    """A kernel that a user writes as a module."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 3, dtype=torch.float64)

    def forward(self, x, y):
        return (self.map(x) @ y.mT).exp()


@dataclasses.dataclass(frozen=True, eq=False)
class Affine(Parametric, Kernel):
    """A kernel that a user writes, with a parameter declared and a tensor that is not."""

    slope: float = dataclasses.field(default=1.0, metadata=POSITIVE)
    shift: object = 0.5

    def formula(self, x, y):
        return self.shift + per_head(self, "slope", x, y) * (x @ y.mT)


def test_a_users_kernels_are_trained():
    net = LearnedKernel(Custom(Net(), is_positive=True))
    assert sorted(dict(net.named_parameters())) == ["function.map.bias", "function.map.weight"]
    assert sorted(dict(LearnedKernel(Affine()).named_parameters())) == ["slope"]
    own = LearnedKernel(Affine(2.0, torch.tensor(0.25)), heads=2)
    assert {name: tuple(p.shape) for name, p in own.named_parameters()} == {
        "slope": (2,),
        "shift": (),
    }
    x = points(dtype=torch.float32)
    own()(x, x).sum().backward()
    assert all(p.grad is not None for p in own.parameters())


def test_it_compiles_into_one_graph():
    learned, q = LearnedKernel(COMPOSITE, heads=2, dtype=torch.float64), points()

    def of(q):
        return kernel_attention(q, q, q, learned())

    compiled = torch.compile(of, backend="aot_eager", fullgraph=True)
    assert (compiled(q) - of(q)).abs().max() <= 1e-14


WEIGHT = torch.ones((), requires_grad=True)
NET = Net()


class Plain(Kernel):
    """Not a dataclass."""

    def formula(self, x, y):
        return x @ y.mT


BAD = [
    (lambda: LearnedKernel(0.5), TypeError, "kernel must be a Kernel"),
    (lambda: LearnedKernel(Plain()), TypeError, "that is a dataclass"),
    (lambda: LearnedKernel(RBF([1.0, 2.0]), heads=3), ValueError, "heads must be .* 2, got 3"),
    (lambda: LearnedKernel(RBF(), heads=0), ValueError, "heads"),
    (lambda: LearnedKernel(Custom(lambda x, y: WEIGHT * (x @ y.mT))), None, None),  # a global
    (lambda: LearnedKernel(Custom(_around(WEIGHT))), TypeError, r"Custom\(function=…\) is a func"),
    (lambda: LearnedKernel(Custom(_around(NET))), TypeError, "nn.Module that owns it"),
]


def _around(held):
    return lambda x, y: held * (x @ y.mT) if isinstance(held, torch.Tensor) else held(x, y)


@pytest.mark.parametrize(("make", "error", "match"), BAD)
def test_bad_input_is_named(make, error, match):
    if error is None:
        assert not list(make().parameters())
        return
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_training_drives_to_nan_is_named(value):
    learned = LearnedKernel(2.0 * RBF(), heads=2)
    with torch.no_grad():
        learned.kernel.tau[1] = value
    with pytest.raises(ValueError, match=r"RBF\(tau=…\) is no longer finite: training diverged"):
        learned()
