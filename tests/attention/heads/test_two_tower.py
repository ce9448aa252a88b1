import numpy as np
import pytest
import torch

from rkbs.approximation import LINE, TARGETS, Head, HiddenLayer, Quadrature, constructive_head
from rkbs.attention import TwoTowerEnsemble, TwoTowerHead

GRID = Quadrature.gauss_legendre(24)
UNEQUAL = Head(
    HiddenLayer([[1.0]], [0.0]),
    HiddenLayer([[1.0], [2.0]], [0.0, 0.0]),
    np.ones((2, 1)),
    np.ones((3, 1)),
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_head_is_the_formula(dtype):
    head = TwoTowerHead(3, 5, d_x=2, d_y=4, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    t, s = (torch.randn(2, *size, dtype=dtype, generator=generator) for size in ((7, 2), (6, 4)))
    out = head(t, s)
    assert out.shape == (2, 7, 6)
    assert out.dtype == dtype
    p = {name: value.detach().numpy() for name, value in head.state_dict().items()}

    def tower(x, name):
        hidden = np.tanh(x @ p[f"{name}.hidden.weight"].T + p[f"{name}.hidden.bias"])
        return hidden @ p[f"{name}.output.weight"].T + p[f"{name}.output.bias"]

    q, k = tower(t.numpy(), "query"), tower(s.numpy(), "key")
    expected = sum(q[..., :, None, l] * k[..., None, :, l] for l in range(3))  # noqa: E741
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    assert np.abs(out.detach().numpy() - expected).max() <= tolerance


def test_the_two_towers_are_two():
    head = TwoTowerHead(2, 3)
    x = torch.linspace(-1, 1, 4)[:, None]
    assert (head(x, x) - head(x, x).T).abs().max() > 1e-3


@pytest.mark.parametrize("name", sorted(LINE))
@pytest.mark.parametrize(("d", "width"), [(1, 1), (4, 16), (8, 64), (6, 3)])
def test_constructive_weights_give_the_same_function(name, d, width):
    built = constructive_head(TARGETS[name], d, width, quadrature=GRID, seed=3)
    head = TwoTowerHead.from_head(built)
    assert (head.d, head.width, head.d_x, head.d_y) == (d, width, 1, 1)
    t, s = np.linspace(-1, 1, 31), np.linspace(-0.9, 1, 29)
    with torch.no_grad():
        out = head(torch.from_numpy(t)[:, None], torch.from_numpy(s)[:, None]).numpy()
    largest = max(np.abs(w).max() for w in (built.head.output_x, built.head.output_y))
    assert np.abs(out - built(t, s)).max() <= 1e-14 * max(1, largest) * width


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back(dtype):
    module = TwoTowerHead(3, 5, d_x=2, dtype=dtype)
    again = TwoTowerHead.from_head(module.to_head(), dtype)
    for name, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_one_form_of_weights_goes_through_all_that_hold_heads():
    """From the constructive head by module, ensemble and ``state_dict``, and back, bit by bit."""
    built = constructive_head(TARGETS["edp"], 3, 6, quadrature=GRID)
    module = TwoTowerHead.from_head(built)
    wider = constructive_head(TARGETS["edp"], 5, 9, quadrature=GRID)  # the others are padded to it
    ensemble = TwoTowerEnsemble.from_heads([built, wider, module.to_head()])
    in_torch = module.to_head(), Head.from_weights(module.state_dict())
    for head in (*in_torch, ensemble.head(0), ensemble.head(2)):
        for name, value in built.weights().items():
            np.testing.assert_array_equal(head.weights()[name], value, strict=True)
    module.load_state_dict({name: torch.tensor(a) for name, a in built.weights().items()})


def test_a_module_made_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        module = TwoTowerHead.from_head(constructive_head(TARGETS["edp"], 1, 2, quadrature=GRID))
    assert not any(parameter.is_inference() for parameter in module.parameters())


def test_a_head_keeps_its_numbers_while_its_module_is_trained_on():
    module = TwoTowerHead(2, 3, dtype=torch.float64)
    head = module.to_head()
    before = {name: value.copy() for name, value in head.weights().items()}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    for name, value in head.weights().items():
        assert np.array_equal(value, before[name])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: TwoTowerHead(0, 3), ValueError, "d must be at least 1"),
        (lambda: TwoTowerHead(2, 3.0), TypeError, "width must be an integer"),
        (lambda: TwoTowerHead(2, 3, d_y=0), ValueError, "d_y"),
        (lambda: TwoTowerHead(2, 3)(torch.ones(4), torch.ones(4, 1)), ValueError, "t must have"),
        (lambda: TwoTowerHead(2, 3)(torch.ones(4, 1), torch.ones(4, 2)), ValueError, "s must"),
        (lambda: TwoTowerHead(2, 3, dtype=torch.bfloat16), ValueError, "got torch.bfloat16"),
        (lambda: TwoTowerHead(2, 3, dtype=None), TypeError, "dtype must be torch.float32 or"),
        (lambda: TwoTowerHead(2, 3, device="tpu"), ValueError, "device must be .*got 'tpu'"),
        (lambda: TwoTowerHead.from_head({}), TypeError, "head must be a Head, got dict"),
        (lambda: TwoTowerHead.from_head(UNEQUAL), ValueError, "towers of head .* got 1 and 2"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
