"""Defaults are part of what is promised."""

import optional
import pytest

from rkbs.solvers import (
    ADMM,
    Alternating,
    Cholesky,
    ConjugateGradient,
    DualNewton,
    Factorized,
    NumpyBackend,
    PairwiseConjugateGradient,
    RefinedConjugateGradient,
    Spectral,
    SpectralNewton,
    TorchBackend,
)

attention = optional.module("rkbs.attention")

DEFAULTS = [
    (ADMM, {"tol": 1e-8, "max_iter": 20_000}),
    (Alternating, {"tol": 1e-8, "max_iter": 2000, "seed": 0}),
    (Cholesky, {"tol": 1e-8}),
    (ConjugateGradient, {"tol": 1e-10, "max_iter": 5000}),
    (DualNewton, {"tol": None, "max_iter": 1000}),
    (Factorized, {"tol": 1e-8, "max_iter": 300}),
    (NumpyBackend, {"dtype": "float32"}),
    (PairwiseConjugateGradient, {"tol": 1e-10, "max_iter": 5000}),
    (RefinedConjugateGradient, {"tol": 1e-10, "max_iter": 5000, "backend": NumpyBackend()}),
    (Spectral, {"tol": 1e-8}),
    (SpectralNewton, {"tol": 1e-10, "max_iter": 200}),
    (TorchBackend, {"device": "cpu", "dtype": "float32"}),
    (attention.VariableProjection, {"steps": 100, "max_slope": 20.0, "ridge": None}),
]


@pytest.mark.parametrize(("kind", "values"), DEFAULTS, ids=lambda x: getattr(x, "__name__", ""))
def test_defaults(kind, values):
    assert vars(kind()) == values


def test_all_methods_with_a_budget_are_here():
    assert attention.Adam(3) == attention.Adam(3, 1e-2, 0.0)
