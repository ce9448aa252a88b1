"""Where torch is not installed the tests that need it are skipped, and say so; the others run."""

import importlib.util
import sys

import pytest
from modules import TESTS

REASON = "needs torch, which is not installed"


def needs_torch(error):
    """Whether an error, or what caused it, is the absence of torch, also in a worker's words."""
    while error is not None:
        if isinstance(error, ImportError) and "torch" in (error.name or str(error)).lower():
            return True
        if "No module named 'torch" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


class Absent:
    """Stands for torch, and for what the top level of a test file takes from it.

    Tests that are given one are skipped, and so are those that ask it for anything as they run.
    """

    running = False
    Tensor = type("Tensor", (), {})  # of which there is none

    def __init__(self, name):
        self._name = name

    def _more(self, *_, **__):
        if Absent.running:
            raise ModuleNotFoundError(f"{self._name} {REASON}", name="torch")
        return Absent(self._name)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self._more()
        return Absent(f"{self._name}.{name}")

    def __repr__(self):
        return self._name

    __call__ = __getitem__ = __array__ = __neg__ = __mul__ = __rmul__ = __gt__ = _more


def holds_absent(value):
    """Whether a parameter of a test is, is made of, or has as a default what is absent."""
    value = getattr(value, "__defaults__", None) or value
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, (tuple, list)):
        return any(map(holds_absent, value))
    return isinstance(value, Absent)


class Module(pytest.Module):
    """A test file; one that cannot be imported for want of torch is skipped whole."""

    def _getobj(self):
        try:
            return super()._getobj()
        except self.CollectError as error:
            if needs_torch(error):
                name = ".".join(self.path.relative_to(TESTS.parent).with_suffix("").parts)
                sys.modules.pop(name, None)  # pytest leaves there the part that was imported
                pytest.skip(f"{self.path.name} {REASON}", allow_module_level=True)
            raise


class Plugin:
    """Registered by conftest.py where torch is absent."""

    def pytest_pycollect_makemodule(self, module_path, parent):
        return Module.from_parent(parent, path=module_path)

    def pytest_collection_finish(self):
        Absent.running = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item):
        if holds_absent(getattr(item, "callspec", None) and item.callspec.params):
            pytest.skip(REASON)
        return (yield from skipping())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        return (yield from skipping())


def skipping():
    """What a wrapped hook does; where it ends for want of torch, the test is skipped."""
    try:
        return (yield)
    except Exception as error:
        if needs_torch(error):
            pytest.skip(REASON)
        raise


class Hidden:
    """A finder of modules that hides torch, for ``pytest --without-torch``."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide():
    """From now on torch is not installed, in this process."""
    sys.meta_path.insert(0, Hidden())


def is_absent():
    """Whether torch cannot be imported."""
    try:
        return importlib.util.find_spec("torch") is None
    except ModuleNotFoundError:
        return True
