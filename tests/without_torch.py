"""Where torch is not installed the tests that need it are skipped, and say so; the others run."""

import importlib.util

import pytest

REASON = "needs torch, which is not installed"


def needs_torch(error):
    """Whether an error, or what caused it, is the absence of torch."""
    while error is not None:
        if isinstance(error, ImportError) and "torch" in (error.name or str(error)).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


class Module(pytest.Module):
    """A test file; one that cannot be imported for want of torch is skipped whole."""

    def _getobj(self):
        try:
            return super()._getobj()
        except self.CollectError as error:
            if needs_torch(error):
                pytest.skip(f"{self.path.name} {REASON}", allow_module_level=True)
            raise


class Plugin:
    """Registered by conftest.py where torch is absent."""

    def pytest_pycollect_makemodule(self, module_path, parent):
        return Module.from_parent(parent, path=module_path)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        try:
            return (yield)
        except Exception as error:
            if needs_torch(error):
                pytest.skip(REASON)
            raise


def is_absent():
    """Whether torch cannot be imported."""
    try:
        return importlib.util.find_spec("torch") is None
    except ModuleNotFoundError:
        return True
