"""torch, and modules that need it; where it is not installed, what stands for them."""

from importlib import import_module

import without_torch


def module(name):
    """The module of this name."""
    try:
        return import_module(name)
    except ImportError as error:
        if without_torch.needs_torch(error):
            return without_torch.Absent(name)
        raise


torch = module("torch")
