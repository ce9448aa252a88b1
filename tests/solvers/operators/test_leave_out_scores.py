"""Scores of many α against residuals, refits in exact rationals, and sums in extended precision."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from helpers import every_two

from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Laplace, Linear
from rkbs.problems import OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import Spectral
from rkbs.solvers.operators import spectral_state
from rkbs.solvers.operators._leave_out_scores import _NODES, Scores, Spectrum

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((70, 3)), RNG.standard_normal((60, 2))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.1 * RNG.standard_normal((70, 60))
KERNELS = {  # of full rank; of rank 3 and 60; with an eigenvalue that is repeated 50 times
    "full": (RBF(), Laplace()),
    "singular": (Linear(), RBF(0.05)),
    "steep": (RBF(0.1), RBF(30.0)),
}
LEAVES = ("pair", "row", "column")
OFFSETS = {"none": Offsets(), "constant": Offsets(constant=True)}


def state_of(gram_x, gram_y, z, offsets=OFFSETS["none"]):
    pairs = Pairs.grid(np.zeros((len(gram_x), 1)), np.zeros((len(gram_y), 1)))
    return Spectral().setup(OperatorProblem(gram_x, gram_y, pairs, z, 1.0, offsets=offsets))


@pytest.mark.parametrize("offsets", OFFSETS)
@pytest.mark.parametrize(
    ("kernels", "leave", "scale"), every_two(KERNELS, LEAVES, (1e-6, 1.0, 1e6))
)
def test_scores_are_those_of_the_residuals(kernels, leave, scale, offsets):
    grams = [scale * k(p, p) for k, p in zip(KERNELS[kernels], (X, Y), strict=True)]
    top = np.prod([np.linalg.eigvalsh(gram)[-1] for gram in grams])
    state, alphas = state_of(*grams, Z, OFFSETS[offsets]), top * np.logspace(-10, 6, 9)
    residuals = [state.leave_out_residuals(alpha, leave) for alpha in alphas]
    expected = np.sqrt(np.mean(np.square(residuals), axis=1))
    assert np.abs(state.leave_out_rmse(alphas, leave) / expected - 1).max() < 1e-12


def rational(value):
    return fmpq(*float(value).as_integer_ratio())


def exact_square(gram_x, gram_y, z, alpha, leave):
    """The mean square of the residuals of refits, in rationals: no fit sees what is left out."""
    n, m = z.shape
    total, cells = fmpq(0), [(i, j) for i in range(n) for j in range(m)]

    def kernel(one, other):
        return rational(gram_x[one[0], other[0]]) * rational(gram_y[one[1], other[1]])

    for cell in cells:
        unit = {"pair": slice(None), "row": 0, "column": 1}[leave]
        kept = [other for other in cells if other[unit] != cell[unit]]
        K = [[kernel(a, b) + rational(alpha * (a == b)) for b in kept] for a in kept]
        c = fmpq_mat(K).solve(fmpq_mat([[rational(z[a])] for a in kept]))
        h = sum((kernel(cell, a) * c[k, 0] for k, a in enumerate(kept)), fmpq(0))
        total += (rational(z[cell]) - h) ** 2
    square = total / len(cells)
    return float(Fraction(int(square.p), int(square.q)))


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("alpha", [2.0**-20, 0.25, 64.0])
def test_scores_are_those_of_refits_in_exact_rationals(leave, alpha):
    rng = np.random.default_rng(1)
    roots = rng.integers(-8, 9, (4, 5)) / 8, rng.integers(-8, 9, (3, 4)) / 8
    gram_x, gram_y = (root @ root.T for root in roots)  # exact in floats
    z = rng.integers(-64, 65, (4, 3)) / 16
    found = state_of(gram_x, gram_y, z).leave_out_rmse([alpha], leave)[0]
    assert found**2 == pytest.approx(exact_square(gram_x, gram_y, z, alpha, leave), rel=1e-11)


def spectra():
    rng = np.random.default_rng(2)
    yield np.sort(10 ** rng.uniform(-14, 1, 900))
    yield np.sort(np.concatenate([np.zeros(40), 10 ** rng.uniform(-0.5, 0.4, 300)]))
    yield np.full(100, 3.0)
    yield np.sort(10 ** rng.uniform(-200, -190, 2000))
    yield np.linspace(1, 1 + 1e-13, 60)


@pytest.mark.parametrize("s", list(spectra()), ids=len)
def test_sums_over_a_spectrum_by_its_nodes(s):
    spectrum, rng = Spectrum.of(s), np.random.default_rng(3)
    positive = np.sort(s[s > 0])
    decades = 1 + np.log10(positive[-1] / positive[0])
    assert len(spectrum.nodes) <= 1 + _NODES * decades
    weights = rng.standard_normal((20, len(s)))
    for beta in np.logspace(-30, 30, 61) / positive[-1]:
        terms = 1 / (1 + s.astype(np.longdouble) * beta)
        found = (weights @ spectrum.weights) @ (1 / (1 + spectrum.nodes * beta))
        gap = np.abs(found - weights @ terms)
        assert (gap <= 1e-13 * (np.abs(weights) @ terms)).all()


def test_the_bound_that_is_stated_of_a_decade():
    w, rho = np.log(10) / 2, 4.5
    a, b = w * (rho + 1 / rho) / 2, w * (rho - 1 / rho) / 2
    assert b < np.pi
    bound = 4 * rho ** (1 - _NODES) * np.exp(w + a) / ((rho - 1) * np.cos(b / 2))
    assert bound == pytest.approx(4e-14, rel=0.3)
    # Of |f(x + iy)| ≤ f(x)/cos(y/2), from which it comes.
    x, y = np.linspace(-40, 40, 401)[:, None], np.linspace(-3.1, 3.1, 63)
    f = np.abs(1 / (1 + np.exp(x + 1j * y)))
    assert (f <= (1 + 1e-12) / (1 + np.exp(x)) / np.cos(y / 2)).all()


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("kind", ["groups", "effects"])
def test_groups_and_effects_are_left_to_the_residuals(leave, kind):
    effects = Offsets(constant=True, rows=np.arange(9), columns=np.arange(8))
    offsets = effects if kind == "effects" else OFFSETS["constant"]
    state = state_of(RBF()(X[:9], X[:9]), RBF()(Y[:8], Y[:8]), Z[:9, :8], offsets)
    groups = Groups(np.arange(9) // 2, np.arange(8) // 3) if kind == "groups" else None
    for alpha, found in zip(
        (0.1, 2.0), state.leave_out_rmse((0.1, 2.0), leave, groups), strict=True
    ):
        residuals = state.leave_out_residuals(alpha, leave, groups)
        assert found == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-12)


@pytest.mark.parametrize(("leave", "labels"), [("row", 1), ("column", 0)])
def test_groups_of_what_is_not_left_out_change_nothing(leave, labels, monkeypatch):
    state = state_of(RBF()(X, X), RBF()(Y, Y), Z)
    single = [np.arange(70), np.arange(60)]
    single[labels] = single[labels] // 2
    plain = state.leave_out_rmse([0.1], leave)
    monkeypatch.setattr(spectral_state.SpectralState, "leave_out_residuals", None)
    assert state.leave_out_rmse([0.1], leave, Groups(*single)) == plain


def test_rows_cost_one_product_of_whole_matrices():
    """The nodes of a decade stand for all eigenvalues in it."""
    points = np.random.default_rng(4).standard_normal((400, 8))
    s = np.linalg.eigvalsh(RBF()(points, points))
    assert len(Spectrum.of(s).nodes) < len(s) / 4


@pytest.mark.parametrize("offsets", OFFSETS)
@pytest.mark.parametrize("kernels", KERNELS)
def test_generalized_scores_by_their_definition(kernels, offsets):
    """H formed entry by entry, with the constant by its normal equation."""
    KX, KY = (k(p, p) for k, p in zip(KERNELS[kernels], (X[:8], Y[:7]), strict=True))
    state = state_of(KX, KY, Z[:8, :7], OFFSETS[offsets])
    alphas, K, z = (0.01, 1.0, 100.0), np.kron(KX, KY), Z[:8, :7].ravel()
    for alpha, found in zip(alphas, state.generalized_rmse(alphas), strict=True):
        R = alpha * np.linalg.inv(K + alpha * np.eye(56))
        if offsets == "constant":
            R -= np.outer(R.sum(1), R.sum(0)) / R.sum()
        expected = np.linalg.norm(R @ z) * np.sqrt(56) / np.trace(R)
        assert found == pytest.approx(expected, rel=1e-9)


def test_scores_refuse_what_they_cannot_say():
    effects = Offsets(rows=np.arange(70))
    state = state_of(RBF()(X, X), RBF()(Y, Y), Z, effects)
    with pytest.raises(ValueError, match="knows no effects of rows or columns: use leave_out_rmse"):
        state.generalized_rmse([1.0])
    with pytest.raises(ValueError, match=r"alphas\[1\] must be positive"):
        state.leave_out_rmse([1.0, -1.0])
    with pytest.raises(ValueError, match="leave must be one of"):
        state.leave_out_rmse([1.0], "neither")


def test_columns_are_the_rows_of_the_transpose():
    scores = Scores(np.eye(2), np.eye(3), np.ones(2), np.ones(3), np.ones((2, 3)), False)
    assert scores.mirrored.rotated.shape == (3, 2)
    assert scores.mirrored.rows(1.0) == pytest.approx(scores.rows(1.0).T)


@pytest.mark.parametrize("offsets", OFFSETS)
@pytest.mark.parametrize("leave", LEAVES)
def test_residuals_of_the_scores(leave, offsets):
    state = state_of(RBF(0.1)(X, X), RBF()(Y, Y), Z, OFFSETS[offsets])
    expected = state.leave_out_residuals(0.1, leave)
    assert np.abs(state.left_out(0.1, leave) - expected).max() < 1e-11
