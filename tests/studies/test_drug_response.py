"""What the GDSC claims tune, score and check their fits by, on a small problem of its own."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from rkbs import ADMM, RBF, BinaryKernelMachine, BinaryKernelRidge, Precomputed
from verify import readme
from verify.harness.evidence import Evidence
from verify.harness.figures import load_script
from verify.harness.ledger import Claim, settle
from verify.harness.run import Run
from verify.studies import drug_folds, drug_response
from verify.studies.drug_folds import cold, corrected_p, known_pairs, leaks
from verify.studies.drug_response import (
    BOTH,
    CONTESTANTS,
    IDENTITY,
    KERNEL,
    MEAN,
    MEANS,
    PERMUTED,
    RIDGE,
    Arena,
    Setting,
    Weights,
    additive,
    kkt,
    nuclear_gap,
)


def data(n_x=14, n_y=12, seed=0, noise=0.2):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_x, 2)), rng.standard_normal((n_y, 2))
    z = np.sin(2 * X[:, :1]) * Y[:, 0] + X[:, 1:] + noise * rng.standard_normal((n_x, n_y)) + 3
    fold = rng.permutation(n_x * n_y).reshape(n_x, n_y) % 10
    return SimpleNamespace(
        z=z, fold=fold, drug_kernels={"a": RBF()(X, X)}, cell_kernels={"a": RBF()(Y, Y)}
    )


def arena(**params):
    given = data(**params)
    return Arena(given, *map(np.arange, given.z.shape), np.random.default_rng(2))


def some(here, drop=28):
    """Pairs of a small arena, their responses, and both Gram matrices."""
    keep = np.sort(np.random.default_rng(1).permutation(len(here.z))[drop:])
    pairs, z = here.grid[keep], here.z[keep]
    return here.similar_x, here.similar_y, pairs, z


def test_the_gap_by_hand_is_that_of_the_certificate_and_rejects_other_fits():
    gram_x, gram_y, train, z = given = some(arena())
    kernels = Precomputed(gram_x), Precomputed(gram_y)
    machine = BinaryKernelMachine(*kernels, alpha=0.5, solver=ADMM(tol=1e-9)).fit(train, z)
    assert nuclear_gap(*given, 0.5, machine) < 2e-9
    rough = BinaryKernelMachine(*kernels, alpha=0.5, solver=ADMM(tol=1e-2)).fit(train, z)
    by_hand = nuclear_gap(*given, 0.5, rough)
    assert by_hand == pytest.approx(rough.certificate_.relative_gap, rel=1e-4)
    assert nuclear_gap(*given, 0.6, machine) > 1e-3
    assert nuclear_gap(gram_x, gram_y, train, z + 0.1, 0.5, machine) > 1e-3
    machine.query_coef_ = 1.01 * machine.query_coef_
    assert nuclear_gap(*given, 0.5, machine) > 1e-6


def test_the_ridge_equation_rejects_other_fits():
    gram_x, gram_y, train, z = given = some(arena())
    machine = BinaryKernelRidge(Precomputed(gram_x), Precomputed(gram_y), alpha=0.5).fit(train, z)
    assert kkt(*given, 0.5, machine) < 1e-12
    assert kkt(*given, 0.51, machine) > 1e-4
    assert kkt(gram_x, gram_y, train, z + 0.01, 0.5, machine) > 1e-4
    machine.dual_coef_ = 1.0001 * machine.dual_coef_
    assert kkt(*given, 0.5, machine) > 1e-5


@pytest.mark.parametrize("shrink", [(0.1, 0.1), (0.1, 30.0), (5.0, 0.1)])
def test_additive_effects_minimize_their_objective(shrink):
    """Against least squares with the shrinkage as further rows."""
    here = arena()
    _, _, pairs, z = some(here, drop=60)
    n_x, n_y = 14, 12
    design = np.zeros((len(z), n_x + n_y + 1))
    design[:, -1] = 1
    design[np.arange(len(z)), pairs.i] = design[np.arange(len(z)), n_x + pairs.j] = 1
    rows = np.diag(np.sqrt([*np.repeat(shrink, [n_x, n_y]), 0]))
    effects = np.linalg.lstsq(
        np.vstack([design, rows]), np.append(z, np.zeros(n_x + n_y + 1)), rcond=None
    )[0]
    expected = effects[-1] + effects[:n_x, None] + effects[n_x:-1]
    assert np.abs(additive(pairs, z, *shrink) - expected).max() < 1e-12
    new = pairs[pairs.i > 0]  # of a row without pairs nothing but the columns is known
    found = additive(new, z[pairs.i > 0], *shrink)
    assert np.ptp(found[0] - found[1]) < 1e-12


@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_fit_is_that_of_a_dense_solve_on_known_and_new_rows(name):
    """Ridge from the pairs' Gram matrix; the nuclear norm by its optimality conditions."""
    here, contestant = arena(), CONTESTANTS[name]
    weights = contestant.weights[-1]
    for split in (known_pairs(here.fold, 3), cold(here.grid.i, 2, np.random.default_rng(0))):
        found = here.fit(contestant, Setting(weights, 0.7), split)
        assert found["residual"] < (1e-10 if contestant.is_ridge else 1e-6)
        assert found["by_hand"] < 1e-10
        if contestant.is_ridge:
            i, j = here.grid.i, here.grid.j
            gram_x, gram_y = map(weights.gram, here.similarities(contestant))
            gram = gram_x[i][:, i] * gram_y[j][:, j]
            a = split.train
            one = np.ones((a.sum(), 1))
            system = np.block([[gram[np.ix_(a, a)] + 0.7 * np.eye(a.sum()), one], [one.T, 0]])
            *c, b = np.linalg.solve(system, np.append(here.z[a], 0))
            expected = gram[np.ix_(split.test, a)] @ c + b
            assert np.abs(found["predicted"] - expected).max() < 1e-9


def test_choices_are_the_least_of_what_was_tried_and_never_see_the_test():
    here = arena()
    split = known_pairs(here.fold, 0)
    paths = {}
    chosen = {name: here.choose(one, split, paths) for name, one in CONTESTANTS.items()}
    for name, contestant in CONTESTANTS.items():
        tried = {w: paths[replace(contestant, weights=(w,))][1] for w in contestant.weights}
        assert chosen[name].weights == min(tried, key=tried.get)
    assert set(CONTESTANTS[KERNEL].weights) < set(CONTESTANTS[BOTH].weights)
    here.z = here.z.copy()
    here.z[split.test] += 100 * np.random.default_rng(0).standard_normal(split.test.sum())
    again = {name: here.choose(one, split, {}) for name, one in CONTESTANTS.items()}
    assert again == chosen
    assert here.means(split)["shrinkage"] == arena().means(split)["shrinkage"]


def test_a_path_is_one_fit_for_each_alpha():
    here = arena()
    split = cold(here.grid.j, 1, np.random.default_rng(0))
    alphas = 1.0, 0.3
    for name in (BOTH, RIDGE):
        contestant, weights = CONTESTANTS[name], CONTESTANTS[name].weights[-1]
        one = replace(contestant, weights=(weights,))
        surfaces = here.surfaces(one, split.train, alphas)
        for alpha, surface in zip(alphas, surfaces, strict=True):
            fitted = here.fit(contestant, Setting(weights, alpha), split)["predicted"]
            assert np.abs(surface.ravel()[split.test] - fitted).max() < 0.05


def test_weights_are_what_they_say():
    here, weights = arena(), Weights(2.0, 0.5, 0.25)
    expected = 2 * here.similar_x + 0.5 * np.eye(14) + 0.25
    points = Precomputed.points(14)
    assert np.abs(weights.kernel(here.similar_x)(points, points) - expected).max() < 1e-15
    assert np.array_equal(weights.gram(here.similar_x), expected)
    assert np.array_equal(Weights(0.0, 1.0, 0.0).kernel(here.similar_x)(points, points), np.eye(14))


@pytest.mark.parametrize("side", ["rows", "columns"])
def test_parts_are_cold_and_cover_everything_once(side):
    here = arena(n_x=23, n_y=21)
    units = here.grid.i if side == "rows" else here.grid.j
    splits = [cold(units, k, np.random.default_rng(0)) for k in range(10)]
    assert (sum(split.test.astype(int) for split in splits) == 1).all()
    for split in splits:
        found = leaks(here.grid, split)
        assert (found["pairs"], found[side]) == (0, 0)
        assert found["columns" if side == "rows" else "rows"] > 0
        assert not set(units[split.inner]) & set(units[split.train & ~split.inner])
        assert not (split.inner & ~split.train).any()
        assert split.inner.any()


def test_folds_of_pairs_are_the_published_ones():
    here = arena()
    for k in range(10):
        split = known_pairs(here.fold, k)
        assert np.array_equal(split.test, here.fold == k)
        assert np.array_equal(split.train, here.fold != k)
        assert not (split.inner & split.test).any()
        assert leaks(here.grid, split)["pairs"] == 0
    one = split._replace(train=split.train | (np.cumsum(split.test) == 1))
    assert leaks(here.grid, one)["pairs"] == 1


def test_a_contest_scores_the_test_pairs(monkeypatch):
    here = arena()
    monkeypatch.setattr(drug_folds, "QUICK_FOLDS", 2)
    found = drug_folds.contest(Run(), here, lambda k: known_pairs(here.fold, k), "folds")
    split = known_pairs(here.fold, 1)
    rmse, pearson = found["folds"][MEAN][1]
    residual = here.z[split.test] - here.z[split.train].mean()
    assert rmse == pytest.approx(np.sqrt((residual**2).mean()))
    assert np.isnan(pearson)
    predicted = here.means(split)["predicted"]
    assert found["folds"][MEANS][1][0] == pytest.approx(
        np.sqrt(((predicted - here.z[split.test]) ** 2).mean())
    )
    assert [row["predictor"] for row in found["table"]] == list(found["folds"])
    for row in found["table"]:
        values = np.array(found["folds"][row["predictor"]])
        assert row["RMSE (ln IC50)"] == pytest.approx(values[:, 0].mean())
    assert found["features"] == [KERNEL, BOTH, RIDGE]
    sound = drug_folds.soundness(found, "pairs")
    assert all(check.passed for check in sound)
    found["leaks"][0]["pairs"] = 1
    found["fits"][IDENTITY][1]["residual"] = 2e-6
    found["fits"][RIDGE][0]["by_hand"] = np.nan
    assert [check.passed for check in drug_folds.soundness(found, "pairs")] == [
        False,
        True,
        False,
        False,
    ]


def test_features_help_new_rows_where_they_tell_something():
    """And do not where they are permuted among the rows."""
    here = arena(n_x=60, n_y=20)
    split = cold(here.grid.i, 0, np.random.default_rng(0))

    def rmse(name):
        contestant = CONTESTANTS[name]
        found = here.fit(contestant, here.choose(contestant, split, {}), split)
        return drug_folds.scores(found["predicted"], here.z[split.test])[0]

    without = rmse(IDENTITY)
    assert rmse(BOTH) < 0.8 * without
    assert rmse(PERMUTED) > 0.9 * without


def test_the_control_is_told_of_others():
    here = arena()
    x, y = here.similarities(CONTESTANTS[PERMUTED])
    for permuted, whole, order in zip(
        (x, y), here.similarities(CONTESTANTS[BOTH]), here.orders, strict=True
    ):
        assert np.array_equal(permuted, [[whole[a, b] for b in order] for a in order])
        assert (order != np.arange(len(order))).sum() > len(order) / 2
        assert np.abs(permuted - whole).max() > 0.5


def test_the_margin_must_stand_out_of_overlapping_folds():
    margins = np.array([0.2, 0.25, 0.22, 0.27])
    t = stats.ttest_1samp(margins, 0.0, alternative="greater")
    corrected = t.statistic * np.sqrt((1 / 4) / (1 / 4 + 1 / 9))
    assert corrected_p(margins, 0.1) == pytest.approx(stats.t.sf(corrected, 3))
    assert t.pvalue < corrected_p(margins, 0.1) < 0.01
    assert corrected_p(-margins, 0.1) > 0.99
    assert corrected_p(np.array([0.2, -0.15, 0.1, -0.1]), 0.1) > 0.1


def test_margins_are_by_how_much_the_better_is_less():
    found = {"folds": {BOTH: [(1.0, 0.5), (2.0, 0.5)], MEANS: [(1.5, 0.4), (1.9, 0.4)]}}
    assert drug_folds.margins(found, BOTH, MEANS) == pytest.approx([0.5, -0.1])
    quick = drug_folds.mean_margin(Run(), found, BOTH, MEANS)
    assert [(check.relation, check.bound, check.passed) for check in quick] == [(">", 0, True)]
    full = drug_folds.mean_margin(Run(profile="full"), found, BOTH, MEANS)
    assert [check.passed for check in full] == [True, False]
    assert drug_response.GAP == 1e-6


def test_the_figures_show_every_contestant_in_every_setting():
    """The ratio of a fold is to the means of that fold."""
    names = (MEAN, MEANS, *CONTESTANTS)
    found = {
        "folds": {name: [(k + 1.0, 0.5), (2 * k + 1.0, 0.5)] for k, name in enumerate(names)},
        "baseline": MEANS,
        "features": [KERNEL, BOTH, RIDGE],
    }
    cold = {"new drugs": found, "new cell lines": found}
    axes = []
    for name, kept, panels in (("data.gdsc", found, 1), ("data.gdsc_cold", cold, 2)):
        drawn = load_script(name).draw({name: Evidence(data=kept)}).axes
        assert len(drawn) == panels
        assert [label.get_text() for label in drawn[0].get_yticklabels()] == list(CONTESTANTS)
        axes += drawn
    for axis in axes:
        shown = [line.get_xdata() for line in axis.lines if len(line.get_xdata()) == 2]
        ratios = [[(k + 3.0) / 2, (2 * k + 5.0) / 3] for k in range(len(CONTESTANTS))]
        for expected in ratios:
            assert any(np.allclose(x, expected) for x in shown)


def test_the_readme_shows_every_setting_that_has_a_record(tmp_path):
    table = [
        {"predictor": MEAN, "RMSE (ln IC50)": 3.0, "sd over folds": 0.5, "Pearson": np.nan},
        {"predictor": BOTH, "RMSE (ln IC50)": 1.0, "sd over folds": 0.1, "Pearson": 0.9},
    ]
    found = {"table": table, "folds": {MEAN: [(3.0, 0)] * 4}}
    known = {}
    for name, kept in (
        ("data.gdsc", found),
        ("data.gdsc_cold", {"new drugs": found, "source": "elsewhere"}),
    ):
        claim = Claim(name, "", "", "", lambda run, kept=kept: Evidence(data=kept))
        known[name] = claim, settle(claim, Run())
        lines = readme.gdsc_table(known).splitlines()
        settings = ["known pairs", "new drugs"][: len(known)]
        assert lines[0] == f"| predictor | {' | '.join(settings)} |"
        assert lines[2] == f"| {BOTH} |" + " **1.000 ± 0.100** |" * len(known)
        assert lines[3] == f"| {MEAN} |" + " 3.000 ± 0.500 |" * len(known)
        assert lines[-1].endswith("over 4 folds.")
    assert readme.gdsc_table({}) == ""
