"""Sabotages of the claims on real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rkbs.data._entities import Entities
from rkbs.data.gdsc import DrugResponse, load_gdsc
from rkbs.machines import BinaryKernelMachine
from rkbs.solvers import ADMM
from sabotage import Sabotage, scaled
from verify.claims.data import gdsc as data_gdsc
from verify.claims.data import gdsc_cold as data_gdsc_cold
from verify.studies import drug_response
from verify.studies.drug_response import Split, Weights

KNOWN, COLD = "data.gdsc", "data.gdsc_cold"


def _loaded(change: Callable[[DrugResponse, np.random.Generator], DrugResponse]) -> Callable:
    def patch(patch: pytest.MonkeyPatch) -> None:
        for module in (data_gdsc, data_gdsc_cold):
            patch.setattr(
                module, "load_gdsc", lambda: change(load_gdsc(), np.random.default_rng(1))
            )

    return patch


def _shuffled_responses(data: DrugResponse, rng: np.random.Generator) -> DrugResponse:
    return replace(data, z=rng.permutation(data.z.ravel()).reshape(data.z.shape))


def _permuted(kernels: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    order = rng.permutation(len(next(iter(kernels.values()))))
    return {name: kernel[np.ix_(order, order)] for name, kernel in kernels.items()}


def _permuted_drugs(data: DrugResponse, rng: np.random.Generator) -> DrugResponse:
    return replace(data, drug_kernels=_permuted(data.drug_kernels, rng))


def _permuted_cells(data: DrugResponse, rng: np.random.Generator) -> DrugResponse:
    return replace(data, cell_kernels=_permuted(data.cell_kernels, rng))


shrunken_predictions = scaled(BinaryKernelMachine, "predict", 0.9)


def leaking_folds(patch: pytest.MonkeyPatch) -> None:
    for module, name in ((data_gdsc, "known_pairs"), (data_gdsc_cold, "cold")):
        split_of = getattr(module, name)

        def leaking(*given: object, split_of: Callable = split_of) -> Split:
            split = split_of(*given)
            return split._replace(train=split.train | (np.cumsum(split.test) == 1))

        patch.setattr(module, name, leaking)


def identity_for_features(patch: pytest.MonkeyPatch) -> None:
    """In kernel and Gram matrix alike: the contestant itself is another."""
    kernel, gram = Weights.kernel, Weights.gram
    patch.setattr(Weights, "kernel", lambda self, K: kernel(self, np.eye(len(K))))
    patch.setattr(Weights, "gram", lambda self, K: gram(self, np.eye(len(K))))


def positions_for_ids(patch: pytest.MonkeyPatch) -> None:
    """Row k of any array is row k of the fit."""
    patch.setattr(
        Entities,
        "same",
        lambda self, known: np.eye(len(self.points), len(known.points), dtype=bool),
    )


def early_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drug_response, "ADMM", lambda tol: ADMM(tol=max(tol, 1e-4)))


SABOTAGES = (
    Sabotage(KNOWN, "responses shuffled over all pairs", _loaded(_shuffled_responses), "slow"),
    Sabotage(KNOWN, "features permuted among cell lines", _loaded(_permuted_cells), "slow"),
    Sabotage(KNOWN, "identity for the features", identity_for_features, "slow"),
    Sabotage(KNOWN, "predictions × 0.9", shrunken_predictions, "slow"),
    Sabotage(KNOWN, "a fold that leaks one pair", leaking_folds, "slow"),
    Sabotage(KNOWN, "fits to a gap of 1e-4", early_stop, "slow"),
    Sabotage(COLD, "features permuted among drugs", _loaded(_permuted_drugs), "slow"),
    Sabotage(COLD, "features permuted among cell lines", _loaded(_permuted_cells), "slow"),
    Sabotage(COLD, "identity for the features", identity_for_features, "slow"),
    Sabotage(COLD, "predictions × 0.9", shrunken_predictions, "slow"),
    Sabotage(COLD, "a fold that leaks one pair of a new drug", leaking_folds, "slow"),
    Sabotage(COLD, "row numbers taken for ids", positions_for_ids, "slow"),
)
