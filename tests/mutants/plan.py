"""Which modules are mutated, how often, and the test files that must notice, fastest first."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

_CERTIFIED = (
    "approximation/cells",
    "approximation/sup_bracket_terms",
    "approximation/sup_bracket_spikes",
    "approximation/sup_bracket",
)
_SCHATTEN = ("problems/offsets", "solvers/operators/admm", "problems/schatten")
_RIDGE = (
    "problems/offsets",
    "solvers/operators/ridge",
    "solvers/operators/ridge_scales",
    "data/groups",
    "machines/machines",
)
_FEW = (
    "machines/intercept",
    "data/entities",
    "machines/selection",
    "names",
    "machines/similarities",
    "frames",
    "data/groups",
)
_MACHINES = (*_FEW, "machines/machines", "machines/spectral_cv")

_TESTS = {
    "approximation/sup_bracket.py": (8, _CERTIFIED),
    "approximation/_search.py": (10, _CERTIFIED),
    "approximation/_cells.py": (10, _CERTIFIED),
    "approximation/_panels.py": (16, _CERTIFIED),
    "approximation/spectrum.py": (
        10,
        ("approximation/spectrum", "approximation/approximation", "approximation/entries"),
    ),
    "attention/functional.py": (
        10,
        ("attention/precision", "attention/functional", "attention/masks", "attention/entries"),
    ),
    "attention/heads/variable_projection.py": (
        10,
        (
            "defaults",
            "attention/heads/variable_projection",
            "attention/heads/ensemble",
            "attention/entries",
        ),
    ),
    "problems/offsets.py": (10, ("problems/offsets", "machines/intercept")),
    "problems/_least_pull.py": (5, ("problems/offsets", "machines/intercept")),
    "data/_entities.py": (6, ("data/entities",)),
    "solvers/operators/_grid_offsets.py": (10, ("problems/offsets", "machines/intercept")),
    "solvers/operators/_offset_system.py": (4, ("problems/offsets", "machines/intercept")),
    "machines/_offsets.py": (4, ("machines/intercept", "machines/machines")),
    "solvers/base.py": (
        4,
        ("solvers/operators/ridge", "solvers/operators/ridge_scales", "bad_input"),
    ),
    "solvers/operators/_leave_out.py": (
        6,
        ("solvers/operators/ridge_scales", "data/groups", "machines/machines"),
    ),
    "solvers/operators/_splitting.py": (10, _SCHATTEN),
    "solvers/operators/admm.py": (6, ("defaults", *_SCHATTEN, "units")),
    "solvers/functions/_pair_hessian.py": (
        6,
        ("problems/expansion", "solvers/functions/optimality"),
    ),
    "solvers/functions/_smoothed_dual.py": (
        6,
        ("solvers/functions/optimality", "problems/separable"),
    ),
    "solvers/functions/_optimality.py": (
        8,
        ("solvers/functions/optimality", "claims/thm1/separable_gap"),
    ),
    "solvers/functions/dual_newton.py": (
        10,
        ("solvers/functions/dual_newton", "solvers/functions/optimality", "problems/separable"),
    ),
    "solvers/functions/alternating.py": (10, ("solvers/functions/alternating", "problems/product")),
    "solvers/operators/dense.py": (8, _RIDGE),
    "solvers/operators/incomplete.py": (8, _RIDGE),
    "solvers/operators/spectral.py": (4, _RIDGE),
    "solvers/operators/_spectral_calculus.py": (
        6,
        ("solvers/operators/spectral_newton", "problems/schatten"),
    ),
    "solvers/operators/_spectral_charts.py": (
        8,
        ("solvers/operators/spectral_newton", "problems/schatten"),
    ),
    "solvers/operators/spectral_newton.py": (
        8,
        ("solvers/operators/spectral_newton", "problems/schatten", "units"),
    ),
    "machines/_names.py": (4, ("names", "frames")),
    "machines/_selection.py": (2, ("machines/selection", "machines/machines")),
    "machines/_within.py": (2, ("machines/similarities", "machines/machines")),
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
    files = (Path("tests", name) for name in _TESTS[module][1])
    return [str(file.with_name(f"test_{file.name}.py")) for file in files]
