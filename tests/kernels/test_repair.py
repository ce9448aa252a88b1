"""Repairs against polar decompositions, and new objects consistent with those of the training."""

import numpy as np
import pytest
import scipy.linalg

from rkbs import Clip, Flip, Shift, Symmetrize
from rkbs._linalg import Eigen
from rkbs.kernels.repair import REPAIRS, Repair, as_repair

RNG = np.random.default_rng(0)


def noisy():
    """A PSD matrix plus symmetric noise, rounded to three digits."""
    F = RNG.normal(size=(25, 6))
    noise = RNG.normal(size=(25, 25))
    return np.round(F @ F.T / 6 + 0.1 * (noise + noise.T), 3)


def largest_distance():
    """τ less the largest coordinate's distance, which is no Euclidean one."""
    x = RNG.normal(size=(20, 4))
    return 2.0 - np.abs(x[:, None] - x).max(-1)


def euclidean_distance():
    x = RNG.normal(size=(20, 3))
    return 1.0 - np.linalg.norm(x[:, None] - x, axis=-1)


def skew(S):
    return S + 0.01 * RNG.normal(size=S.shape)


MADE = {
    "noise": noisy(),
    "largest": largest_distance(),
    "euclidean": euclidean_distance(),
    "asymmetric": skew(noisy()),
    "asymmetric distance": skew(largest_distance()),
}
made = pytest.mark.parametrize("name", MADE)
every = pytest.mark.parametrize("repair", REPAIRS.values(), ids=REPAIRS)
definite = pytest.mark.parametrize("repair", [Shift(), Clip(), Flip()], ids=repr)


def halves(S):
    """S̄, |S̄| and sign(S̄), the latter two by a polar decomposition, an SVD."""
    half = (S + S.T) / 2
    sign, absolute = scipy.linalg.polar(half)
    return half, absolute, sign


@made
def test_training_matrices_are_those_of_the_polar_decomposition(name):
    half, absolute, _ = halves(MADE[name])
    least = scipy.linalg.eigvalsh(half)[0]
    expected = {
        Symmetrize(): half,
        Shift(): half - least * np.eye(len(half)),
        Clip(): (half + absolute) / 2,
        Flip(): absolute,
    }
    assert set(expected) == set(REPAIRS.values())
    for repair, gram in expected.items():
        found = repair.learn(MADE[name])
        assert np.abs(found.gram - gram).max() < 1e-13
        assert np.array_equal(found.gram, found.gram.T)


@made
def test_rows_of_new_objects_are_those_of_the_polar_decomposition(name):
    half, _, sign = halves(MADE[name])
    new = RNG.normal(size=(4, len(half)))
    least = scipy.linalg.eigh(half)[1][:, :1]
    shifted = new - new @ least @ least.T
    expected = {
        Symmetrize(): new,
        Shift(): shifted,
        Clip(): (new + new @ sign) / 2,
        Flip(): new @ sign,
    }
    for repair, rows in expected.items():
        assert np.abs(repair.learn(MADE[name]).rows(new) - rows).max() < 1e-13


@made
@definite
def test_repaired_matrices_are_positive_semi_definite(name, repair):
    """To rounding, and as the problems judge it; at any scale."""
    for scale in (1e-150, 1.0, 1e150):
        found = repair.learn(scale * MADE[name])
        Eigen.of(found.gram, "gram")  # raises for an indefinite one
        eigenvalues = scipy.linalg.eigvalsh(found.gram / scale)
        assert eigenvalues[0] >= -1e-14 * eigenvalues[-1]
        assert found.gram / scale == pytest.approx(repair.learn(MADE[name]).gram, abs=1e-12)


@definite
@pytest.mark.parametrize("far", [0.0, 1.0, 30.0])
def test_small_matrices_and_those_far_below_zero(repair, far):
    """Where all that is left of a matrix may be rounding of what was taken away."""
    rng = np.random.default_rng(1)
    for n in (1, *[2, 3, 4] * 30, 5, 6):
        for size in (1e-3, 1.0, 1e3):
            S = rng.normal(size=(n, n))
            found = repair.learn(np.round(size * (S + S.T), 3) - far * np.eye(n))
            Eigen.of(found.gram, "gram")


@made
@every
def test_training_objects_that_come_as_new_ones_get_their_training_rows(name, repair):
    """K = rows(S̄); of the shift all but the part of its δ."""
    half = (MADE[name] + MADE[name].T) / 2
    found = repair.learn(MADE[name])
    own = found.shift * found.transform if found.shift else 0
    rows = found.rows(half) + own
    assert np.abs(rows - found.gram).max() < 1e-13
    assert (found.shift > 0) == (repair == Shift())


@made
@pytest.mark.parametrize("repair", [Clip(), Flip()], ids=repr)
def test_rows_that_are_not_transformed_would_be_seen(name, repair):
    half = (MADE[name] + MADE[name].T) / 2
    assert np.abs(half - repair.learn(half).gram).max() > 1e-2


@made
@every
def test_a_new_object_joins_the_training_matrix(name, repair):
    """k is in the range of K, so that a large enough similarity to itself keeps K Mercer."""
    found = repair.learn(MADE[name])
    if repair == Symmetrize():
        return
    k = found.rows(RNG.normal(size=(1, len(found.gram))))[0]
    own = k @ np.linalg.pinv(found.gram, rcond=1e-10, hermitian=True) @ k
    joined = np.block([[found.gram, k[:, None]], [k, np.array([[own]])]])
    eigenvalues = scipy.linalg.eigvalsh(joined)
    assert eigenvalues[0] >= -1e-11 * eigenvalues[-1]


@made
@every
def test_what_is_known_gets_the_training_row(name, repair):
    found = repair.learn(MADE[name])
    n = len(found.gram)
    rows, same = RNG.normal(size=(3, n)), np.zeros((3, n), dtype=bool)
    same[1, 4] = True
    got = found.rows(rows, same)
    assert np.array_equal(got[1], found.gram[4])
    assert np.array_equal(got[[0, 2]], found.rows(rows)[[0, 2]])
    assert np.array_equal(found.rows(rows, same & False), found.rows(rows))


@every
@pytest.mark.parametrize("rank", [3, 20])
def test_what_needs_no_repair_is_not_changed(repair, rank):
    F = RNG.normal(size=(20, rank))
    S, new = F @ F.T, RNG.normal(size=(2, 20))
    found = repair.learn(S)
    assert np.array_equal(found.gram, S)
    assert np.array_equal(found.rows(new), new)
    assert (found.shift, found.change, found.negative, found.asymmetry) == (0, 0, 0, 0)
    assert not found.tells_training_objects


@definite
def test_equal_objects_stay_equal(repair):
    codes = np.array([0, 1, 2, 1, 3, 4, 2, 1, 5])
    S = largest_distance()[np.ix_(codes, codes)]
    found = repair.learn(S, codes)
    rows = found.rows(RNG.normal(size=(2, 6))[:, codes])
    for i, j in [(1, 3), (3, 7), (2, 6)]:
        assert np.array_equal(found.gram[i], found.gram[j])
        assert np.array_equal(rows[:, i], rows[:, j])
    Eigen.of(found.gram, "gram")
    if repair == Shift():  # two objects, though alike, have each a δ of its own
        apart = repair.learn(S).gram
        assert np.abs(apart - S - found.shift * np.eye(9)).max() < 1e-14


@made
def test_the_report(name):
    S = MADE[name]
    half = (S + S.T) / 2
    eigenvalues = scipy.linalg.eigvalsh(half)
    for repair in REPAIRS.values():
        found = repair.learn(S)
        assert found.repair is repair
        assert found.asymmetry == np.abs(S - S.T).max()
        assert found.eigenvalues == pytest.approx((eigenvalues[0], eigenvalues[-1]))
        assert found.negative == (eigenvalues < 0).sum() > 0
        change = np.linalg.norm(found.gram - S) / np.linalg.norm(S)
        assert found.change == pytest.approx(change, rel=1e-9)
        assert f"{found.negative} negative, changed by {found.change:.3g})" in repr(found)
        assert len(repr(found)) < 150
    nearest, flipped, shifted = (r.learn(half).change for r in (Clip(), Flip(), Shift()))
    assert nearest < flipped  # the nearest of all that are positive semi-definite
    assert nearest < shifted


def test_names():
    assert {name: as_repair(name, "repair_x") for name in REPAIRS} == REPAIRS
    assert as_repair(None, "repair_x") is None
    assert as_repair(Flip(), "repair_x") == Flip()
    assert {type(repair) for repair in REPAIRS.values()} == set(Repair.__subclasses__())


S = MADE["noise"]


@pytest.mark.parametrize(
    ("function", "error", "says"),
    [
        (lambda: Clip().learn(S[:5]), ValueError, r"similarities must be a square.*\(5, 25\)"),
        (lambda: Clip().learn(S[0]), ValueError, "similarities must have shape"),
        (lambda: Clip().learn(S * np.nan), ValueError, "similarities contains NaN"),
        (lambda: Clip().learn(S.astype(str)), TypeError, "similarities must be an array of real"),
        (lambda: Flip().learn(S).rows(S[:, :4]), ValueError, "must have 25 columns, one for each"),
        (
            lambda: as_repair("clamp", "repair_y"),
            ValueError,
            'repair_y must be one of "symmetrize"',
        ),
        (lambda: as_repair(Clip, "repair_x"), TypeError, r"the class Clip: did you mean Clip\(\)"),
        (
            lambda: as_repair(1, "repair_x"),
            TypeError,
            "repair_x must be a Repair, one of its names",
        ),
    ],
)
def test_refused(function, error, says):
    with pytest.raises(error, match=says):
        function()
