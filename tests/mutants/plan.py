"""Which modules are mutated, how often, and the test files that must notice, fastest first."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

_CERTIFIED = (
    "approximation/test_cells",
    "approximation/test_sup_bracket_terms",
    "approximation/test_sup_bracket_spikes",
    "approximation/test_sup_bracket",
    "approximation/test_sup_bracket_arguments",
)
_SCHATTEN = ("problems/test_offsets", "solvers/operators/test_admm", "problems/test_schatten")
_DUAL_NEWTON = (
    "solvers/functions/test_dual_newton",
    "solvers/functions/test_optimality",
    "problems/test_separable",
)
_ALTERNATING = ("solvers/functions/test_alternating", "problems/test_product")
_RIDGE = (
    "problems/test_offsets",
    "solvers/operators/test_ridge",
    "solvers/operators/test_ridge_scales",
    "data/test_groups",
    "machines/test_machines",
)
_PAIRS = ("solvers/operators/test_incomplete", *_RIDGE)
_WEIGHTED = "solvers/operators/test_weighted"
_FEW = (
    "machines/test_intercept",
    "data/test_entities",
    "machines/test_entities",
    "machines/test_selection",
    "test_names",
    "machines/test_similarities",
    "test_frames",
    "data/test_groups",
)
_MACHINES = (
    *_FEW,
    "machines/test_machines",
    "machines/test_bad_input",
    "machines/test_spectral",
    "machines/test_spectral_cv",
)

_ATTENTION = (
    "attention/test_precision",
    "attention/test_functional",
    "attention/test_masks",
    "attention/test_options",
    "attention/test_entries",
)
_PATHS = ("attention/test_options", "attention/test_faults", "attention/test_paths")

_TESTS = {
    "approximation/sup_bracket.py": (8, _CERTIFIED),
    "approximation/_search.py": (10, _CERTIFIED),
    "approximation/_cells.py": (10, _CERTIFIED),
    "approximation/_panels.py": (16, _CERTIFIED),
    "approximation/spectrum.py": (
        10,
        (
            "approximation/test_spectrum",
            "approximation/test_approximation",
            "approximation/test_entries",
        ),
    ),
    "approximation/_range_finder.py": (4, ("approximation/test_spectrum",)),
    "attention/functional.py": (4, _ATTENTION),
    "attention/reference.py": (6, _ATTENTION),
    "attention/_task.py": (6, _ATTENTION),
    "attention/_checks.py": (4, ("attention/test_options", *_ATTENTION)),
    "attention/paths/automatic.py": (4, _PATHS),
    "attention/paths/blocked.py": (6, _PATHS),
    "attention/paths/features.py": (4, _PATHS),
    "attention/paths/fused.py": (4, _PATHS),
    "attention/_hidden.py": (6, ("attention/test_multihead",)),
    "attention/multihead.py": (6, ("attention/test_multihead",)),
    "attention/module.py": (3, ("attention/test_module",)),
    "attention/learned.py": (6, ("attention/test_learned",)),
    "attention/initialization.py": (4, ("attention/test_initialization",)),
    "attention/hugging_face.py": (6, ("attention/test_hugging_face",)),
    "attention/heads/variable_projection.py": (
        10,
        (
            "test_defaults",
            "attention/heads/test_variable_projection",
            "attention/heads/test_ensemble",
            "attention/test_entries",
        ),
    ),
    "problems/offsets.py": (10, ("problems/test_offsets", "machines/test_intercept")),
    "problems/_least_pull.py": (5, ("problems/test_offsets", "machines/test_intercept")),
    "data/_entities.py": (6, ("data/test_entities", "machines/test_entities", "data/test_pairs")),
    "data/_cuts.py": (6, ("data/test_splits",)),
    "data/_units.py": (6, ("data/test_splits", "data/test_scorers")),
    "data/clusters.py": (2, ("data/test_splits",)),
    "data/_concordance.py": (6, ("data/test_metrics",)),
    "data/metrics.py": (8, ("data/test_metrics", "data/test_scorers")),
    "data/scorers.py": (4, ("data/test_scorers",)),
    "data/splits.py": (6, ("data/test_splits",)),
    "solvers/operators/_grid_offsets.py": (
        10,
        ("problems/test_offsets", "machines/test_intercept"),
    ),
    "solvers/operators/_offset_system.py": (
        4,
        ("problems/test_offsets", "machines/test_intercept"),
    ),
    "machines/_offsets.py": (4, ("machines/test_intercept", "machines/test_machines")),
    "solvers/base.py": (
        4,
        (
            "solvers/test_solver_contract",
            "solvers/test_solution",
            "solvers/operators/test_ridge",
            "test_bad_input",
        ),
    ),
    "solvers/operators/_leave_out.py": (
        6,
        ("solvers/operators/test_ridge_scales", "data/test_groups", "machines/test_machines"),
    ),
    "solvers/operators/_missing.py": (
        6,
        ("solvers/operators/test_missing", "machines/test_ridge_folds"),
    ),
    "machines/_ridge_folds.py": (6, ("machines/test_ridge_folds",)),
    "machines/_ways.py": (
        6,
        ("machines/test_ridge_folds", "solvers/operators/test_leave_out_both"),
    ),
    "machines/_left_out.py": (6, ("machines/test_intervals",)),
    "machines/intervals.py": (8, ("machines/test_intervals",)),
    "machines/posterior.py": (8, ("machines/test_posterior",)),
    "machines/_encoding.py": (8, ("machines/test_persistence", "machines/test_saved_files")),
    "machines/persistence.py": (6, ("machines/test_persistence", "machines/test_saved_files")),
    "machines/_weights.py": (4, ("machines/test_weights",)),
    "solvers/operators/_leave_out_both.py": (10, ("solvers/operators/test_leave_out_both",)),
    "solvers/operators/_factor_descent.py": (10, ("solvers/operators/test_factorized",)),
    "solvers/operators/_factor_points.py": (10, ("solvers/operators/test_factorized",)),
    "solvers/operators/factorized.py": (6, ("test_defaults", "solvers/operators/test_factorized")),
    "solvers/operators/_thin_products.py": (4, ("solvers/operators/test_factorized",)),
    "solvers/operators/_truncated_svd.py": (4, ("solvers/operators/test_factorized",)),
    "solvers/operators/_leave_out_scores.py": (6, ("solvers/operators/test_leave_out_scores",)),
    "solvers/operators/_splitting.py": (10, _SCHATTEN),
    "solvers/operators/admm.py": (6, ("test_defaults", *_SCHATTEN, "test_units")),
    "solvers/functions/_pair_hessian.py": (
        6,
        (
            "solvers/functions/test_pair_hessian",
            "problems/test_expansion",
            "solvers/functions/test_optimality",
        ),
    ),
    "solvers/functions/_smoothed_dual.py": (
        6,
        ("solvers/functions/test_optimality", "problems/test_separable"),
    ),
    "solvers/functions/_optimality.py": (
        8,
        ("solvers/functions/test_optimality", "claims/thm1/test_separable_gap"),
    ),
    "solvers/functions/dual_newton.py": (6, _DUAL_NEWTON),
    "solvers/functions/_stages.py": (6, _DUAL_NEWTON),
    "solvers/functions/alternating.py": (6, _ALTERNATING),
    "solvers/functions/_stationarity.py": (6, _ALTERNATING),
    "solvers/operators/base.py": (
        2,
        ("solvers/test_solver_contract", "solvers/operators/test_ridge", "test_bad_input"),
    ),
    "solvers/operators/dense.py": (6, (_WEIGHTED, *_RIDGE)),
    "solvers/operators/_refinement.py": (4, _RIDGE),
    "solvers/operators/incomplete.py": (8, (_WEIGHTED, *_RIDGE)),
    "solvers/operators/_pair_expansion.py": (4, _PAIRS),
    "solvers/operators/_pair_features.py": (6, _PAIRS),
    "solvers/operators/_pair_preconditioner.py": (6, _PAIRS),
    "solvers/operators/_pair_products.py": (6, _PAIRS),
    "solvers/operators/_pair_routes.py": (6, _PAIRS),
    "solvers/operators/backends.py": (4, ("solvers/operators/test_refined", "test_defaults")),
    "solvers/operators/refined.py": (6, ("solvers/operators/test_refined", "test_defaults")),
    "solvers/operators/_torch_normal.py": (2, ("solvers/operators/test_refined",)),
    "solvers/operators/spectral.py": (4, (_WEIGHTED, *_RIDGE)),
    "solvers/operators/spectral_state.py": (4, _RIDGE),
    "solvers/operators/_weighted_spectral.py": (6, (_WEIGHTED, "machines/test_sample_weight")),
    "solvers/operators/_pair_weights.py": (6, (_WEIGHTED, "machines/test_sample_weight")),
    "solvers/operators/pairwise.py": (6, ("test_defaults", "solvers/operators/test_pairwise")),
    "problems/pairwise.py": (6, ("solvers/operators/test_pairwise",)),
    "terms/weighted.py": (6, ("terms/test_weighted",)),
    "kernels/pairwise.py": (4, ("kernels/test_pairwise",)),
    "solvers/operators/_spectral_calculus.py": (
        6,
        ("solvers/operators/test_spectral_newton", "problems/test_schatten"),
    ),
    "solvers/operators/_spectral_charts.py": (
        8,
        ("solvers/operators/test_spectral_newton", "problems/test_schatten"),
    ),
    "solvers/operators/spectral_newton.py": (
        8,
        ("solvers/operators/test_spectral_newton", "problems/test_schatten", "test_units"),
    ),
    "machines/_at_pairs.py": (
        5,
        ("machines/test_predictions", "machines/test_intercept", "machines/test_machines"),
    ),
    "machines/_folds.py": (4, _MACHINES),
    "machines/_names.py": (4, ("test_names", "test_frames")),
    "machines/_parameters.py": (4, ("machines/test_parameters", "machines/test_search")),
    "machines/_selection.py": (
        3,
        ("machines/test_selection", "machines/test_bad_input", "machines/test_machines"),
    ),
    "machines/_solving.py": (2, ("machines/test_bad_input", "machines/test_machines")),
    "machines/_tables.py": (
        3,
        ("test_frames", "machines/test_bad_input", "machines/test_machines"),
    ),
    "machines/_samples.py": (6, ("machines/test_sample_weight", "machines/test_machines")),
    "machines/_given_splits.py": (
        5,
        ("machines/test_given_splits", "machines/test_sample_weight", "machines/test_machines"),
    ),
    "machines/pair_machine.py": (7, _MACHINES),
    "machines/pairwise.py": (5, ("machines/test_pairwise",)),
    "machines/_within.py": (
        2,
        ("machines/test_similarities", "machines/test_bad_input", "machines/test_machines"),
    ),
    "machines/edges.py": (3, ("machines/test_search",)),
    "machines/base.py": (7, _MACHINES),
    "machines/ridge.py": (3, _MACHINES),
    "machines/ridge_cv.py": (4, _MACHINES),
    "machines/spectral.py": (5, _MACHINES),
    "machines/spectral_cv.py": (6, _MACHINES),
}

MODULES = tuple(_TESTS)


def sample_size(module: str) -> int:
    """How many mutants of a module are drawn: more where there is more to break."""
    return _TESTS[module][0]


def suite(module: str) -> list[str]:
    """Paths in the checkout."""
    return [f"tests/{name}.py" for name in _TESTS[module][1]]
