"""Settings that all tests share."""

import gc

import pytest
from hypothesis import settings

pytest.register_assert_rewrite(
    "array_helpers", "attention_helpers", "checkouts", "kernel_helpers", "sabotage"
)

from checkouts import make_checkout  # noqa: E402 - after its assertions are to be rewritten

settings.register_profile("rkbs", deadline=None, derandomize=True, max_examples=150, database=None)
settings.load_profile("rkbs")


def pytest_configure():
    """No garbage is looked for while tests are collected: millions of objects, which all stay."""
    gc.disable()


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
