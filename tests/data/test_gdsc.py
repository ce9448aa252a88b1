"""Loaders: a small synthetic folder of the same layout, and the real one where it is present."""

import numpy as np
import pytest

from rkbs.data.gdsc import DataNotFoundError, data_folder, load_gdsc


def gram(n, seed):
    factor = np.random.default_rng(seed).normal(size=(n, n))
    return factor @ factor.T


@pytest.fixture
def folder(tmp_path):
    """Three drugs, four cell lines, two kernels for drugs (one gzipped) and one for lines."""
    for name in ("Drug_kernels", "Cell_line_kernels", "Folds"):
        (tmp_path / name).mkdir()
    np.savetxt(tmp_path / "Labels.txt", np.arange(12.0).reshape(3, 4), delimiter="\t")
    np.savetxt(tmp_path / "Folds" / "outer_folds.txt", np.arange(12) % 5, fmt="%d")
    np.savetxt(tmp_path / "Drug_kernels" / "Kd_std.txt.gz", gram(3, 0))
    np.savetxt(tmp_path / "Drug_kernels" / "Kd_sp.txt", gram(3, 1))
    np.savetxt(tmp_path / "Cell_line_kernels" / "Kc_cn_146.txt.gz", gram(4, 2))
    (tmp_path / "Drug_kernels" / "Drug_kernel_file_names.txt").write_text("Kd_std.txt\n")
    return tmp_path


def test_layout(folder):
    data = load_gdsc(folder)
    assert np.array_equal(data.z, np.arange(12.0).reshape(3, 4))
    assert np.array_equal(data.fold, (np.arange(12) % 5).reshape(3, 4))
    assert data.fold.dtype.kind == "i"
    assert set(data.drug_kernels) == {"std", "sp"}
    assert set(data.cell_kernels) == {"cn_146"}
    np.testing.assert_allclose(data.drug_kernels["std"], gram(3, 0))
    np.testing.assert_allclose(data.cell_kernels["cn_146"], gram(4, 2))
    assert np.array_equal(load_gdsc(str(folder)).z, data.z)


def test_folder_is_looked_for(folder, monkeypatch, tmp_path):
    root = tmp_path / "root" / "gdsc"
    root.parent.mkdir()
    root.symlink_to(folder)
    monkeypatch.setenv("RKBS_DATA", str(root.parent))
    assert data_folder("gdsc", "somewhere") == root
    assert load_gdsc().z.shape == (3, 4)
    monkeypatch.setenv("RKBS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataNotFoundError, match=r"nowhere/gdsc\. Get it from .* set RKBS_DATA to"):
        load_gdsc()
    monkeypatch.delenv("RKBS_DATA")
    monkeypatch.chdir(root.parent)
    with pytest.raises(DataNotFoundError, match=r"in data/gdsc\. Get it from"):
        load_gdsc()


@pytest.mark.parametrize(
    "missing",
    ["Labels.txt", "Folds/outer_folds.txt", "Drug_kernels/Kd_*", "Cell_line_kernels/Kc_*"],
)
def test_missing_files_are_named_with_their_source(folder, missing):
    for path in folder.glob(missing):
        path.unlink()
    name = missing.split("/")[-1].replace("Kd_*", "kernels").replace("Kc_*", "kernels")
    with pytest.raises(DataNotFoundError, match=rf"no {name}.*Get the data from the pairwiseMKL"):
        load_gdsc(folder)


def test_missing_folder(tmp_path):
    with pytest.raises(DataNotFoundError, match="pairwiseMKL"):
        load_gdsc(tmp_path / "nowhere")
    assert issubclass(DataNotFoundError, FileNotFoundError)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Folds/outer_folds.txt", "1\n2\n", r"outer_folds\.txt must hold 12 numbers, got 2"),
        ("Drug_kernels/Kd_std.txt.gz", None, r"Kd_std\.txt\.gz must have shape \(3, 3\)"),
        ("Cell_line_kernels/Kc_new.txt", "1 2\n2 1\n", r"Kc_new\.txt must have shape \(4, 4\)"),
        ("Labels.txt", "1 2\n3\n", r"Labels\.txt is not a table of numbers"),
        ("Labels.txt", "one two\n", r"Labels\.txt is not a table of numbers"),
        ("Labels.txt", "1 nan\n2 3\n", r"Labels\.txt contains NaN"),
        ("Labels.txt", "5\n", r"outer_folds\.txt must hold 1 numbers, got 12"),
    ],
)
def test_files_that_do_not_fit_are_named(folder, file, content, message):
    if content is None:
        np.savetxt(folder / file, gram(2, 0))
    else:
        (folder / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_gdsc(folder)


@pytest.mark.parametrize("other", ["Kx_std.txt", "Kd_std.txt", "Kd_std.new.txt"])
def test_two_files_of_one_kernel_are_named(folder, other):
    np.savetxt(folder / "Drug_kernels" / other, gram(3, 7))
    with pytest.raises(ValueError, match=r"are both kernel 'std': keep one") as error:
        load_gdsc(folder)
    assert other in str(error.value)
    assert "Kd_std.txt.gz" in str(error.value)


def test_the_real_data():
    try:
        data = load_gdsc()
    except DataNotFoundError as error:
        pytest.skip(str(error))
    assert data.z.shape == data.fold.shape == (124, 124)
    assert (len(data.drug_kernels), len(data.cell_kernels)) == (10, 12)
    assert set(data.fold.flat) == set(range(10))
    for kernel in (*data.drug_kernels.values(), *data.cell_kernels.values()):
        np.testing.assert_allclose(kernel, kernel.T, atol=1e-12 * np.abs(kernel).max())
        assert np.linalg.eigvalsh(kernel)[0] >= -1e-9 * np.abs(kernel).max()
