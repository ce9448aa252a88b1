"""Which modules are mutated, how often, and the test files that must notice, fastest first."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

_CERTIFIED = ("cells", "certified_terms", "certified_spikes", "certified")
_SCHATTEN = ("offsets", "admm", "schatten")
_RIDGE = ("offsets", "solvers", "ridge_scales", "groups", "machines")
_FEW = ("intercept", "entities", "selection", "names", "similarities", "frames", "groups")
_MACHINES = (*_FEW, "machines", "machines_cv")

_TESTS = {
    "approximation/sup_bracket.py": (8, _CERTIFIED),
    "approximation/_search.py": (10, _CERTIFIED),
    "approximation/_cells.py": (10, _CERTIFIED),
    "approximation/_panels.py": (16, _CERTIFIED),
    "approximation/spectrum.py": (10, ("schmidt", "approximation", "approximation_entries")),
    "attention/functional.py": (
        10,
        ("attention_precision", "attention", "attention_masks", "attention_entries"),
    ),
    "attention/heads/variable_projection.py": (
        10,
        ("defaults", "variable_projection", "ensemble", "attention_entries"),
    ),
    "problems/offsets.py": (10, ("offsets", "intercept")),
    "problems/_least_pull.py": (5, ("offsets", "intercept")),
    "data/_entities.py": (6, ("entities",)),
    "solvers/operators/_grid_offsets.py": (10, ("offsets", "intercept")),
    "solvers/operators/_offset_system.py": (4, ("offsets", "intercept")),
    "machines/_offsets.py": (4, ("intercept", "machines")),
    "solvers/base.py": (4, ("solver_contract", "solution", "solvers", "bad_input")),
    "solvers/operators/_leave_out.py": (6, ("ridge_scales", "groups", "machines")),
    "solvers/operators/_splitting.py": (10, _SCHATTEN),
    "solvers/operators/admm.py": (6, ("defaults", *_SCHATTEN, "units")),
    "solvers/functions/_pair_hessian.py": (6, ("expansion", "optimality")),
    "solvers/functions/_smoothed_dual.py": (6, ("optimality", "separable")),
    "solvers/functions/_optimality.py": (8, ("optimality", "thm1_separable_gap")),
    "solvers/functions/dual_newton.py": (10, ("dual_newton", "optimality", "separable")),
    "solvers/functions/alternating.py": (10, ("alternating", "product")),
    "solvers/operators/dense.py": (8, _RIDGE),
    "solvers/operators/incomplete.py": (8, _RIDGE),
    "solvers/operators/spectral.py": (4, _RIDGE),
    "solvers/operators/_spectral_calculus.py": (6, ("spectral_newton", "schatten")),
    "solvers/operators/_spectral_charts.py": (8, ("spectral_newton", "schatten")),
    "solvers/operators/spectral_newton.py": (8, ("spectral_newton", "schatten", "units")),
    "machines/_names.py": (4, ("names", "frames")),
    "machines/_selection.py": (2, ("selection", "machines")),
    "machines/_within.py": (2, ("similarities", "machines")),
    "machines/base.py": (8, _MACHINES),
    "machines/ridge.py": (3, _MACHINES),
    "machines/ridge_cv.py": (4, _MACHINES),
    "machines/spectral.py": (5, _MACHINES),
    "machines/spectral_cv.py": (8, _MACHINES),
}

MODULES = tuple(_TESTS)


def sample_size(module: str) -> int:
    """How many mutants of a module are drawn: more where there is more to break."""
    return _TESTS[module][0]


def suite(module: str) -> list[str]:
    """Paths in the checkout."""
    return [f"tests/test_{name}.py" for name in _TESTS[module][1]]
