"""Several kernels of a domain in machines: weights that are set, searched or learned."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Constant,
    Identity,
    Intervals,
    Laplace,
    Linear,
    PairKFold,
    Pairs,
    Precomputed,
    load,
    save,
)
from rkbs.kernels import alignment_weights, combine

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(9, 2))
Z = X[:, :1] * Y[:, 0] + np.sin(X[:, 1:2]) + 0.1 * RNG.normal(size=(12, 9))
SEEN = RNG.uniform(size=Z.shape) < 0.8
PAIRS, RESPONSES = Pairs.from_mask(X, Y, SEEN), Z[SEEN]
OF_X, OF_Y = [RBF(0.3), Linear(), Laplace()], [Linear(), RBF(2.0)]
LEARNED = combine(OF_X, "alignf")


def by_hand(pairs, z):
    """The weights of both domains, of the matrix of responses written out."""
    rows, columns = np.unique(pairs.i), np.unique(pairs.j)
    R = np.full((12, 9), np.nan)
    R[pairs.i, pairs.j] = z
    R = R[np.ix_(rows, columns)]
    return alignment_weights(OF_X, X[rows], R), alignment_weights(OF_Y, Y[columns], R.T)


@pytest.mark.parametrize("machine", [BinaryKernelRidge, BinaryKernelMachine])
@pytest.mark.parametrize("some", [slice(None), PAIRS.i > 2], ids=["all", "some rows"])
def test_weights_are_learned_of_training_objects_and_responses(machine, some):
    pairs, z = PAIRS[some], RESPONSES[some]
    fitted = machine(LEARNED, combine(OF_Y, "alignf"), alpha=0.3).fit(pairs, z)
    assert fitted.kernel_x is LEARNED  # a parameter stays as it came
    expected = by_hand(pairs, z)
    assert fitted.kernel_x_.weights == pytest.approx(expected[0], rel=1e-8, abs=1e-10)
    assert fitted.kernel_y_.weights == pytest.approx(expected[1], rel=1e-8, abs=1e-10)
    plain = machine(combine(OF_X, expected[0]), combine(OF_Y, expected[1]), alpha=0.3)
    plain.fit(pairs, z)
    new = RNG.normal(size=(4, 3))
    assert fitted.predict_grid(new, Y) == pytest.approx(plain.predict_grid(new, Y), abs=1e-6)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_grid(new, Y), fitted.predict_grid(new, Y))


def test_cross_validation_sees_no_response_that_is_left_out():
    machine, cv = BinaryKernelRidge(LEARNED, RBF()), GroupKFold(3)
    fits = cross_validate(
        machine, PAIRS, RESPONSES, groups=PAIRS.i, cv=cv, return_estimator=True,
        return_indices=True,
    )  # fmt: skip
    for fitted, train in zip(fits["estimator"], fits["indices"]["train"], strict=True):
        expected = by_hand(PAIRS[train], RESPONSES[train])[0]
        assert fitted.kernel_x_.weights == pytest.approx(expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("machine", [BinaryKernelRidgeCV, BinaryKernelMachineCV])
def test_machines_that_leave_responses_out_give_advice_that_works(machine):
    kind = machine.__name__
    for kernels in ({"kernel_x": LEARNED}, {"kernel_y": LEARNED}):
        with pytest.raises(ValueError, match=f"of kernel_[xy] would .* that {kind} leaves out: ch"):
            machine(**kernels).fit(Pairs.grid(X, X), X @ X.T)
    grid = {"alpha": [0.1, 1.0], "kernel_x__weights": ["alignf", (1, 1, 1), (0, 0, 5)]}
    inner = {"BinaryKernelRidgeCV": BinaryKernelRidge}.get(kind, BinaryKernelMachine)
    search = GridSearchCV(inner(LEARNED, RBF()), grid, cv=PairKFold(2)).fit(PAIRS, RESPONSES)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    weights = alignment_weights(OF_X, X, Z)
    fitted = machine(combine(OF_X, weights), RBF(), alphas=(0.5,)).fit(Pairs.grid(X, Y), Z)
    assert fitted.kernel_x_.weights == tuple(weights)


def test_parameters_have_names():
    machine = BinaryKernelRidge(LEARNED, combine(OF_Y))
    params = machine.get_params()
    assert (params["kernel_x__weights"], params["kernel_y__weights"]) == ("alignf", (0.5, 0.5))
    assert (params["kernel_x__kernels__0__tau"], params["kernel_y__kernels__1"]) == (0.3, RBF(2.0))
    machine.set_params(kernel_x__weights=(1, 2, 3), kernel_x__kernels__2__tau=7.0)
    assert machine.kernel_x == combine([RBF(0.3), Linear(), Laplace(7.0)], (1.0, 2.0, 3.0))
    machine.set_params(kernel_x__kernels__1=RBF(9.0), kernel_x__kernels__1__tau=4.0)
    assert machine.kernel_x.kernels == (RBF(0.3), RBF(4.0), Laplace(7.0))
    assert clone(machine).get_params() == machine.get_params()
    with pytest.raises(ValueError, match="kernel_x__kernels__3 is no parameter of"):
        machine.set_params(kernel_x__kernels__3__tau=1.0)
    with pytest.raises(ValueError, match=r"weights must have shape \(3,\)"):
        machine.set_params(kernel_x__weights=(1, 2))


def test_entities_and_similarities():
    ids = [f"d{k}" for k in range(13)]
    twice = np.vstack([X, X[:1]])  # two entities of one point
    pairs = Pairs.grid(twice, Y, ids_x=ids)
    z = np.vstack([Z, Z[:1] + 5.0])
    fitted = BinaryKernelRidge(combine([RBF(), Identity()], (1.0, 2.0)), RBF()).fit(pairs, z)
    plain = BinaryKernelRidge(RBF() + 2.0 * Identity(), RBF()).fit(pairs, z)
    known = fitted.predict_grid(twice, Y, ids_x=ids)
    assert np.abs(known - plain.predict_grid(twice, Y, ids_x=ids)).max() < 1e-12
    assert np.abs(known[0] - known[-1]).max() > 0.5
    S, T = RBF()(X, X), Linear()(X, X)
    both = combine([Precomputed(S), Precomputed(T)], "alignf")
    points = Precomputed.points(12)
    given = BinaryKernelRidge(both, RBF()).fit(Pairs(points[:9], Y, *np.indices((9, 9)).reshape(2, -1)), Z[:9].ravel())  # fmt: skip  # noqa: E501
    expected = alignment_weights([RBF(), Linear()], X[:9], Z[:9])
    assert given.kernel_x_.weights == pytest.approx(expected, rel=1e-8, abs=1e-10)
    with_features = BinaryKernelRidge(combine([RBF(), Linear()], expected), RBF())
    with_features.fit(Pairs.grid(X[:9], Y), Z[:9])
    new = with_features.predict_grid(X[9:], Y)
    assert given.predict_grid(points[9:], Y) == pytest.approx(new, abs=1e-8)
    with pytest.raises(ValueError, match=r"Y has 3 features, but .* fitted with 2 in that domain$"):
        given.predict_grid(points, np.ones((2, 3)))
    one = BinaryKernelRidge(combine([Precomputed(S)], [2.0]), RBF()).fit(
        Pairs.grid(points, Y), Z
    )  # of one matrix new objects may come as rows
    assert one.predict_grid(RBF()(X[:2], X), Y) == pytest.approx(
        one.predict_grid(points[:2], Y), abs=1e-9
    )


def test_intervals_learn_weights_in_each_fold(monkeypatch):
    machine = BinaryKernelRidge(LEARNED, RBF(), alpha=0.3).fit(Pairs.grid(X, Y), Z)
    seen, fit = [], BinaryKernelRidge.fit

    def watched(self, pairs, z):
        fitted = fit(self, pairs, z)
        seen.append((by_hand(pairs, z)[0], fitted.kernel_x_.weights))
        return fitted

    monkeypatch.setattr(BinaryKernelRidge, "fit", watched)
    found = Intervals.of(machine, Pairs.grid(X, Y), Z, settings=("row",))
    assert [errors.by for errors in found.settings] == ["folds"]
    assert len(seen) == 5
    for expected, weights in seen:
        assert weights == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_a_file_keeps_weights(tmp_path):
    machine = BinaryKernelRidge(LEARNED, combine(OF_Y)).fit(PAIRS, RESPONSES)
    save(machine, tmp_path / "machine.rkbs")
    again = load(tmp_path / "machine.rkbs")
    assert (again.kernel_x, again.kernel_x_) == (machine.kernel_x, machine.kernel_x_)
    assert np.array_equal(again.predict(PAIRS), machine.predict(PAIRS))


def test_bad_kernels_are_named():
    with pytest.raises(ValueError, match=r"has a value for each head in RBF\(tau=…\)"):
        BinaryKernelRidge(combine([Linear(), RBF([1.0, 2.0])])).fit(PAIRS, RESPONSES)
    with pytest.raises(ValueError, match="no kernel is aligned with the responses"):
        BinaryKernelRidge(combine([Constant()], "alignf")).fit(PAIRS, RESPONSES)
    with pytest.raises(ValueError, match="learned by a machine, as whose kernel_x or kernel_y"):
        BinaryKernelRidge(2.0 * LEARNED).fit(PAIRS, RESPONSES)
