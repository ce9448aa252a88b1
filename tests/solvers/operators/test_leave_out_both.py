"""A row and a column left out at once, against refits in exact rationals and in floats."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from rkbs._linalg import Eigen
from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Constant, Identity, Laplace, Linear
from rkbs.problems import OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import Spectral
from rkbs.solvers.operators import _leave_out_both
from rkbs.solvers.operators._leave_out_both import leave_out_both, operations

KERNELS = {  # of full rank; of low rank; with one eigenvalue of all; constants in both
    "full": (RBF(), Laplace()),
    "singular": (Linear(), RBF(0.05)),
    "repeated": (Identity(), RBF()),
    "identities": (Identity(), Identity()),
    "constant": (Constant() + Linear(), 0.5 * Identity() + Constant()),
}
constants = pytest.mark.parametrize("constant", [False, True])


def state_of(gram_x, gram_y, z, **offsets):
    pairs = Pairs.grid(np.zeros((len(gram_x), 1)), np.zeros((len(gram_y), 1)))
    offsets = Offsets(**offsets)
    return Spectral().setup(OperatorProblem(gram_x, gram_y, pairs, z, 1.0, offsets=offsets))


def refits(gram_x, gram_y, Z, alpha, constant):
    """z − ẑ, each by a dense solve with all pairs that share neither row nor column."""
    out = np.empty_like(Z)
    for i, j in np.ndindex(*Z.shape):
        rows, columns = np.arange(len(Z)) != i, np.arange(Z.shape[1]) != j
        K = np.kron(gram_x[np.ix_(rows, rows)], gram_y[np.ix_(columns, columns)])
        k, z = np.kron(gram_x[i, rows], gram_y[j, columns]), Z[np.ix_(rows, columns)].ravel()
        A = K + alpha * np.eye(len(K))
        if constant:
            one = np.ones((len(K), 1))
            A = np.block([[A, one], [one.T, np.zeros((1, 1))]])
            k, z = np.append(k, 1.0), np.append(z, 0.0)
        out[i, j] = Z[i, j] - k @ np.linalg.solve(A, z)
    return out


@constants
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("n_x", "n_y"), [(6, 5), (4, 9), (2, 2)])
def test_residuals_are_those_of_refits(n_x, n_y, kernels, constant):
    rng = np.random.default_rng(n_x)
    points = rng.standard_normal((n_x, 3)), rng.standard_normal((n_y, 2))
    grams = [k(p, p) for k, p in zip(KERNELS[kernels], points, strict=True)]
    Z = rng.standard_normal((n_x, n_y)) + 5.0
    top = np.prod([np.linalg.eigvalsh(gram)[-1] for gram in grams])
    state, alphas = state_of(*grams, Z, constant=constant), top * np.array([1e-4, 1e-2, 1.0, 1e3])
    expected = [refits(*grams, Z, alpha, constant) for alpha in alphas]
    for alpha, each in zip(alphas, expected, strict=True):
        found = state.leave_out_residuals(alpha, "both").reshape(Z.shape)
        np.testing.assert_allclose(found, each, rtol=0, atol=1e-10)
    rmse = np.sqrt(np.mean(np.square(expected), axis=(1, 2)))
    np.testing.assert_allclose(state.leave_out_rmse(alphas, "both"), rmse, rtol=1e-10)


def rational(value):
    return fmpq(*float(value).as_integer_ratio())


def exact(gram_x, gram_y, Z, alpha, constant):
    """``refits`` in rationals."""
    out, cells = np.empty_like(Z), list(np.ndindex(*Z.shape))

    def kernel(one, other):
        return rational(gram_x[one[0], other[0]]) * rational(gram_y[one[1], other[1]])

    for cell in cells:
        kept = [other for other in cells if cell[0] != other[0] and cell[1] != other[1]]
        A = [[kernel(a, b) + rational(alpha * (a == b)) for b in kept] for a in kept]
        A = [[*row, *[fmpq(1)] * constant] for row in A]
        right = [[rational(Z[a])] for a in kept] + [[fmpq(0)]] * constant
        if constant:
            A.append([*[fmpq(1)] * len(kept), fmpq(0)])
        c = fmpq_mat(A).solve(fmpq_mat(right))
        h = sum((kernel(cell, a) * c[k, 0] for k, a in enumerate(kept)), fmpq(0))
        residual = rational(Z[cell]) - h - (c[len(kept), 0] if constant else 0)
        out[cell] = float(Fraction(int(residual.p), int(residual.q)))
    return out


@constants
@pytest.mark.parametrize("ranks", [(4, 3), (2, 2), (1, 3), (4, 1)])
@pytest.mark.parametrize("alpha", [2.0**-40, 2.0**-20, 64.0])
def test_small_alphas_keep_their_digits(alpha, ranks, constant):
    """Where floats solve no dense system: 2⁻⁴⁰ is 1e-14 of the largest eigenvalue."""
    rng = np.random.default_rng(1)
    roots = [rng.integers(-8, 9, (n, rank)) / 8 for n, rank in zip((4, 3), ranks, strict=True)]
    grams = [root @ root.T for root in roots]  # exact in floats
    Z = rng.integers(-64, 65, (4, 3)) / 16
    found = state_of(*grams, Z, constant=constant).leave_out_residuals(alpha, "both")
    expected = exact(*grams, Z, alpha, constant)
    np.testing.assert_allclose(found.reshape(Z.shape), expected, rtol=0, atol=1e-11)


def test_rows_and_columns_change_places():
    rng = np.random.default_rng(2)
    X, Y, Z = rng.standard_normal((7, 2)), rng.standard_normal((4, 2)), rng.standard_normal((7, 4))
    grams = RBF()(X, X), Laplace()(Y, Y)
    one = state_of(*grams, Z).leave_out_residuals(0.1, "both").reshape(Z.shape)
    other = state_of(*grams[::-1], Z.T).leave_out_residuals(0.1, "both").reshape(Z.T.shape)
    assert np.array_equal(one, other.T)


def test_the_smaller_domain_is_decomposed_again_once_for_all_alphas(monkeypatch):
    sizes = []

    class Watched(Eigen):
        @classmethod
        def of(cls, gram, name):
            sizes.append(len(gram))
            return Eigen.of(gram, name)

    grams = np.eye(9), np.eye(3)
    eigen = tuple(Eigen.of(gram, "gram") for gram in grams)
    monkeypatch.setattr(_leave_out_both, "Eigen", Watched)
    found = leave_out_both(grams, eigen, np.ones((9, 3)), [0.1, 1.0], constant=False)
    assert sizes == [2, 2, 2]
    assert found.shape == (2, 9, 3)
    assert operations(9, 3, 2) == 9 * 3**4 + 4 * 3**3 * 9 + 12 * 3**2 * 9**2 == operations(3, 9, 2)


def test_what_has_no_closed_form_is_refused():
    Z = np.ones((4, 3))
    effects = state_of(np.eye(4), np.eye(3), Z, rows=np.arange(4))
    plain = state_of(np.eye(4), np.eye(3), Z)
    groups = Groups(np.arange(4), np.array([0, 0, 1]))
    for ask in ("leave_out_residuals", "leave_out_rmse"):
        alpha = 1.0 if ask == "leave_out_residuals" else [1.0]
        with pytest.raises(ValueError, match=r"no closed form beside effects .* use folds"):
            getattr(effects, ask)(alpha, "both")
        with pytest.raises(ValueError, match=r"no closed form for groups of several .* use folds"):
            getattr(plain, ask)(alpha, "both", groups)
        with pytest.raises(ValueError, match=r"two rows and two columns, got .* shape \(1, 3\)"):
            getattr(state_of(np.eye(1), np.eye(3), Z[:1]), ask)(alpha, "both")
    with pytest.raises(ValueError, match="alpha must be positive"):
        plain.leave_out_residuals(-1.0, "both")
