"""Training: resumed bit for bit after any kill, paired over kernels, stopped by a NaN."""

import importlib.util
import itertools
import json
import math
import os
import subprocess
import sys

import pytest
import torch
from helpers import noted
from modules import TESTS
from transformer_helpers import language_task

from rkbs.kernels import EDP, KERNELS, RBF, Constant, L2Distance
from rkbs.transformer import (
    CheckpointError,
    History,
    LanguageModel,
    Recipe,
    TrainingDivergedError,
    TransformerConfig,
    language_loss,
    load_weights,
    progress_bar,
    save_weights,
    token_nll,
    train,
)

ON_DISK = pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None,
    reason="needs safetensors, of the extra text, which is not installed",
)


def weights(model):
    return {name: x.clone() for name, x in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(x, other[k]) for k, x in one.items())


@ON_DISK
def test_killed_anywhere_it_goes_on_bit_for_bit(tmp_path):
    """By SIGKILL: in steps, in evaluations, before and after each file of a checkpoint."""
    done = subprocess.run(
        [sys.executable, TESTS / "training_work.py", tmp_path],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(map(str, sys.path)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["same"]
    assert found["killed"] >= 11
    assert found["places"] == ["after a file", "before a file", "evaluation", "step"]
    assert found["left"] == ["checkpoint.json", "step-13.safetensors"]


def test_steps_are_those_of_a_loop_by_hand():
    """Written out once more: torch's own clipping and its schedule by LambdaLR."""
    recipe = Recipe(steps=12, lr=3e-2, warmup=4, final=0.1, clip=0.3, weight_decay=0.2)
    model, batches = language_task(RBF(), dropout=0.0)
    history = train(model, batches, language_loss, recipe)
    other, batches = language_task(RBF(), dropout=0.0)
    other.train()
    decayed = [p for p in other.parameters() if p.ndim > 1]
    rest = [p for p in other.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.2}, {"params": rest, "weight_decay": 0.0}],
        lr=3e-2,
        betas=(0.9, 0.98),
    )

    def factor(t):
        if t < 4:
            return (t + 1) / 4
        return 0.1 + 0.9 * math.cos(math.pi * (t - 4) / 16) ** 2

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    norms = []
    for step in range(12):
        loss = language_loss(other, batches.at(step))
        assert loss.item() == pytest.approx(history.losses[step], rel=1e-4)
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(other.parameters(), 0.3).item())
        optimizer.step()
        schedule.step()
    assert max(norms) > 0.3  # so that clipping was of consequence
    for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
        with noted(name):
            assert torch.allclose(p, q, rtol=1e-3, atol=1e-4)


def test_kernels_see_the_same_batches_and_start_with_the_same_weights():
    found = {}
    for name, kernel in {"edp": EDP(), "uniform": Constant(), "l2": L2Distance()}.items():
        model, batches = language_task(kernel, seed=5)
        given, began = [], {k: p.detach().clone() for k, p in model.named_parameters()}

        def loss(model, batch, given=given):
            given.append(batch["tokens"].tolist())
            return language_loss(model, batch)

        train(model, batches, loss, Recipe(steps=7))
        found[name] = given, began
    for given, began in found.values():
        assert given == found["edp"][0]
        assert same({k: p for k, p in began.items() if "attend" not in k}, found["edp"][1])


def test_dropout_is_a_matter_of_the_seed_and_the_callers_numbers_stay():
    torch.manual_seed(3)
    expected = torch.rand(4)
    ended = []
    for seed in (0, 0, 1):
        model, batches = language_task(EDP(), dropout=0.3)
        torch.manual_seed(3)
        train(model, batches, language_loss, Recipe(steps=3, seed=seed))
        assert torch.equal(torch.rand(4), expected)
        ended.append(weights(model))
    assert same(ended[0], ended[1])
    assert not same(ended[0], ended[2])


CASES = {
    "loss": (lambda loss: loss * math.nan, "the loss is nan at step 3: lower lr=0.01"),
    "infinite loss": (lambda loss: loss + math.inf, "the loss is inf at step 3"),
    "gradient": (
        lambda loss: loss + 0 * (loss - loss.detach()).sqrt(),
        r"the gradient is not finite \(embedding\.token\.weight.* at step 3",
    ),
}


@ON_DISK
@pytest.mark.parametrize("case", CASES)
def test_a_nan_stops_the_run_with_a_checkpoint(case, tmp_path):
    spoil, says = CASES[case]
    model, batches = language_task(RBF())
    calls, before = itertools.count(1), []

    def loss(model, batch):
        before[:] = [weights(model)]
        found = language_loss(model, batch)
        return spoil(found) if next(calls) == 4 else found

    with pytest.raises(TrainingDivergedError, match=says) as caught:
        train(model, batches, loss, Recipe(steps=9, lr=1e-2), folder=tmp_path)
    assert (caught.value.step, caught.value.folder) == (3, tmp_path)
    assert f"in {tmp_path}: load_weights(model, folder) reads them" in str(caught.value)
    assert same(weights(model), before[0])  # the step was not taken
    other, _ = language_task(RBF(), seed=1)
    assert same(weights(load_weights(other, tmp_path)), before[0])
    # It was a passing fault: the same folder goes on, as if nothing had happened.
    history = train(model, batches, loss, Recipe(steps=9, lr=1e-2), folder=tmp_path)
    peace, _ = language_task(RBF())
    assert history.losses == train(peace, batches, language_loss, Recipe(steps=9, lr=1e-2)).losses
    assert same(weights(model), weights(peace))


@ON_DISK
def test_an_evaluation_that_is_nan_stops_it_too(tmp_path):
    model, batches = language_task(RBF())
    recipe = Recipe(steps=4, evaluate_every=2)
    for _ in range(2):  # also where it goes on
        with pytest.raises(TrainingDivergedError, match="the evaluation is nan at step 2"):
            train(
                model, batches, language_loss, recipe, evaluate=lambda m: math.nan, folder=tmp_path
            )
    assert len(train(model, batches, language_loss, recipe, evaluate=mean_nll(batches)).losses) == 4


def mean_nll(batches):
    return lambda model: token_nll(model, batches)[0].mean()


def test_every_kernel_trains_at_a_large_rate():
    """In float32, at lr = 1e-2; the worst of the losses at the end is less than at the start."""
    for name, kernel in KERNELS.items():
        if kernel.is_nonnegative is not True or name in ("identity", "tanimoto"):
            continue  # no gradient, or fingerprints
        model, batches = language_task(kernel, dropout=0.0, head_dim=2)
        losses = train(model, batches, language_loss, Recipe(steps=30, lr=1e-2)).losses
        with noted(name):
            assert max(losses[-3:]) < 0.75 * losses[0]


def test_it_stops_where_patience_ends_with_the_best_weights():
    model, batches = language_task(EDP())
    told, kept = iter([5.0, 3.0, 4.0, 3.0, 6.0, 1.0]), []

    def evaluate(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        kept.append(weights(model))
        return next(told)

    recipe = Recipe(steps=100, evaluate_every=2, patience=3)
    history = train(model, batches, language_loss, recipe, evaluate=evaluate)
    assert isinstance(history, History)
    assert history.evaluations == [(2, 5.0), (4, 3.0), (6, 4.0), (8, 3.0), (10, 6.0)]
    assert (history.best, history.stopped, len(history.losses)) == (4, "patience", 10)
    assert same(weights(model), kept[1])
    assert model.training  # as it was


@ON_DISK
def test_a_finished_run_is_read_not_repeated(tmp_path):
    """With its best weights, which are not its last."""
    recipe, seen = Recipe(steps=5, evaluate_every=2, save_every=2), []
    model, batches = language_task(EDP())
    told = iter([2.0, 1.0, 3.0])
    first = train(
        model, batches, language_loss, recipe, evaluate=lambda m: next(told), folder=tmp_path
    )
    last, _ = language_task(EDP())
    train(last, batches, language_loss, recipe)
    assert not same(weights(model), weights(last))
    for again in (language_task(EDP())[0], model):
        second = train(again, batches, seen.append, recipe, evaluate=seen.append, folder=tmp_path)
        assert (vars(first), seen) == (vars(second), [])
        assert same(weights(model), weights(again))
    assert same(weights(load_weights(last, tmp_path)), weights(model))


@ON_DISK
def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    model, batches = language_task(RBF(0.5))
    train(model, batches, language_loss, Recipe(steps=2), folder=tmp_path)
    like = language_task(RBF(0.5))[0]
    others = [
        ("recipe", like, batches, Recipe(steps=2, lr=0.1)),
        ("batches", like, language_task(RBF(0.5), size=9)[1], Recipe(steps=2)),
        ("model", language_task(RBF(0.6))[0], batches, Recipe(steps=2)),
        ("model", language_task(RBF(0.5), seed=1)[0], batches, Recipe(steps=2)),
        ("model", language_task(RBF(0.5), pad=3)[0], batches, Recipe(steps=2)),
    ]
    for name, other, given, recipe in others:
        with pytest.raises(CheckpointError, match=f"another run: its {name} differ. Pass another"):
            train(other, given, language_loss, recipe, folder=tmp_path)
    wider = LanguageModel(TransformerConfig(vocab=9))
    with pytest.raises(CheckpointError, match=r"of another model: .* differ, the first is"):
        load_weights(wider, tmp_path)


@ON_DISK
def test_damaged_files_are_named(tmp_path):
    model, batches = language_task(EDP())
    train(model, batches, language_loss, Recipe(steps=2), folder=tmp_path)
    tensors, state = tmp_path / "step-2.safetensors", tmp_path / "checkpoint.json"
    whole, text = tensors.read_bytes(), state.read_text()
    assert b"pickle" not in whole
    for path, content in (
        (tensors, whole[:100]),
        (tensors, b""),
        (state, b"{"),
        (state, b"[]"),
        (state, text.replace('"format": 1', '"format": 9').encode()),
    ):
        tensors.write_bytes(whole)
        state.write_text(text)
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{path.name} is (missing or )?damaged.*anew"):
            train(model, batches, language_loss, Recipe(steps=2), folder=tmp_path)
    state.write_text("nothing")
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        load_weights(model, state)
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_weights(model, tmp_path / "nothing")


@ON_DISK
def test_weights_come_back(tmp_path):
    model, _ = language_task(RBF(0.5), seed=3)
    save_weights(model, tmp_path / "deep" / "model.safetensors")
    other, _ = language_task(RBF())
    load_weights(other, tmp_path / "deep" / "model.safetensors")
    assert same(weights(model), weights(other))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model.safetensors"]


def test_mixed_precision_keeps_weights_in_single():
    model, batches = language_task(EDP(), dropout=0.0, normalize_qk=True)
    plain, _ = language_task(EDP(), dropout=0.0, normalize_qk=True)
    recipe = Recipe(steps=20, lr=1e-2, precision="bfloat16")
    seen = []
    handle = model.decoder.blocks[0].attention.query.register_forward_hook(
        lambda module, given, out: seen.append(out.dtype)
    )
    mixed = train(model, batches, language_loss, recipe).losses
    handle.remove()
    single = train(plain, batches, language_loss, Recipe(steps=20, lr=1e-2)).losses
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert mixed != single
    assert mixed == pytest.approx(single, abs=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_is_a_flag():
    model, batches = language_task(RBF(), dropout=0.0)
    losses = train(model, batches, language_loss, Recipe(steps=20, lr=1e-2, device="cuda")).losses
    plain, _ = language_task(RBF(), dropout=0.0)
    expected = train(plain, batches, language_loss, Recipe(steps=20, lr=1e-2)).losses
    assert losses == pytest.approx(expected, abs=0.05)
    assert next(model.parameters()).is_cuda


def test_progress_is_told(capsys):
    model, batches = language_task(EDP())
    told = []
    train(model, batches, language_loss, Recipe(steps=3), progress=lambda *x: told.append(x))
    assert told == [(1, 3), (2, 3), (3, 3)]
    pytest.importorskip("tqdm", reason="the extra text is not installed")
    bar = progress_bar("kernels")
    for done in (1, 2, 3):
        bar(done, 3)
    said = capsys.readouterr().err
    assert "kernels: 100%" in said
    assert "3/3" in said


WRONG_RECIPES = [
    ({"steps": 0}, ValueError, "steps must be at least 1"),
    ({"lr": 0.0}, ValueError, "lr must be positive"),
    ({"lr": "1"}, TypeError, "lr must be a real number"),
    ({"warmup": 9}, ValueError, "warmup must be at most steps=5, got 9"),
    ({"final": 2.0}, ValueError, "final must be 0 ≤ f ≤ 1"),
    ({"clip": 0.0}, ValueError, "clip must be positive"),
    ({"patience": 0}, ValueError, "patience must be at least 1"),
    ({"precision": "half"}, ValueError, "precision must be one of 'float32', 'bfloat16'"),
    ({"device": "gpu"}, ValueError, "device must be one of torch's, such as 'cpu' or 'cuda'"),
    ({"betas": (0.9, 1.0)}, ValueError, "betas must be two numbers"),
    ({"betas": 0.9}, TypeError, "betas must be two numbers"),
]


@pytest.mark.parametrize(("changes", "error", "says"), WRONG_RECIPES)
def test_wrong_recipes(changes, error, says):
    with pytest.raises(error, match=says):
        Recipe(**{"steps": 5} | changes)


def test_wrong_arguments():
    model, batches = language_task(EDP())
    recipe = Recipe(steps=1)
    for arguments, says in (
        ((model, batches, language_loss, 5), "recipe must be a Recipe"),
        ((model, [1], language_loss, recipe), "batches must be Batches"),
        ((model, batches, lambda m, b: 1.0, recipe), "loss must return a tensor without axes"),
        ((model, batches, lambda m, b: m(b["tokens"])[..., 1:], recipe), r"got shape \(8, "),
        ((model, batches, lambda m, b: torch.tensor(1.0), recipe), "depends on the parameters"),
    ):
        with pytest.raises(TypeError, match=says):
            train(*arguments)
