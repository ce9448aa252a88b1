"""Tests of attention notice an attention that is wrong: × 0, × 0.9, and a little more."""

import inspect

import modules
import pytest
import torch

MODULES = [
    modules.load(f"attention/test_{name}.py") for name in ("functional", "masks", "precision")
]
SAYS_NOTHING_OF_VALUES = {
    "test_bad_arguments_are_named": "an error comes before any value",
    "test_kernels_that_change_sign_are_refused_by_name": "an error comes before any value",
    "test_kernels_of_unknown_sign_are_refused": "an error comes before any value",
    "test_nothing_is_seen_at_all": "all values are 0",
    "test_a_key_that_is_not_finite_leaves_the_other_logits_alone": "of logits alone",
    "test_the_table_of_kernels_is_complete": "of a table",
    "test_every_kernel_and_class_of_the_algebra_is_here": "of a table",
    "test_importing_rkbs_does_not_import_torch": "of imports",
    "test_without_torch_the_import_says_what_to_install": "of imports",
}
TESTS = {
    name: (module, function)
    for module in MODULES
    for name, function in vars(module).items()
    if name.startswith("test_") and inspect.isfunction(function)
}
FAULTS = {
    "zero": lambda out: 0 * out,
    "nine tenths": lambda out: 0.9 * out,
    # What is hidden stays 0. Half and single precision are tested to their own rounding.
    "a little": lambda out: (
        out + (out + (out != 0)) * (1e-9 if out.dtype == torch.float64 else 0.05)
    ),
}


def first_case(function):
    """The first value of every parameter."""
    case = {}
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = mark.args[:2]
            names = names.split(",") if isinstance(names, str) else names
            value = next(iter(values))
            case |= dict(zip(names, value if len(names) > 1 else [value], strict=True))
    return case


def test_the_list_of_exceptions_is_of_tests():
    assert set(SAYS_NOTHING_OF_VALUES) < set(TESTS)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", sorted(set(TESTS) - set(SAYS_NOTHING_OF_VALUES)))
def test_every_test_bites(name, fault, monkeypatch):
    module, function = TESTS[name]
    real = module.kernel_attention
    wrong = lambda *args, **named: FAULTS[fault](real(*args, **named))  # noqa: E731
    for each in MODULES:
        monkeypatch.setattr(each, "kernel_attention", wrong)
    with pytest.raises(AssertionError):
        function(**first_case(function))
