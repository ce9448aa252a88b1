"""Scores of fitted machines at pairs: against scores by hand, row by row."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import mean_squared_error, r2_score

from rkbs import RBF, BinaryKernelRidge, Pairs, PairScorer
from rkbs.data import UndefinedScoreError, auc, aupr, c_index, mse, rmse

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 2)), RNG.normal(size=(6, 3))
SEEN = RNG.uniform(size=(7, 6)) < 0.7
PAIRS = Pairs.from_mask(X, Y, SEEN)
Z = np.round(np.sin(X[:, :1] + Y[:, 0]) + 0.5 * RNG.normal(size=(7, 6)), 1)[SEEN]
TABLE = np.hstack([X[PAIRS.i], Y[PAIRS.j]])
MACHINE = BinaryKernelRidge(RBF(), RBF(), n_features_x=2).fit(TABLE, Z)
H = MACHINE.predict(PAIRS)


def by_hand(metric, units):
    """The mean over the units where there is anything to score, and in how many there is none."""
    scores = []
    for unit in sorted(set(units.tolist())):
        try:
            scores.append(metric(Z[units == unit], H[units == unit]))
        except UndefinedScoreError:
            scores.append(None)
    defined = [score for score in scores if score is not None]
    return np.mean(defined), len(scores) - len(defined)


@pytest.mark.parametrize("metric", [c_index, mse, rmse, partial(auc, threshold=0.1)])
@pytest.mark.parametrize("per", [None, "row", "column"])
@pytest.mark.parametrize("data", [PAIRS, TABLE, pd.DataFrame(TABLE)], ids=["pairs", "table", "df"])
@pytest.mark.filterwarnings("ignore:auc is not defined in .:UserWarning")
def test_scores_are_those_by_hand(metric, per, data):
    units = {None: np.zeros(len(Z), int), "row": PAIRS.i, "column": PAIRS.j}[per]
    expected, _ = by_hand(metric, units)
    sign = -1 if metric in (mse, rmse) else 1
    assert PairScorer(metric, per=per)(MACHINE, data, Z) == pytest.approx(sign * expected, 1e-12)


def test_rows_without_a_score_are_counted():
    metric = partial(aupr, threshold=0.6)
    expected, undefined = by_hand(metric, PAIRS.i)
    assert undefined > 1
    says = rf"^aupr is not defined in {undefined} of 7 rows: the score is the mean over the others"
    with pytest.warns(UserWarning, match=says):
        assert PairScorer(metric, per="row")(MACHINE, PAIRS, Z) == pytest.approx(expected)
    with pytest.raises(UndefinedScoreError, match=r"^the score is defined in none of 7 units$"):
        PairScorer(c_index, per="row")(MACHINE, PAIRS, 0 * Z)


def test_a_matrix_of_responses_is_taken_as_in_fit():
    grid, z = Pairs.grid(X, Y), RNG.normal(size=(7, 6))
    machine = clone(MACHINE).set_params(n_features_x=None).fit(grid, z)
    scorer = PairScorer(c_index, per="column")
    assert scorer(machine, grid, z) == scorer(machine, grid, z.ravel())


def test_ids_say_what_a_row_is():
    ids = list("aabbccd")
    same = X[[0, 0, 2, 2, 4, 4, 6]]
    pairs = Pairs(same, Y, PAIRS.i, PAIRS.j, ids_x=ids)
    machine = BinaryKernelRidge(RBF(), RBF()).fit(pairs, Z)
    h, units = machine.predict(pairs), np.array(ids)[PAIRS.i]
    expected = np.mean([c_index(Z[units == u], h[units == u]) for u in "abcd"])
    assert PairScorer(c_index, per="row")(machine, pairs, Z) == pytest.approx(expected, rel=1e-14)


def test_less_is_better_where_it_is_and_must_be_said_of_other_metrics():
    assert (PairScorer(mse).greater_is_better, PairScorer(auc).greater_is_better) == (False, True)
    assert PairScorer(partial(aupr, threshold=7.0)).greater_is_better is True
    for metric, greater in ((mean_squared_error, False), (r2_score, True)):
        with pytest.raises(ValueError, match=rf"^greater_is_better must be.*{metric.__name__}"):
            PairScorer(metric)
        scorer = PairScorer(metric, greater_is_better=greater)
        assert scorer(MACHINE, PAIRS, Z) == (1 if greater else -1) * metric(Z, H)


def test_it_can_be_sent_to_other_processes():
    scorer = PairScorer(partial(aupr, threshold=0.1), n_features_x=2)
    again = pickle.loads(pickle.dumps(scorer))
    assert again(MACHINE, TABLE, Z) == scorer(MACHINE, TABLE, Z)
    assert repr(PairScorer(rmse)).startswith("PairScorer(metric=<function rmse")


class Other:
    """A predictor that does not say how its table is split."""

    def predict(self, X):
        return X.sum(1)


def test_a_table_of_another_predictor():
    scorer = PairScorer(rmse, per="row")
    with pytest.raises(ValueError, match=r"^n_features_x must be given for a table of 5 columns"):
        scorer(Other(), TABLE, Z)
    score = PairScorer(rmse, per="row", n_features_x=2)(Other(), TABLE, Z)
    wrong = TABLE.sum(1) - Z
    expected = np.mean([np.sqrt(np.mean(wrong[PAIRS.i == i] ** 2)) for i in range(7)])
    assert score == pytest.approx(-expected, rel=1e-14)


BAD = {
    "metric": ({"metric": "c_index"}, TypeError, "^metric must be a function.*got 'c_index'"),
    "per": ({"metric": mse, "per": "target"}, ValueError, "^per must be 'row', 'column' or None"),
    "greater": ({"metric": mse, "greater_is_better": 1}, TypeError, "^greater_is_better must be a"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    params, error, says = BAD[case]
    with pytest.raises(error, match=says):
        PairScorer(**params)


@pytest.mark.parametrize("per", [None, "row", "column"])
def test_weights_are_those_of_the_metric(per):
    w = RNG.integers(0, 3, len(Z))
    found = PairScorer(rmse, per=per)(MACHINE, TABLE, Z, sample_weight=w)
    repeated = PairScorer(rmse, per=per)(MACHINE, TABLE.repeat(w, axis=0), Z.repeat(w))
    assert found == pytest.approx(repeated, rel=1e-12)
    plain = PairScorer(lambda z, h: float(np.mean(h)), per=per, greater_is_better=True)
    assert np.isfinite(plain(MACHINE, TABLE, Z))  # which knows no weights, and is given none
    assert PairScorer(rmse)._accept_sample_weight()
    assert not plain._accept_sample_weight()
    assert PairScorer(partial(aupr, threshold=0.1))._accept_sample_weight()
