"""Tests of paths and options notice what is lost on the way: a mask, an option, a term."""

import dataclasses
import inspect

import modules
import pytest
import torch

from rkbs.attention import functional
from rkbs.attention._task import Task
from rkbs.attention.paths import _forms, _rows
from rkbs.attention.paths._rows import Blocks

PATHS, OPTIONS = (modules.load(f"attention/test_{name}.py") for name in ("paths", "options"))
TASKS = {  # what is changed in a task, and a case of a test that has to notice
    "the causal mask": ({"is_causal": False}, "causal", {"sizes": (9, 9)}),
    "the mask": ({"allowed": None}, "mask", {"hiding": "each"}),
    "the bias": ({"bias": None}, "additive", {}),
    "the scale": ({"scale": None}, "scale", {}),
    "the normalization": ({"normalize": "rows"}, "normalizations", {"normalize": "mean"}),
}
TESTS = {
    "causal": PATHS.test_causal_is_the_triangle_that_starts_top_left,
    "mask": PATHS.test_a_mask_is_never_lost,
    "additive": PATHS.test_additive_masks,
    "scale": OPTIONS.test_scale_takes_the_place_of_one_over_the_root_of_d,
    "normalizations": OPTIONS.test_normalizations,
}
BY = {"dense": "rbf", "fused": "rbf", "blocked": "rbf", "features": "quadratic"}


def noticed(test, **case):
    wanted = inspect.signature(test).parameters
    with pytest.raises(AssertionError):
        test(**{name: value for name, value in case.items() if name in wanted})


@pytest.mark.parametrize("path", BY)
@pytest.mark.parametrize("lost", TASKS)
def test_what_a_path_is_not_told_is_missed(lost, path, monkeypatch):
    change, name, case = TASKS[lost]
    if path == "features" and lost in ("the bias",):
        pytest.skip("features refuse it")
    real = functional.prepared
    monkeypatch.setattr(functional, "prepared", lambda *a: dataclasses.replace(real(*a), **change))
    hiding = {"hiding": "all"} if path == "features" and name == "mask" else {}
    kernel = BY[path] if name not in ("scale",) else "edp"
    noticed(TESTS[name], **{"name": kernel, "path": path} | case | hiding)


def test_queries_that_are_not_scaled_are_missed(monkeypatch):
    monkeypatch.setattr(Task, "queries", property(lambda self: self.q))
    for name in ("quadratic", "taylor-4"):
        noticed(TESTS["scale"], name=name)


FAULTS = {
    "a block is left out": (
        Blocks,
        "__iter__",
        lambda real: lambda self: iter(list(real(self))[1:]),
    ),
    "nothing is hidden": (Blocks, "hidden", lambda real: lambda self, *block: None),
    "blocks see a key less": (
        Blocks,
        "__iter__",
        lambda real: lambda self: ((h, i, slice(0, max(1, j.stop - 1))) for h, i, j in real(self)),
    ),
    "a weight grows": (
        _rows,
        "normalized",
        lambda real: lambda *a: tuple(x * (1 + 1e-6 * (i == 1)) for i, x in enumerate(real(*a))),
    ),
    "a slope is half": (
        _forms.Gaussian,
        "slope",
        lambda real: lambda self, s, value: real(self, s, value) / 2,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_blocks_are_noticed(fault, monkeypatch):
    owner, name, change = FAULTS[fault]
    monkeypatch.setattr(owner, name, change(getattr(owner, name)))
    case = {"name": "rbf", "path": "blocked", "dtype": torch.float64, "sizes": (9, 9)}
    noticed(TESTS["causal"], **case)
