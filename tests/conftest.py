"""Settings that all tests share."""

import gc

import pytest
from hypothesis import settings

pytest.register_assert_rewrite(
    "array_helpers", "attention_helpers", "checkouts", "kernel_helpers", "sabotage"
)

import without_torch  # noqa: E402 - after assertions are to be rewritten
from checkouts import make_checkout  # noqa: E402

settings.register_profile("rkbs", deadline=None, derandomize=True, max_examples=150, database=None)
settings.load_profile("rkbs")


def pytest_addoption(parser):
    parser.addoption("--without-torch", action="store_true", help="as if torch were not there")


def pytest_configure(config):
    """No garbage is looked for while tests are collected: millions of objects, which all stay.

    What needs torch is skipped where it is not installed.
    """
    gc.disable()
    if config.getoption("--without-torch"):
        without_torch.hide()
    if without_torch.is_absent():
        config.pluginmanager.register(without_torch.Plugin())


def pytest_collection_finish():
    """Nor among these later on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where arrays are mapped from."""
    return tmp_path_factory.mktemp("maps")


@pytest.fixture
def checkout(tmp_path):
    """A repository with the real harness and claims of our own."""
    return make_checkout(tmp_path)
