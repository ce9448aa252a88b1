"""Points of a precomputed kernel that are rows of similarities."""

import numpy as np
import pytest
from optional import torch

from rkbs import Precomputed, inspect

RNG = np.random.default_rng(0)
G = RNG.normal(size=(5, 5)).round(3)
NEW = RNG.normal(size=(3, 5))
I = Precomputed.points  # noqa: E741
BACKENDS = {"numpy": np.asarray, "torch": torch.tensor}
every_backend = pytest.mark.parametrize("as_backend", BACKENDS.values(), ids=BACKENDS)


@every_backend
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_is_its_object(as_backend, dtype):
    """As a target and as a source, mixed with row numbers or not."""
    kernel = Precomputed(G.astype(dtype))
    rows = as_backend(G.astype(dtype))
    numbers = as_backend(I(5))
    for x in (rows, numbers):
        for y in (rows, numbers):
            found = kernel(x[[3, 0]], y[[1, 4, 4]])
            expected = G.astype(dtype)[np.ix_([3, 0], [1, 4, 4])]
            assert np.array_equal(np.asarray(found), expected)


@every_backend
def test_a_new_object_is_its_row(as_backend):
    found = Precomputed(G)(as_backend(NEW), as_backend(I(5)[[2, 2, 0]]))
    assert np.array_equal(np.asarray(found), NEW[:, [2, 2, 0]])


@every_backend
def test_batches_are_loops(as_backend):
    x, y = RNG.normal(size=(2, 1, 4, 5)), I(5)[RNG.integers(0, 5, size=(3, 6))]
    for sources in (y, G[y[..., 0].astype(int)]):
        found = np.asarray(Precomputed(G)(as_backend(x), as_backend(sources)))
        assert found.shape == (2, 3, 4, 6)
        for a, b in np.ndindex(2, 3):
            assert np.array_equal(found[a, b], x[a, 0][:, y[b, :, 0].astype(int)])
    found = np.asarray(Precomputed(G)(as_backend(x[0, 0]), as_backend(y)))
    assert np.array_equal(found, np.stack([x[0, 0][:, j[:, 0].astype(int)] for j in y]))


@every_backend
def test_values_have_the_dtype_of_the_rows(as_backend):
    x, zero = as_backend(NEW.astype("float32")), as_backend(np.zeros((1, 1), "float32"))
    found = Precomputed(G)(x, zero)
    assert found.dtype == x.dtype
    assert np.array_equal(np.asarray(found)[:, 0], NEW[:, 0].astype("float32"))


def test_equal_rows_are_the_first_of_them():
    twice = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 1.0], [0.5, 1.0, 1.0]])
    assert np.array_equal(Precomputed(twice)(twice, twice), twice)
    zero = np.array([[-0.0, 1.0], [1.0, 0.0]])
    assert np.array_equal(Precomputed(zero)(NEW[:, :2], abs(zero)), NEW[:, :2])


def test_new_rows_of_a_taller_matrix_are_no_sources():
    tall = Precomputed(np.vstack([G, NEW]))
    assert np.array_equal(tall(tall.matrix, G), tall.matrix)
    with pytest.raises(ValueError, match=r"^y holds rows .* which row 1 is none .* as x$"):
        tall(G, tall.matrix[4:6])


def test_one_column_holds_row_numbers():
    column = Precomputed(np.array([[0.25], [0.5], [2.0]]))
    assert np.array_equal(column([[2.0]], [[0.0]]), [[2.0]])


@pytest.mark.parametrize("width", [2, 4, 6])
def test_what_is_neither_is_refused(width):
    says = rf"numbers .* or rows of similarities to its 5 columns, got shape \(2, {width}\)"
    with pytest.raises(ValueError, match=f"^x must hold row {says}"):
        Precomputed(G)(np.ones((2, width)), I(5))
    with pytest.raises(ValueError, match=f"^y must hold row {says}"):
        Precomputed(G)(I(5), np.ones((2, width)))


def test_what_inspect_recommends():
    F = RNG.normal(size=(5, 5))
    cases = {
        None: F @ F.T,
        "symmetrize": F @ F.T + 1e-3 * np.triu(np.ones((5, 5)), 1),
        "shift": G + G.T,
    }
    for advice, S in cases.items():
        found = inspect(Precomputed(S), S)
        assert found.repair == advice
        assert (f'repair_x="{advice}"' in str(found)) == (advice is not None)
        assert all(len(line) <= 100 for line in str(found).splitlines())
    assert inspect(Precomputed(G), G).repair == "shift"
    assert inspect(Precomputed(G), G, G[:2]).repair is None
