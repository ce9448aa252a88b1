"""Settings that all tests share."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite(
    "array_helpers", "attention_helpers", "checkouts", "kernel_helpers", "sabotage"
)

import without_torch  # noqa: E402 - after assertions are to be rewritten
from checkouts import make_checkout  # noqa: E402

settings.register_profile("rkbs", deadline=None, derandomize=True, max_examples=150, database=None)
settings.load_profile("rkbs")


def pytest_configure(config):
    """What needs torch is skipped where it is not installed."""
    if without_torch.is_absent():
        config.pluginmanager.register(without_torch.Plugin())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where arrays are mapped from."""
    return tmp_path_factory.mktemp("maps")


@pytest.fixture
def checkout(tmp_path):
    """A repository with the real harness and claims of our own."""
    return make_checkout(tmp_path)
