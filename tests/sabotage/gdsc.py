"""Patches of the claims on drug responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rkbs.data.gdsc import DrugResponse, load_gdsc
from rkbs.machines import BinaryKernelMachine
from sabotage import Patch
from sabotage.patches import attribute, constants, scaled, several
from verify.studies.drug_response import Split, Weights

Change = Callable[[DrugResponse, np.random.Generator], DrugResponse]


def loaded(module: Any, change: Change) -> Patch:
    """The claim's data set, changed."""
    return constants(module, load_gdsc=lambda: change(load_gdsc(), np.random.default_rng(1)))


def shuffled_responses(data: DrugResponse, rng: np.random.Generator) -> DrugResponse:
    return replace(data, z=rng.permutation(data.z.ravel()).reshape(data.z.shape))


def _permuted(kernels: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    order = rng.permutation(len(next(iter(kernels.values()))))
    return {name: kernel[np.ix_(order, order)] for name, kernel in kernels.items()}


def permuted_drugs(data: DrugResponse, rng: np.random.Generator) -> DrugResponse:
    return replace(data, drug_kernels=_permuted(data.drug_kernels, rng))


def permuted_cells(data: DrugResponse, rng: np.random.Generator) -> DrugResponse:
    return replace(data, cell_kernels=_permuted(data.cell_kernels, rng))


def leaking(module: Any, name: str) -> Patch:
    """Splits whose first test pair is fitted, too."""

    def wrong(split_of: Callable[..., Split]) -> Callable[..., Split]:
        def leak(*given: Any) -> Split:
            split = split_of(*given)
            return split._replace(train=split.train | (np.cumsum(split.test) == 1))

        return leak

    return attribute(module, name, wrong)


IDENTITY_FOR_FEATURES = several(  # in kernel and Gram matrix alike: the contestant is another
    attribute(Weights, "kernel", lambda f: lambda self, K: f(self, np.eye(len(K)))),
    attribute(Weights, "gram", lambda f: lambda self, K: f(self, np.eye(len(K)))),
)
SHRUNKEN_PREDICTIONS = scaled(BinaryKernelMachine, "predict", 0.9)
