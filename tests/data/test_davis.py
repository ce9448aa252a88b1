"""The loader of the kinase data: a made folder of its layout, and the real one where it is."""

import json

import numpy as np
import pytest

from rkbs.data.davis import TEST, load_davis
from rkbs.data.gdsc import DataNotFoundError

K_D = np.array([[1.0, 10.0, 1e4], [100.0, 1e4, 1e4]])
SCORES = np.array([[9.0, 9.0, 2.0], [9.0, 9.0, 2.0], [2.0, 2.0, 4.0]])
FILES = {
    "Y.npz",
    "drug-drug_similarities_2D.txt",
    "target-target_similarities_WS.txt",
    "train_fold_setting1.txt",
    "test_fold_setting1.txt",
}


@pytest.fixture
def folder(tmp_path):
    """Two drugs, three targets, the first two of one sequence; two training parts."""
    (tmp_path / "folds").mkdir()
    np.savez(tmp_path / "Y.npz", Y=K_D)
    np.savetxt(tmp_path / "drug-drug_similarities_2D.txt", [[1, 0.5], [0.5, 1]])
    np.savetxt(tmp_path / "target-target_similarities_WS.txt", SCORES)
    (tmp_path / "folds" / "train_fold_setting1.txt").write_text(json.dumps([[0, 4], [5, 2]]))
    (tmp_path / "folds" / "test_fold_setting1.txt").write_text(json.dumps([3, 1]))
    return tmp_path


def test_layout(folder):
    data = load_davis(folder)
    assert np.abs(data.z - [[9, 8, 5], [7, 5, 5]]).max() < 1e-12
    assert np.array_equal(data.drug_similarity, [[1, 0.5], [0.5, 1]])
    assert np.array_equal(data.target_similarity, SCORES)
    assert np.array_equal(data.fold, [[0, TEST, 1], [TEST, 0, 1]])
    assert data.target_groups.tolist() == [0, 0, 1]
    assert np.array_equal(load_davis(str(folder)).fold, data.fold)


def test_folder_is_looked_for(folder, monkeypatch, tmp_path):
    root = tmp_path / "root" / "davis"
    root.parent.mkdir()
    root.symlink_to(folder)
    monkeypatch.setenv("RKBS_DATA", str(root.parent))
    assert load_davis().z.shape == (2, 3)
    monkeypatch.setenv("RKBS_DATA", str(tmp_path / "nowhere"))
    message = r"nowhere/davis\. Get it from DeepDTA's .* set RKBS_DATA to"
    with pytest.raises(DataNotFoundError, match=message):
        load_davis()


@pytest.mark.parametrize("name", sorted(FILES))
def test_missing_files_are_named_with_their_source(folder, name):
    next(folder.rglob(name)).unlink()
    with pytest.raises(DataNotFoundError, match=rf"no {name} in .*Get the data from DeepDTA's"):
        load_davis(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Y.npz", {"Y": -K_D}, r"Y\.npz must hold K_d > 0 in nM, got -10000"),
        ("Y.npz", {"Y": np.where(K_D > 1e3, np.nan, K_D)}, r"Y\.npz contains NaN"),
        ("Y.npz", {"K": K_D}, r"Y\.npz must hold the array Y"),
        ("Y.npz", b"no archive", r"Y\.npz must hold the array Y"),
        ("drug-drug_similarities_2D.txt", b"1 2 3\n", r"2D\.txt must have shape \(2, 2\), got"),
        ("drug-drug_similarities_2D.txt", b"1 x\n", r"2D\.txt is no table of finite numbers"),
        ("target-target_similarities_WS.txt", b"1 nan\n", r"WS\.txt is no table of finite numbers"),
        ("train_fold_setting1.txt", b"[[0, 4], [5]]", r"0 … 5 once, got 5 numbers, 5 of them"),
        ("train_fold_setting1.txt", b"[[0, 4], [5, 3]]", r"got 6 numbers, 5 of them different"),
        ("train_fold_setting1.txt", b"[0, 4, 5, 2]", r"must hold lists of whole numbers, got '0'"),
        ("test_fold_setting1.txt", b"[3, 1.5]", r"test_fold_setting1\.txt must hold lists of"),
        ("test_fold_setting1.txt", b"3, 1", r"test_fold_setting1\.txt must hold a list in JSON"),
        ("test_fold_setting1.txt", b"3", r"test_fold_setting1\.txt must hold a list in JSON"),
    ],
)
def test_files_that_do_not_fit_are_named(folder, name, content, message):
    path = next(folder.rglob(name))
    if isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_davis(folder)


def test_another_kind_of_folder_is_refused():
    with pytest.raises(TypeError, match="folder must be a path or None, got 3"):
        load_davis(3)


def test_the_real_data():
    try:
        data = load_davis()
    except DataNotFoundError as error:
        pytest.skip(str(error))
    assert data.z.shape == data.fold.shape == (68, 442)
    assert data.z.min() == 5.0
    assert (data.z == 5.0).mean() > 0.69  # what binds too weakly to be measured
    sizes = [(data.fold == k).sum() for k in range(TEST, 5)]
    assert sizes == [5010, 5010, 5009, 5009, 5009, 5009]
    assert len(set(map(bytes, data.target_similarity))) == data.target_groups.max() + 1 == 384
    for S in (data.drug_similarity, data.target_similarity):
        assert np.array_equal(S, S.T)
        assert np.linalg.eigvalsh(S)[0] > -1e-12 * np.abs(S).max()
