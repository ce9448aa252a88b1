"""Similarity matrices as they are: refused with the numbers and the numpy that mends them."""

import numpy as np
import pytest

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelRidge,
    Identity,
    L2Distance,
    Linear,
    Pairs,
    Precomputed,
    Quadratic,
)
from rkbs.data._entities import Entities
from rkbs.kernels import KERNELS, Kernel
from rkbs.machines import _within

RNG = np.random.default_rng(0)
S = RNG.uniform(size=(20, 20))
S = (S + S.T) / 2
np.fill_diagonal(S, 1)
F = RNG.normal(size=(20, 30))
PSD = F @ F.T / 30
Y, Z = RNG.normal(size=(10, 2)), RNG.normal(size=(20, 10))


def skew(matrix):
    changed = matrix.copy()
    changed[0, 1] += 1e-3
    return changed


MATRICES = {  # what the message says of each, and how many lines mend it
    "indefinite": (S, ["indefinite, its eigenvalues from -1.0", "eigvalsh"]),
    "asymmetric": (skew(PSD), ["asymmetric, max|G − Gᵀ| = 0.001", "(G + G.T) / 2"]),
    "both": (skew(S), ["asymmetric, max|G − Gᵀ| = 0.001", "and indefinite", "(G + G.T) / 2; G ="]),
    "single precision": (skew(S).astype(np.float32), ["astype(float); G = (G + G.T) / 2"]),
    "large": (1e9 * skew(S), ["max|G − Gᵀ| = 1e+06", "(largest entry 1e+09)"]),
    "hardly": (PSD - 1.001 * np.linalg.eigvalsh(PSD)[0] * np.eye(20), ["indefinite"]),
}


def fit_x(G):
    return BinaryKernelRidge(Precomputed(G), RBF()).fit(Pairs.grid(Precomputed.points(20), Y), Z)


def fit_y(G):
    grid = Pairs.grid(Y, Precomputed.points(20))
    return BinaryKernelMachine(RBF(), Precomputed(G), alpha=0.1).fit(grid, Z.T)


PLACES = {
    "kernel_x=": fit_x,
    "kernel_y=": fit_y,
    "from_kernel": lambda G: BinaryKernelRidge.from_kernel(Precomputed(G)),
    "domain_y": lambda G: Precomputed(G).domain_y,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", MATRICES)
def test_advice_works_when_followed(name, place):
    G, says = MATRICES[name]
    with pytest.raises(ValueError, match="its matrix G is") as error:
        PLACES[place](G)
    message = str(error.value)
    assert message.startswith(place) or "=" not in place
    assert all(part in message for part in says)
    known = {"np": np, "G": G}
    exec(message.split("mend it by ")[1].split(" and pass")[0], known)
    PLACES[place](known["G"])  # accepted, and nothing else changed:
    off = ~np.eye(20, dtype=bool)
    scale = np.abs(G).max()
    assert np.abs(known["G"] - (G + G.T) / 2)[off].max() <= 1e-7 * scale


@pytest.mark.parametrize("name", MATRICES)
def test_advice_for_a_taller_matrix_leaves_the_new_rows(name):
    tall = np.vstack([MATRICES[name][0], RNG.uniform(size=(3, 20))])
    with pytest.raises(ValueError, match="its matrix G is") as error:
        fit_x(tall)
    known = {"np": np, "G": tall.copy()}
    exec(str(error.value).split("mend it by ")[1].split(" and pass")[0], known)
    fit_x(known["G"])
    assert np.array_equal(known["G"][20:], tall[20:])


@pytest.mark.parametrize("scale", [1, 1e9, 1e-9])
def test_advice_where_single_precision_has_made_it_indefinite(scale):
    """Of low rank, so that rounding makes eigenvalues of zero negative: no float64 has done it."""
    low = (scale * F[:, :3]).astype(np.float32)
    G = low @ low.T
    G = (G + G.T) / 2
    with pytest.raises(ValueError, match="it came in float32") as error:
        fit_x(G)
    known = {"np": np, "G": G}
    exec(str(error.value).split("shifted: ")[1].rstrip("."), known)
    fit_x(known["G"])
    assert np.abs(known["G"] - G).max() < 1e-6 * np.abs(G).max()


def test_a_wide_matrix_is_no_gram_matrix():
    with pytest.raises(ValueError, match="similarities is square, got 5 × 20"):
        BinaryKernelRidge(Precomputed(skew(S)[:5]), RBF()).fit(
            Pairs.grid(Precomputed.points(5), Y), Z[:5]
        )


@pytest.mark.parametrize("name", [name for name in KERNELS if KERNELS[name].is_mercer is False])
def test_kernels_that_are_not_mercer_do_not_send_in_a_circle(name):
    circle(KERNELS[name])


def test_combinations_do_not_either():
    circle(-1 * RBF())
    circle(Quadratic(-1.0))
    circle(2 * L2Distance(), RNG.normal(size=(20, 2)))
    circle(Precomputed(skew(S)).T, Precomputed.points(20))
    assert Quadratic(-1.0).domain_x == Quadratic(1.0)


def circle(kernel, X=F[:, :2]):
    """Whatever the message recommends is accepted."""
    with pytest.raises(ValueError, match=r"^kernel_x must be a Mercer kernel") as error:
        BinaryKernelRidge(kernel, RBF()).fit(Pairs.grid(X, Y), Z)
    if "from_kernel" in str(error.value):
        BinaryKernelRidge.from_kernel(kernel).fit(Pairs.grid(X, Y), Z)
    else:
        assert "Laplace()" in str(error.value)
        known = {"np": np, "kernel": kernel, "X": X}
        exec(str(error.value).split("make its Gram matrix one: ")[1].split(", and pass")[0], known)
        fit_x(known["G"])


class Rounded(Kernel):
    """1 for all points, but rounded differently in every entry, as a matrix product may be."""

    is_mercer = is_symmetric = is_positive = True

    def feature_dim(self, d):
        return 1

    def formula(self, x, y):
        return 1 + 2.0**-52 * np.arange(len(x) * len(y)).reshape(len(x), -1)


@pytest.mark.parametrize("kernel", [Rounded(), Rounded() + Identity()], ids=["points", "entities"])
@pytest.mark.parametrize("labels", ["abc", "abacb", "aabb", "aa"])
def test_gram_matrices_have_equal_rows_for_equal_points(labels, kernel):
    """Also where no point is alone, and where all are one."""
    points, ids = F[["abc".index(label) for label in labels]], np.array(list(labels), dtype=object)
    gram = _within.gram(kernel, Entities(points, ids, "X"))
    for i, j in zip(*np.nonzero(ids[:, None] == ids), strict=True):
        assert np.array_equal(gram[i], gram[j])
        assert np.array_equal(gram[:, i], gram[:, j])


@pytest.mark.parametrize("machine", [BinaryKernelRidge, BinaryKernelMachine])
def test_new_objects_are_further_rows(machine):
    """The same predictions as from the features that the similarities are made of."""
    new, known = RNG.normal(size=(3, 30)), F
    taller = np.vstack([Linear()(known, known), Linear()(new, known)])
    for swap in (False, True):
        given, kernels = (F, Y)[:: -1 if swap else 1], [Linear(), RBF()][:: -1 if swap else 1]
        right = machine(*kernels, alpha=0.1).fit(Pairs.grid(*given), Z.T if swap else Z)
        tabled = [Precomputed(taller), RBF()][:: -1 if swap else 1]
        points = [Precomputed.points(20), Y][:: -1 if swap else 1]
        found = machine(*tabled, alpha=0.1).fit(Pairs.grid(*points), Z.T if swap else Z)
        at = [Precomputed.points(23)[20:], Y][:: -1 if swap else 1]
        expected = right.predict_grid(*([new, Y][:: -1 if swap else 1]))
        assert np.abs(found.predict_grid(*at) - expected).max() < 1e-8 * np.abs(expected).max()
