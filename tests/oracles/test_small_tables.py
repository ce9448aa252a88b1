"""Tables of small integers: all of them, and what their rows select."""

import numpy as np

from verify.oracles.small_tables import all_entries, is_psd, strict, symmetric_tables


def test_all_of_them_once():
    assert len({tuple(row) for row in all_entries(3, 2).tolist()}) == 27
    tables = symmetric_tables(3, 2)
    assert len({tuple(table.ravel()) for table in tables}) == 3**6
    assert (tables == tables.transpose(0, 2, 1)).all()


def test_positive_semi_definite_by_eigenvalues():
    for n, most in ((2, 4), (3, 3)):
        tables = symmetric_tables(n, most)
        assert (is_psd(tables) == (np.linalg.eigvalsh(tables).min(-1) > -1e-9)).all()


def test_strictly_largest():
    tables = np.array([[[0, 1], [1, 1]], [[0, 1], [2, 1]]], dtype=np.int16)
    assert strict(tables, (1, 0)).tolist() == [1, 2]
    assert strict(tables, (1, 0), (1, 2)).tolist() == [1, 1]
    assert strict(tables, (0, 1)).tolist() == [0, 0]
