"""Batched heads are the heads one by one, whatever their sizes; training reaches the limit."""

import numpy as np
import pytest
import torch

from rkbs.approximation import (
    LINE,
    TARGETS,
    Head,
    Quadrature,
    constructive_head,
    head_on_layers,
    l2_error,
    schmidt,
)
from rkbs.attention import Adam, TwoTowerEnsemble, TwoTowerHead, VariableProjection, train_heads
from rkbs.attention.heads.surfaces import Surfaces
from rkbs.attention.heads.variable_projection import _normal_equations

GRID, FINE = Quadrature.gauss_legendre(32), Quadrature.gauss_legendre(61)
EDP = TARGETS["edp"]
MIXED = {"dims": (1, 3, 2, 4), "widths": (5, 2, 12, 4), "seeds": (0, 1, 2, 3)}
SMOOTH = [name for name in LINE if TARGETS[name].smooth]


def adam(ensemble=None, targets=EDP, steps=40, quadrature=GRID, **options):
    ensemble = TwoTowerEnsemble.random(**MIXED) if ensemble is None else ensemble
    return train_heads(targets, ensemble, quadrature=quadrature, method=Adam(steps, **options))


def constructive(name, d, width, seed=0, quadrature=GRID):
    return constructive_head(TARGETS[name], d, width, quadrature=quadrature, seed=seed).head


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_model_is_its_own_head(dtype):
    ensemble = TwoTowerEnsemble.random(**MIXED, d_x=2, d_y=3, dtype=dtype)
    rng = np.random.default_rng(0)
    t, s = rng.uniform(-1, 1, (7, 2)), rng.uniform(-1, 1, (6, 3))
    logits = ensemble(torch.tensor(t, dtype=dtype), torch.tensor(s, dtype=dtype))
    assert logits.shape == (4, 7, 6)
    for a, head in enumerate(ensemble.heads()):
        assert (head.d, len(head.hidden_x.biases)) == (MIXED["dims"][a], MIXED["widths"][a])
        module = TwoTowerHead.from_head(head)
        single = module(torch.tensor(t), torch.tensor(s)).detach().numpy()
        tolerance = 1e-6 if dtype == torch.float32 else 1e-14
        assert np.abs(logits[a].detach().numpy() - single).max() <= tolerance
        assert np.abs(head(t, s) - single).max() <= 1e-14


def test_each_model_may_have_its_own_points():
    ensemble = TwoTowerEnsemble.random(**MIXED)
    t = torch.rand(4, 5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    own = ensemble(t, t)
    for a in range(4):
        assert torch.allclose(own[a], ensemble(t[a], t[a])[a], atol=1e-15)


def test_the_start_is_torchs_own_and_the_generators_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    head = TwoTowerEnsemble.random((2,), (3,), (7,)).head(0)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = TwoTowerHead(2, 3, dtype=torch.float64)
    for name, value in head.weights().items():
        assert np.array_equal(value, module.state_dict()[name].numpy())


@pytest.mark.parametrize("method", [Adam(50), VariableProjection(6)], ids=repr)
def test_a_model_is_trained_as_if_it_were_alone(method):
    names = ("edp", "kink", "asymmetric", "edp")
    targets = [TARGETS[name] for name in names]
    ensemble = TwoTowerEnsemble.random(**MIXED)
    together = train_heads(targets, ensemble, quadrature=GRID, method=method)
    assert together.errors.shape == (len(together.steps), 4)
    for a in range(4):
        own = {key: values[a : a + 1] for key, values in MIXED.items()}
        one = TwoTowerEnsemble.random(**own)
        alone = train_heads(targets[a], one, quadrature=GRID, method=method)
        assert together.errors[:, a] == pytest.approx(alone.errors[:, 0], rel=1e-6)
        assert (
            np.abs(
                together.heads[a](FINE.x.nodes, FINE.y.nodes)
                - alone.heads[0](FINE.x.nodes, FINE.y.nodes)
            ).max()
            <= 1e-6
        )


@pytest.mark.parametrize("method", [Adam(30), VariableProjection(5)], ids=repr)
def test_padding_stays_zero(method):
    ensemble = TwoTowerEnsemble.random(**MIXED)
    train_heads(EDP, ensemble, quadrature=GRID, method=method)
    for towers in (ensemble.query, ensemble.key):
        for a, (d, width) in enumerate(zip(MIXED["dims"], MIXED["widths"], strict=True)):
            assert not towers.output_weight[a, d:].any()
            assert not towers.output_bias[a, d:].any()
            assert not towers.output_weight[a, :, width:].any()


@pytest.mark.parametrize("method", [Adam(33), VariableProjection(8)], ids=repr)
def test_errors_are_those_of_the_heads_returned(method):
    ensemble = TwoTowerEnsemble.random(**MIXED)
    first = [l2_error(EDP, head, GRID) for head in ensemble.heads()]
    training = train_heads(EDP, ensemble, quadrature=GRID, method=method)
    last = [l2_error(EDP, head, GRID) for head in training.heads]
    assert training.errors[-1] == pytest.approx(last, rel=1e-6)
    assert training.seconds > 0
    assert (training.steps[0], training.steps[-1]) == (0, method.steps)
    assert (np.diff(training.steps) > 0).all()
    if isinstance(method, Adam):
        assert training.errors[0] == pytest.approx(first, rel=1e-12)


def test_step_zero_of_variable_projection_is_the_constructive_head():
    heads = [constructive("ridge", d, 16, seed) for d, seed in ((2, 0), (5, 1))]
    ensemble = TwoTowerEnsemble.from_heads(heads)
    training = train_heads(
        TARGETS["ridge"], ensemble, quadrature=GRID, method=VariableProjection(1)
    )
    expected = [l2_error(TARGETS["ridge"], head, GRID) for head in heads]
    assert training.errors[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", LINE)
def test_variable_projection_never_rises_and_its_outputs_are_the_best(name):
    ensemble = TwoTowerEnsemble.from_heads([constructive(name, 3, 8, s) for s in range(3)])
    method = VariableProjection(25)
    training = train_heads(TARGETS[name], ensemble, quadrature=GRID, method=method)
    assert (np.diff(training.errors, axis=0) <= 0).all()
    for head, error in zip(training.heads, training.errors[-1], strict=True):
        layers = (head.hidden_x, head.hidden_y)
        best = head_on_layers(TARGETS[name], 3, *layers, quadrature=GRID, cutoff=1e-12)
        # the ridge keeps weights moderate where units are nearly dependent
        assert error <= l2_error(TARGETS[name], best, GRID) * (1 + 1e-4) + 1e-9
        assert np.abs(head.hidden_x.slopes).max() <= method.max_slope * (1 + 1e-12)


def moved(ensemble, tower, parameter, index, step):
    with torch.no_grad():
        getattr(getattr(ensemble, tower), parameter)[index] += step


@pytest.mark.parametrize("tower", ["query", "key"])
@pytest.mark.parametrize("parameter", ["hidden_weight", "hidden_bias"])
def test_the_gradient_is_that_of_the_projected_error(tower, parameter):
    """Against central differences of ½‖F − G‖², outputs solved for again at each point."""
    heads = [constructive("oscillating", d, 6, s) for d, s in ((2, 0), (4, 1))]
    ensemble = TwoTowerEnsemble.from_heads(heads)
    surfaces = Surfaces.tabulate(TARGETS["oscillating"], GRID, ensemble)
    method, side = VariableProjection(), ("query", "key").index(tower)
    towers, F = getattr(ensemble, tower), surfaces.weighted if side == 0 else surfaces.weighted.mT
    with torch.no_grad():
        state = method._state(ensemble, surfaces)
        minus, matrix = _normal_equations(
            F, surfaces.t, surfaces.root_t, towers.units, state.projections[side]
        )
        assert (torch.linalg.eigvalsh(matrix) >= -1e-12 * matrix.abs().amax()).all()
        for unit in range(6):
            index = (slice(None), unit, 0) if parameter == "hidden_weight" else (slice(None), unit)
            step, values = 1e-5, []
            for sign in (1, -2):
                moved(ensemble, tower, parameter, index, sign * step)
                values.append(method._state(ensemble, surfaces).squared)
            moved(ensemble, tower, parameter, index, step)
            slope = (values[0] - values[1]) / (4 * step)  # of ½‖F − G‖²
            column = unit if parameter == "hidden_weight" else 6 + unit
            assert -minus[:, column].numpy() == pytest.approx(slope.numpy(), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", SMOOTH)
def test_training_reaches_the_floor_where_adam_does_not(name):
    """Within 1.1 × the floor, or 1e-6 of the target's norm where the floor is below."""
    target, dims = TARGETS[name], (2, 4, 8)
    starts = [constructive(name, d, 16, s) for d in dims for s in range(2)]
    training = train_heads(
        target, TwoTowerEnsemble.from_heads(starts), quadrature=GRID, method=VariableProjection(30)
    )
    plain = adam(TwoTowerEnsemble.random(dims, (16,) * 3, (0,) * 3), target, steps=300)
    spectrum = schmidt(target, 64)
    there = np.linalg.svd(FINE.tabulate(target), compute_uv=False)
    for k, d in enumerate(dims):
        errors = [l2_error(target, head, FINE) for head in training.heads[2 * k : 2 * k + 2]]
        assert min(errors) <= max(1.1 * spectrum.floor(d), 1e-6 * spectrum.floor(0))
        assert min(errors) >= np.linalg.norm(there[d:]) - spectrum.rounding
        assert min(errors) < l2_error(target, plain.heads[k], FINE)


def test_variable_projection_in_more_dimensions_and_with_other_measures():
    target = TARGETS["waves_2d"]
    quadrature = Quadrature.monte_carlo(150, 2, np.random.default_rng(0))
    heads = [
        constructive_head(target, d, 10, quadrature=quadrature, seed=1, scale=1.0).head
        for d in (3, 6)
    ]
    before = [l2_error(target, head, quadrature) for head in heads]
    training = train_heads(
        target,
        TwoTowerEnsemble.from_heads(heads),
        quadrature=quadrature,
        method=VariableProjection(30),
    )
    after = [l2_error(target, head, quadrature) for head in training.heads]
    assert training.errors[-1] == pytest.approx(after, rel=1e-8)
    there = np.linalg.svd(quadrature.tabulate(target), compute_uv=False)
    for d, first, last in zip((3, 6), before, after, strict=True):
        assert (
            np.linalg.norm(there[d:]) <= last <= min(0.95 * first, 1.3 * np.linalg.norm(there[d:]))
        )


def test_single_precision_starts_from_the_same_weights_and_has_its_own_limit():
    single = adam(TwoTowerEnsemble.random(**MIXED, dtype=torch.float32))
    assert single.errors[0] == pytest.approx(adam().errors[0], rel=1e-5)
    ensemble = TwoTowerEnsemble.from_heads([constructive("edp", 3, 12)], dtype=torch.float32)
    training = train_heads(EDP, ensemble, quadrature=GRID, method=VariableProjection(20))
    assert l2_error(EDP, training.heads[0], FINE) <= 1.1 * schmidt(EDP, 64).floor(3)


def test_weight_decay_is_that_of_adamw():
    ensemble, method = TwoTowerEnsemble.random((2,), (3,), (0,)), Adam(1, 0.1, weight_decay=0.5)
    before = ensemble.query.hidden_weight.detach().clone()
    method.minimize(ensemble.parameters(), lambda: ensemble.query.hidden_weight.sum()[None] * 0)
    assert torch.allclose(ensemble.query.hidden_weight, before * (1 - 0.1 * 0.5), atol=1e-15)


def test_sums_do_not_depend_on_the_number_of_threads():
    before = torch.get_num_threads()
    first = adam()
    try:
        torch.set_num_threads(before + 1)
        second = adam()
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(first.errors, second.errors)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", [Adam(20), VariableProjection(5)], ids=repr)
def test_training_on_cuda(method):
    starts = TwoTowerEnsemble.random(**MIXED, device="cuda"), TwoTowerEnsemble.random(**MIXED)
    on_gpu, reference = (
        train_heads(EDP, start, quadrature=GRID, method=method) for start in starts
    )
    assert starts[0].query.hidden_weight.is_cuda
    assert on_gpu.errors[-1] == pytest.approx(reference.errors[-1], rel=1e-5)


@pytest.mark.parametrize("method", [Adam(250), VariableProjection(250)], ids=["Adam", "VarPro"])
def test_progress_is_told_to_the_end(method):
    told = []
    ensemble = TwoTowerEnsemble.random((1,), (2,), (0,))
    train_heads(EDP, ensemble, quadrature=GRID, method=method, progress=lambda *n: told.append(n))
    assert told[-1] == (250, 250)
    assert 100 <= len(told) <= 130


def nan_surface(t, s):
    return np.full((len(t), len(s)), np.nan)


def one(**changes):
    return TwoTowerEnsemble.random(**({"dims": (1,), "widths": (2,), "seeds": (0,)} | changes))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: one(dims=(1, 2)), ValueError, "one entry per model, .* got 2, 1 and 1"),
        (lambda: one(dims=(), widths=(), seeds=()), ValueError, "there must be one, got 0, 0"),
        (lambda: one(dims=(0,)), ValueError, "dims must be at least 1"),
        (lambda: one(seeds=(-1,)), ValueError, "seeds must be at least 0"),
        (lambda: TwoTowerEnsemble.from_heads([3]), TypeError, r"heads\[0\] must be a Head, got 3"),
        (
            lambda: TwoTowerEnsemble.from_heads([constructive("edp", 1, 2), one(d_x=2).head(0)]),
            ValueError,
            r"one input dimension per tower, got \[1, 2\]",
        ),
        (
            lambda: TwoTowerEnsemble.from_heads(
                [
                    Head(
                        constructive("edp", 1, 2).hidden_x,
                        constructive("edp", 1, 3).hidden_y,
                        np.ones((3, 1)),
                        np.ones((4, 1)),
                    )
                ]
            ),
            ValueError,
            r"both towers of heads\[0\] must have one width, got 2 and 3",
        ),
        (lambda: adam(one(), targets=[EDP, EDP]), ValueError, "one for each of the 1 models"),
        (lambda: adam(one(), targets=nan_surface), ValueError, r"target\(t, s\) contains NaN"),
        (
            lambda: adam(one(), targets=lambda t, s: t + s),
            ValueError,
            "target, a surface, must map",
        ),
        (lambda: adam(one(), steps=0), ValueError, "steps must be at least 1"),
        (lambda: adam(one(), lr=0.0), ValueError, "lr must be positive"),
        (lambda: adam(one(), lr=float("nan")), ValueError, "lr must be positive"),
        (lambda: adam(one(), weight_decay=-1.0), ValueError, "weight_decay must be finite and ≥ 0"),
        (lambda: adam(one(), lr=1e200), FloatingPointError, r"models \[0\] .*lower lr"),
        (lambda: one(dims=2), TypeError, "dims must be a sequence"),
        (lambda: one(dtype=torch.int64), TypeError, "dtype must be torch.float32 or torch.float64"),
        (lambda: one(dtype="float64"), TypeError, "dtype must be torch.float32 .*, got 'float64'"),
        (lambda: one(dtype=torch.float16), ValueError, "dtype must be .*, got torch.float16"),
        (lambda: adam(one().half()), ValueError, "ensemble must be .*, got torch.float16: pass"),
        (lambda: one(device="tpu"), ValueError, r"device must be .* here \(cpu.*\), got 'tpu'"),
        (lambda: one(device="cuda:99"), ValueError, "device must be .*, got 'cuda:99'"),
        (lambda: one(device=1.5), TypeError, "device must be .*, got 1.5"),
        (lambda: TwoTowerEnsemble.from_heads(iter([])), ValueError, "heads must be a sequence"),
        (lambda: adam(one(), targets=None), TypeError, "targets must be a surface"),
        (lambda: adam(one(), targets="edp"), TypeError, "targets must be a surface"),
        (lambda: adam(one(), targets=[3]), TypeError, "target must be a surface"),
        (lambda: adam(one(), targets=lambda t, s: 1j * t @ s.T), TypeError, "real numbers"),
        (lambda: adam([one()]), TypeError, "ensemble must be a TwoTowerEnsemble"),
        (lambda: adam(one(), quadrature=24), TypeError, "quadrature must be a Quadrature"),
        (
            lambda: adam(one(), quadrature=Quadrature.gauss_legendre(3, 2)),
            ValueError,
            r"dimensions \(2, 2\), the ensemble's \(d_x, d_y\) are \(1, 1\)",
        ),
        (
            lambda: adam(one(), targets=lambda t, s: 1e200 * t @ s.T),
            ValueError,
            "too large for torch.float64",
        ),
        (
            lambda: adam(one(dtype=torch.float32), targets=lambda t, s: 1e30 * t @ s.T),
            ValueError,
            "too large for torch.float32",
        ),
        (
            lambda: adam(one(), targets=lambda t, s: 1e-200 * t @ s.T),
            ValueError,
            "too small for torch.float64",
        ),
        (
            lambda: adam(one(dtype=torch.float32), targets=lambda t, s: 1e-60 * t @ s.T),
            ValueError,
            "too small for torch.float32",
        ),
        (
            lambda: one(d_x=3)(torch.zeros(3, dtype=torch.float64), torch.zeros(2, 1)),
            ValueError,
            r"t must have shape \(n, 3\) or \(1, n, 3\), for 1 models, got shape \(3,\)",
        ),
        (
            lambda: one()(torch.zeros(3, 7, 1, dtype=torch.float64), torch.zeros(2, 1)),
            ValueError,
            r"t must .* got shape \(3, 7, 1\)",
        ),
        (
            lambda: one()(torch.zeros(3, 1), None),
            ValueError,
            r"^t .* got torch.float32 .*pass t.to",
        ),
        (lambda: one()(torch.zeros(3, 1).double(), None), TypeError, "^s must be a tensor"),
        (lambda: VariableProjection(0), ValueError, "steps must be at least 1"),
        (lambda: VariableProjection(ridge=0.0), ValueError, "ridge must be positive"),
        (lambda: VariableProjection(max_slope=-1.0), ValueError, "max_slope must be positive"),
        (
            lambda: train_heads(EDP, one(), quadrature=GRID, method="adam"),
            TypeError,
            "method must be a Method",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_start_that_is_not_finite_is_refused():
    ensemble = one()
    with torch.no_grad():
        ensemble.query.hidden_weight.fill_(float("nan"))
    for method, message in (
        (Adam(3), "after 0 steps: start from"),
        (VariableProjection(3), "start"),
    ):
        with pytest.raises(FloatingPointError, match=message):
            train_heads(EDP, ensemble, quadrature=GRID, method=method)


def test_constructive_heads_are_heads_and_representations_are_short():
    built = constructive_head(EDP, 2, 8, quadrature=GRID)
    ensemble = TwoTowerEnsemble.from_heads([built])
    assert np.array_equal(ensemble.head(0).output_x, built.head.output_x)
    assert "models=1, inputs=1, width≤8, d≤2" in repr(ensemble)
    assert len(repr(built.head)) < 200
    assert len(repr(adam(ensemble, steps=2))) < 100
