"""Every public name of rkbs.attention × what is passed to it: it works, or advises what works."""

import functools
import re
import sys
import threading

import numpy as np
import pytest
import torch
from attention_helpers import plain
from helpers import noted

import rkbs.attention
from rkbs.approximation import TARGETS, Head, Quadrature
from rkbs.attention import (
    Adam,
    Automatic,
    Blocked,
    Dense,
    Features,
    Flex,
    Fused,
    KernelAttention,
    LearnedKernel,
    LinearHeads,
    Method,
    MultiheadKernelAttention,
    Path,
    Training,
    TwoTowerEnsemble,
    TwoTowerHead,
    VariableProjection,
    attention_path,
    kernel_attention,
    start_gain,
    train_heads,
    train_linear_heads,
)
from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, Quadratic

RNG, F64 = np.random.default_rng(0), torch.float64
GRID, EDP_SURFACE = Quadrature.gauss_legendre(12), TARGETS["edp"]
POINTS, OTHERS, VALUES = (RNG.standard_normal(s) for s in ((5, 4), (7, 4), (7, 3)))
PAIRS, Z = Pairs.grid(POINTS, OTHERS), RNG.standard_normal((5, 7))
HEAD = TwoTowerEnsemble.random([2], [3], [0], d_x=4, d_y=4).head(0)


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def strided(x):
    """A tensor that is not contiguous, with memory between its numbers."""
    return torch.tensor(np.repeat(np.repeat(x, 2, 0), 3, 1))[::2, ::3]


ARRAYS = {
    "float64": np.asarray,
    "float32": lambda x: x.astype("float32"),
    "float16": lambda x: x.astype("float16"),
    "long double": lambda x: x.astype(np.longdouble),
    "swapped bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "read-only": read_only,
    "Fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
}
TENSORS = {
    **{
        f"tensor {dtype}": lambda x, dtype=dtype: torch.tensor(x, dtype=getattr(torch, dtype))
        for dtype in ("bfloat16", "float16", "float32", "float64")
    },
    "tensor, transposed": lambda x: torch.tensor(x.T.copy()).T,
    "tensor, strided": strided,
    "tensor, requires grad": lambda x: torch.tensor(x).requires_grad_(),
}
KINDS = ARRAYS | TENSORS


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def numbers(x):
    return x.detach().double().numpy() if isinstance(x, torch.Tensor) else np.asarray(x, float)


def advised(call, **arguments):
    """The result of a call, after errors, whose advice is followed to the letter."""
    for _ in range(2 * len(arguments)):
        try:
            return call(**arguments)
        except (TypeError, ValueError) as error:
            advice = str(error).partition(": pass ")[2]
            named = re.search(r"\b(attn_mask|query|key|value|[qkvts])\b", advice)
            if not named or not re.search(rf"\b{named[1]}\b.*: pass", str(error)):
                raise
            arguments[named[1]] = eval(advice, {"torch": torch, **arguments})
    return pytest.fail("the advice does not lead to an end")


def paths_of(path, kernel, kind):
    q, k, v = (KINDS[kind](x) for x in (POINTS, OTHERS, VALUES))
    ours = functools.partial(kernel_attention, kernel=kernel, path=path)
    return advised(ours, q=q, k=k, v=v), plain(*map(torch.tensor, (POINTS, OTHERS, VALUES)), kernel)


def chosen_path_of(kind):
    """A path holds no numbers: those that it computes."""
    q, k, v = (KINDS[kind](x) for x in (POINTS, OTHERS, VALUES))
    return paths_of(advised(attention_path, q=q, k=k, v=v), EDP(), kind)


def module_of(module, kind):
    q, k, v = (KINDS[kind](x) for x in (POINTS, OTHERS, VALUES))
    found = advised(lambda q, k, v: module(q, k, v), q=q, k=k, v=v)
    return found, plain(*map(torch.tensor, (POINTS, OTHERS, VALUES)), RBF())


def learned_of(kind):
    """A module holds no numbers of arrays: the kernel that it gives takes them."""
    return paths_of(Automatic(), LearnedKernel(RBF(), dtype=F64)(), kind)


def multihead_of(kind):
    torch.manual_seed(0)
    module = MultiheadKernelAttention(4, 2, kernel=RBF(), vdim=3, dtype=F64)
    q, k, v = (KINDS[kind](x) for x in (POINTS, OTHERS, VALUES))
    found = advised(lambda query, key, value: module(query, key, value), query=q, key=k, value=v)
    return found[0], module(*map(torch.tensor, (POINTS, OTHERS, VALUES)))[0]


def attention_of(kind):
    q, k, v = (KINDS[kind](x) for x in (POINTS, OTHERS, VALUES))
    return advised(kernel_attention, q=q, k=k, v=v), plain(
        *map(torch.tensor, (POINTS, OTHERS, VALUES))
    )


def logits_of(module, t, s):
    return module(torch.tensor(t), torch.tensor(s))


def head_of(kind):
    module = TwoTowerHead(2, 3, d_x=4, d_y=4, dtype=torch.float64)
    t, s = KINDS[kind](POINTS), KINDS[kind](OTHERS)
    return advised(lambda t, s: module(t, s), t=t, s=s), logits_of(module, POINTS, OTHERS)


def loaded_head_of(kind):
    weights = HEAD.weights()
    matrices = {n: KINDS[kind](w) if w.ndim == 2 else w for n, w in weights.items()}
    found, expected = (
        logits_of(TwoTowerHead.from_head(Head.from_weights(w)), POINTS, OTHERS)
        for w in (matrices, weights)
    )
    return found, expected


def ensemble_of(kind):
    ensemble = TwoTowerEnsemble.from_heads([HEAD, HEAD])
    t, s = KINDS[kind](POINTS), KINDS[kind](OTHERS)
    return advised(lambda t, s: ensemble(t, s), t=t, s=s), logits_of(ensemble, POINTS, OTHERS)


def linear_heads_of(kind):
    convert = KINDS[kind]
    found, expected = (
        train_linear_heads(f(POINTS), f(OTHERS), PAIRS, f(Z), 0.1, 2, steps=3)
        for f in (convert, np.asarray)
    )
    return found.operators, expected.operators


def stored_heads_of(kind):
    query, key = (KINDS[kind](x)[None] for x in (POINTS, OTHERS))
    return LinearHeads(query, key, np.array([0]), np.zeros((1, 1))).operators, POINTS.T[None] @ (
        OTHERS[:5][None]
    )


def heads_fitted_to(kind, method):
    """A target whose values come as an array of the kind."""
    table = EDP_SURFACE(GRID.x.nodes, GRID.y.nodes)
    results = []
    for convert in (KINDS[kind], np.asarray):
        ensemble = TwoTowerEnsemble.random([2], [3], [0])
        surface = lambda t, s, f=convert: f(table)  # noqa: E731
        results.append(train_heads(surface, ensemble, quadrature=GRID, method=method).errors)
    return tuple(results)


TABLE = {  # name: what takes arrays, kind ↦ (found, expected)
    "kernel_attention": (attention_of,),
    "attention_path": (chosen_path_of,),
    **{
        type(path).__name__: (functools.partial(paths_of, path, kernel),)
        for path, kernel in (
            (Automatic(), RBF()),
            (Blocked(), RBF()),
            (Dense(), RBF()),
            (Features(), Quadratic()),
            (Flex(), Quadratic()),
            (Fused(), RBF()),
        )
    },
    "KernelAttention": (functools.partial(module_of, KernelAttention(RBF(), dtype=F64)),),
    "LearnedKernel": (learned_of,),
    "MultiheadKernelAttention": (multihead_of,),
    "TwoTowerHead": (head_of, loaded_head_of),
    "TwoTowerEnsemble": (ensemble_of,),
    "train_linear_heads": (linear_heads_of,),
    "train_heads": (lambda kind: heads_fitted_to(kind, Adam(2)),),
    "Adam": (lambda kind: heads_fitted_to(kind, Adam(2, 0.1)),),
    "VariableProjection": (lambda kind: heads_fitted_to(kind, VariableProjection(2)),),
}
HOLDERS = {
    "LinearHeads",
    "Training",
    "Method",
    "Path",
    "start_gain",
}  # of results, abstract, or without arrays: nothing is passed


def test_every_public_name_is_here():
    assert set(TABLE) | HOLDERS == set(rkbs.attention.__all__)
    assert {LinearHeads, Training, Method, Path, start_gain} == {
        getattr(rkbs.attention, name) for name in HOLDERS
    }
    with pytest.raises(TypeError, match="abstract"):
        Method()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_passed_works_or_the_advice_does(kind):
    short = {"float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}.get(kind.split()[-1], 1e-12)
    for name, functions in TABLE.items():
        for function in functions:
            with noted(name):
                found, expected = function(kind)
                assert relative(numbers(found), numbers(expected)) <= short


@pytest.mark.parametrize("name", [*ARRAYS, "tensor float64", "tensor int64", "bool", "int64"])
def test_masks_of_every_kind(name):
    q, k, v = map(torch.tensor, (POINTS, OTHERS, VALUES))
    q, k, v = q.float(), k.float(), v.float()
    allowed = np.tri(5, 7, dtype=bool)
    bias = RNG.standard_normal((5, 7))
    if name in ("tensor int64", "bool", "int64"):
        mask = torch.tensor(allowed).long() if name == "tensor int64" else allowed.astype(name)
        expected = plain(q, k, v, "edp", torch.tensor(allowed))
    else:
        mask, expected = KINDS[name](bias), plain(q, k, v, "edp", torch.tensor(bias))
    out = advised(
        lambda attn_mask, q: kernel_attention(q, k, v, attn_mask=attn_mask), attn_mask=mask, q=q
    )
    assert (out - expected).abs().max() <= (1e-2 if name == "float16" else 1e-6)


@pytest.mark.parametrize("bad", [1j * POINTS, POINTS.astype("datetime64[s]"), POINTS.tolist(), "q"])
def test_what_is_no_array_of_numbers_is_named_without_advice(bad):
    q, k, v = map(torch.tensor, (POINTS, OTHERS, VALUES))
    for position, name in enumerate("qkv"):
        with pytest.raises(
            TypeError, match=f"^{name} must be a floating torch tensor, got [A-Za-z]+$"
        ):
            kernel_attention(*[bad if i == position else x for i, x in enumerate((q, k, v))])
    with pytest.raises(TypeError, match=r"^attn_mask must be a boolean tensor, .*, got [A-Za-z]+$"):
        kernel_attention(q, k, v, attn_mask=bad)


# ---- sequences


SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "int32": lambda x: np.array(x, "int32"),
    "swapped bytes": lambda x: np.array(x, ">i4"),
    "tensor": torch.tensor,
    "numpy scalars": lambda x: list(np.array(x)),
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences_of_integers(kind):
    convert = SEQUENCES[kind]
    found = TwoTowerEnsemble.random(*map(convert, ([1, 2, 3], [4, 5, 6], [0, 1, 2])))
    expected = TwoTowerEnsemble.random(range(1, 4), range(4, 7), range(3))
    assert found.dims == expected.dims == (1, 2, 3)
    assert all(type(d) is int for d in (*found.dims, *found.widths))
    for ours, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    heads = train_linear_heads(POINTS, OTHERS, PAIRS, Z, 0.1, 2, steps=1, seeds=convert([0, 3]))
    again = train_linear_heads(POINTS, OTHERS, PAIRS, Z, 0.1, 2, steps=1, seeds=[0, 3])
    assert np.array_equal(heads.query, again.query)


@pytest.mark.parametrize("name", ["dims", "widths", "seeds"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.array([[1]]), r"must be a sequence, .*got shape \(1, 1\)"),
        (torch.tensor(1), r"must be a sequence, .*got shape \(\)"),
        (np.array([1.5]), "must be an integer, got 1.5"),
        ([1.0], "must be an integer, got 1.0"),
        (np.array([True]), "must be an integer, got True"),
        ("1", "must be a sequence"),
        (1, "must be a sequence"),
        (None, "must be a sequence"),
    ],
)
def test_what_is_no_sequence_of_integers_is_named(name, bad, message):
    arguments = {"dims": [1], "widths": [1], "seeds": [1]} | {name: bad}
    with pytest.raises(TypeError, match=f"^{name} {message}"):
        TwoTowerEnsemble.random(**arguments)
    if name == "seeds":
        with pytest.raises(TypeError, match=f"^seeds {message}"):
            train_linear_heads(POINTS, OTHERS, PAIRS, Z, 0.1, 2, steps=1, seeds=bad)


def test_heads_and_targets_in_arrays_of_objects():
    heads = np.empty(2, object)
    targets = np.empty(2, object)
    heads[:] = [HEAD, HEAD]
    targets[:] = [TARGETS["edp"], TARGETS["kink"]]
    assert TwoTowerEnsemble.from_heads(heads).dims == (2, 2)
    results = []
    for form in (targets, list(targets), tuple(targets)):
        ensemble = TwoTowerEnsemble.random([1, 1], [2, 2], [0, 1])
        results.append(train_heads(form, ensemble, quadrature=GRID, method=Adam(2)).errors)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


# ---- where gradients are off, and in threads

MODES = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


def trained(method, ensemble=None):
    ensemble = TwoTowerEnsemble.random([1, 2], [3, 4], [0, 1]) if ensemble is None else ensemble
    train_heads(EDP_SURFACE, ensemble, quadrature=GRID, method=method)
    return [parameter.detach().numpy() for parameter in ensemble.parameters()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", [Adam(3), VariableProjection(3)], ids=repr)
def test_heads_are_trained_where_gradients_are_off(method, mode):
    expected, outside = trained(method), TwoTowerEnsemble.random([1, 2], [3, 4], [0, 1])
    with MODES[mode]():
        for found in (trained(method), trained(method, outside)):
            assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("mode", MODES)
def test_linear_heads_are_trained_where_gradients_are_off(mode):
    expected = train_linear_heads(POINTS, OTHERS, PAIRS, Z, 0.1, 2, steps=3)
    with MODES[mode]():
        found = train_linear_heads(POINTS, OTHERS, PAIRS, Z, 0.1, 2, steps=3)
    assert np.array_equal(found.operators, expected.operators)


@pytest.mark.parametrize("mode", MODES)
def test_adam_minimizes_where_gradients_are_off(mode):
    x = torch.ones(2, requires_grad=True)
    with MODES[mode]():
        _, values = Adam(20, 0.1).minimize([x], lambda: x.square())
        assert (values[-1] < values[0]).all()


@pytest.mark.parametrize("method", [Adam(3), VariableProjection(3)], ids=repr)
def test_parameters_that_torch_will_not_change_are_refused(method):
    with torch.inference_mode():
        ensemble = TwoTowerEnsemble.random([1], [2], [0])
        for towers in (ensemble.query, ensemble.key):
            towers.hidden_weight = torch.nn.Parameter(towers.hidden_weight.clone())
    with pytest.raises(ValueError, match=r"under torch.inference_mode\(\).*: make them outside"):
        trained(method, ensemble)


def test_random_heads_of_many_threads_are_those_of_their_seeds():
    def make():
        return list(TwoTowerEnsemble.random([2] * 4, [8] * 4, range(4)).state_dict().values())

    right, before, same = make(), torch.get_rng_state(), []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(
                target=lambda: same.extend(all(map(torch.equal, make(), right)) for _ in range(10))
            )
            for _ in range(4)
        ]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    finally:
        sys.setswitchinterval(interval)
    assert same == [True] * 40
    assert torch.equal(torch.get_rng_state(), before)
