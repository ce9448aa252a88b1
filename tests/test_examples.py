"""Every public name has an example in its docstring, and the examples run as they are printed."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import rkbs

PACKAGES = (
    "rkbs",
    "rkbs.kernels",
    "rkbs.terms",
    "rkbs.spaces",
    "rkbs.problems",
    "rkbs.solvers",
    "rkbs.machines",
    "rkbs.approximation",
    "rkbs.attention",
    "rkbs.transformer",
    "rkbs.transformer.text",
)
ROOT = Path(rkbs.__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "rkbs").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
WITHOUT = {
    "ARRAY": "metadata of a field",
    "POSITIVE": "metadata of a field",
    "REAL": "metadata of a field",
    "__version__": "a string",
    "KERNELS": "a table of kernels",
    "PAPER_KERNELS": "names in KERNELS",
    "Leave": "an alias of a type",
    "Surface": "an alias of a type",
    "TARGETS": "a table of targets",
    "LINE": "names in TARGETS",
}
"""Names that hold no docstring of their own."""
NEEDS = {
    "rkbs.transformer.checkpoints": "safetensors",
    "rkbs.transformer.progress": "tqdm",
    "rkbs.transformer.sentence_encoder": "tokenizers",
    "rkbs.transformer.text.beam": "tokenizers",
    "rkbs.transformer.text.bpe": "tokenizers",
    "rkbs.transformer.text.scores": "sacrebleu",
}
"""Packages of the extra text, which examples of these modules need."""


def _shows_something(value):
    """Whether the docstring has a section of examples, and prints at least one result."""
    text = inspect.cleandoc(value.__doc__ or "")  # its own: getdoc would take a base class's
    examples = doctest.DocTestParser().get_examples(text)
    shown = any(example.want or example.exc_msg for example in examples)
    return shown and "\nExamples\n--------\n" in text


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example(package):
    package = importlib.import_module(package)
    without = {name for name in package.__all__ if not _shows_something(getattr(package, name))}
    assert without == set(WITHOUT) & set(package.__all__)


def test_only_what_has_no_docstring_goes_without():
    public = {
        name: value
        for package in map(importlib.import_module, PACKAGES)
        for name, value in ((name, getattr(package, name)) for name in package.__all__)
    }
    documented = {n for n, v in public.items() if inspect.isclass(v) or inspect.isroutine(v)}
    assert set(WITHOUT) == set(public) - documented


@pytest.mark.parametrize("module", MODULES)
def test_examples_run_as_they_are_printed(module):
    """With no names but those that they import: so they can be copied."""
    if module in NEEDS:
        pytest.importorskip(NEEDS[module], reason="the extra text is not installed")
    runner = doctest.DocTestRunner(verbose=False)
    for examples in doctest.DocTestFinder().find(importlib.import_module(module), globs={}):
        runner.run(examples)
    failed, attempted = runner.summarize(verbose=False)
    assert attempted > 0
    assert failed == 0
