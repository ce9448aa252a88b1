"""Test files as modules, for what runs or reads tests: no test file imports another."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent


def load(path: str) -> ModuleType:
    """The module of a file, given below ``tests``; pytest, which calls it the same, shares it."""
    file = TESTS / path
    name = ".".join(("tests", *Path(path).with_suffix("").parts))
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:  # as an import statement does
            del sys.modules[name]
            raise
    return sys.modules[name]
