import numpy as np
import pytest
import torch

from rkbs.approximation import TARGETS, Quadrature, constructive_head, l2_error, schmidt
from rkbs.attention import TwoTowerHead, train_head

GRID = Quadrature.gauss_legendre(24)
EDP = TARGETS["edp"]


def train(target=EDP, d=2, width=12, steps=60, **options):
    return train_head(target, d, width, quadrature=GRID, steps=steps, **options)


def arrays(head):
    return {name: value.detach().numpy() for name, value in head.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_head_is_the_formula(dtype):
    head = TwoTowerHead(3, 5, d_x=2, d_y=4, dtype=dtype)
    t, s = torch.randn(2, 7, 2, dtype=dtype), torch.randn(2, 6, 4, dtype=dtype)
    out = head(t, s)
    assert out.shape == (2, 7, 6)
    assert out.dtype == dtype
    p = arrays(head)

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


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize(("d", "width"), [(1, 1), (4, 16), (8, 64), (6, 3)])
def test_constructive_weights_give_the_same_function(name, d, width):
    built = constructive_head(TARGETS[name], d, width, quadrature=GRID, seed=3)
    head = TwoTowerHead.from_arrays(built.weights())
    assert (head.d, head.width, head.d_x, head.d_y) == (d, width, 1, 1)
    t, s = np.linspace(-1, 1, 31), np.linspace(-0.9, 1, 29)
    with torch.no_grad():
        out = head(torch.from_numpy(t)[:, None], torch.from_numpy(s)[:, None]).numpy()
    largest = max(np.abs(w).max() for w in built.output_weights)
    assert np.abs(out - built(t, s)).max() <= 1e-14 * max(1, largest) * width


@pytest.mark.parametrize("name", ["asymmetric", "kink"])
def test_training_moves_towards_the_floor_and_not_below(name):
    target, d = TARGETS[name], 2
    head = train(target, d, steps=400)
    assert head.steps[0] == 0
    assert head.steps[-1] == 400
    assert len(head.steps) == len(head.errors)
    assert (np.diff(head.steps) > 0).all()
    assert head.errors[-1] < 0.4 * head.errors[0]
    fine = Quadrature.gauss_legendre(61)
    there = np.linalg.svd(fine.tabulate(target), compute_uv=False)[d:]
    error = l2_error(target, head, fine)
    assert error >= np.linalg.norm(there)
    assert error <= 1.5 * schmidt(target).floor(d)


def test_the_last_error_is_that_of_the_head_returned():
    head = train(steps=33)
    assert head.errors[-1] == pytest.approx(l2_error(EDP, head, GRID), rel=1e-12)
    assert head.errors[0] == pytest.approx(l2_error(EDP, train(steps=1, lr=1e-30), GRID), rel=1e-6)
    assert head.seconds > 0
    assert head.seed == 0


def test_the_seed_determines_the_head_whatever_the_threads():
    before = torch.get_num_threads()
    first = train(seed=5)
    try:
        torch.set_num_threads(before + 1)
        second = train(seed=5)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    other = train(seed=6)
    assert np.array_equal(first.errors, second.errors)
    for name, value in arrays(first.module).items():
        assert np.array_equal(value, arrays(second.module)[name])
        assert not np.array_equal(value, arrays(other.module)[name])


def test_the_global_generators_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    train(seed=1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002


def test_the_global_generator_has_no_influence():
    torch.manual_seed(1)
    first = train()
    torch.manual_seed(2)
    assert np.array_equal(first.errors, train().errors)


def test_single_precision_starts_from_the_same_weights():
    single, double = train(dtype=torch.float32, steps=20), train(steps=20)
    assert single.module.query.hidden.weight.dtype == torch.float32
    assert single.errors[0] == pytest.approx(double.errors[0], rel=1e-5)
    assert single(np.zeros(2), np.zeros(3)).dtype == np.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_on_cuda():
    head, reference = train(device="cuda", steps=20), train(steps=20)
    assert head.module.query.hidden.weight.is_cuda
    assert head.errors[-1] == pytest.approx(reference.errors[-1], rel=1e-6)


def test_progress_is_told_to_the_end():
    told = []
    train(steps=250, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 250)
    assert told[-1] == (250, 250)
    assert 100 <= len(told) <= 130


def test_sums_do_not_depend_on_the_number_of_threads():
    threads = set()
    train(steps=3, progress=lambda *_: threads.add(torch.get_num_threads()))
    assert threads == {1}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: TwoTowerHead(0, 3), ValueError, "d must be at least 1"),
        (lambda: TwoTowerHead(2, 3.0), TypeError, "width must be an integer"),
        (lambda: TwoTowerHead(2, 3, d_y=0), ValueError, "d_y"),
        (lambda: TwoTowerHead(2, 3)(torch.ones(4), torch.ones(4, 1)), ValueError, "t must have"),
        (lambda: TwoTowerHead(2, 3)(torch.ones(4, 1), torch.ones(4, 2)), ValueError, "s must"),
        (lambda: TwoTowerHead.from_arrays({}), ValueError, "arrays must have the names"),
        (lambda: train(steps=0), ValueError, "steps must be at least 1"),
        (lambda: train(seed=-1), ValueError, "seed must be at least 0"),
        (lambda: train(lr=0.0), ValueError, "lr must be positive"),
        (lambda: train(lr=float("nan")), ValueError, "lr must be positive"),
        (lambda: train(d=True), TypeError, "d must be an integer"),
        (lambda: train(steps=5, lr=1e200), FloatingPointError, "lower lr"),
        (lambda: train(target=lambda t, s: t + s), ValueError, r"\(n,\) and s \(m,\)"),
        (lambda: train(steps=1)(np.zeros((2, 1)), np.zeros(2)), ValueError, "t must have"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_arrays_of_unequal_towers_are_refused():
    built = constructive_head(EDP, 2, 3, quadrature=GRID).weights()
    built["key.output.weight"] = built["key.output.weight"][:1]
    with pytest.raises(ValueError, match="do not fit together"):
        TwoTowerHead.from_arrays(built)
