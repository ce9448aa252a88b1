"""What a file cannot keep, and files that are damaged, newer, or of another kind."""

import zipfile
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from persistence_helpers import assert_same, kept, rewrite
from sklearn.exceptions import NotFittedError

from rkbs import RBF, BinaryKernelRidge, BinaryKernelRidgeCV, Kernel, Pairs, load, save
from rkbs.kernels import Custom

RNG = np.random.default_rng(0)
N, M = 9, 7
X, Y = RNG.normal(size=(N, 3)), RNG.normal(size=(M, 3))
Z = RNG.normal(size=(N, M))


@dataclass(frozen=True)
class Cosine(Kernel):
    scale: float = 1.0
    is_mercer = is_symmetric = True

    def formula(self, x, y):
        return np.cos(self.scale * (x[..., :, None, 0] - y[..., None, :, 0]))


def test_a_kernel_of_ones_own_is_named_to_both(tmp_path):
    machine = BinaryKernelRidge(RBF() + Cosine(2.0), RBF()).fit(Pairs.grid(X[:N], Y), Z)
    with pytest.raises(TypeError, match=r"kernel_x.b, .*class Cosine.*classes=\[Cosine\] to save"):
        save(machine, tmp_path / "a")
    assert_same(kept(machine, tmp_path, classes=[Cosine]), machine)
    with pytest.raises(ValueError, match=r"not of rkbs .*: Cosine. Pass classes=\[Cosine\]"):
        load(tmp_path / "machine.rkbs")


def impostor():
    return dataclass(frozen=True)(type("RBF", (), {}))


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        ([np.ndarray], TypeError, "classes must hold dataclasses"),
        ([RBF()], TypeError, "classes must hold dataclasses"),
        ([impostor()], ValueError, "RBF is a class of rkbs: rename it"),
    ],
)
def test_classes_are_dataclasses_of_other_names(classes, error, message, tmp_path):
    machine = BinaryKernelRidge().fit(Pairs.grid(X[:N], Y), Z)
    with pytest.raises(error, match=message):
        save(machine, tmp_path / "a", classes=classes)
    with pytest.raises(error, match=message):
        load(tmp_path / "a", classes=classes)


class Label:
    """A hashable that is no string."""


FUNCTION = Custom(lambda x, y: x @ y.T, is_mercer=True)
UNKEPT = {
    "a function": (BinaryKernelRidge(RBF() + FUNCTION), {}, r"kernel_x\.b, which is a Python func"),
    "a map": (
        BinaryKernelRidge(RBF().pullback(*2 * [np.tanh])),
        {},
        r"kernel_x\.map_x, which is a Python function .* a map may be a matrix",
    ),
    "ids": (
        BinaryKernelRidge(),
        {"ids_x": [Label() for _ in range(N)]},
        r"ids_x_\[0\], an id of the class Label: fit pairs whose ids are strings",
    ),
    "another sequence": (
        BinaryKernelRidgeCV(alphas=deque([0.1, 1.0])),
        {},
        "alphas, an object of the class deque: it keeps numbers",
    ),
}


@pytest.mark.filterwarnings("ignore:the chosen alpha")
@pytest.mark.parametrize("name", UNKEPT)
def test_what_a_file_cannot_keep_is_named_and_nothing_is_written(name, tmp_path):
    machine, ids, message = UNKEPT[name]
    machine.fit(Pairs.grid(X[:N], Y, **ids), Z)
    with pytest.raises(TypeError, match=message):
        save(machine, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_only_fitted_machines_are_saved(tmp_path):
    with pytest.raises(NotFittedError):
        save(BinaryKernelRidge(), tmp_path / "a")
    with pytest.raises(TypeError, match=r"machine must be .* got dict: of a search pass its best_"):
        save({}, tmp_path / "a")
    machine = BinaryKernelRidge().fit(Pairs.grid(X[:N], Y), Z)
    with pytest.raises(FileNotFoundError, match=r"in the folder .*nowhere, which is not there"):
        save(machine, tmp_path / "nowhere" / "a")


def test_what_was_there_stays_where_writing_fails(tmp_path, monkeypatch):
    machine = BinaryKernelRidge().fit(Pairs.grid(X[:N], Y), Z)
    save(machine, tmp_path / "a")
    before = (tmp_path / "a").read_bytes()

    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space left"):
        save(machine.fit(Pairs.grid(X[:N], Y), -Z), tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_damage_is_told_or_does_no_harm(tmp_path):
    """Every truncation is refused; a changed byte too, or it is one that nothing depends on."""
    machine = BinaryKernelRidge().fit(Pairs.grid(X[:4], Y[:3]), Z[:4, :3])
    path, right = tmp_path / "a", machine.predict_grid(X, Y)
    save(machine, path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        message = "truncated or damaged" if size >= 2 else "no file of rkbs.save"
        with pytest.raises(ValueError, match=message):
            load(path)
    told = 0
    for at in range(0, len(whole), 41):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            again = load(path)
        except ValueError as error:
            told += "no file of rkbs.save" in str(error) or "damaged" in str(error)
        else:
            assert np.array_equal(again.predict_grid(X, Y), right)
    assert told > len(whole) // 41 / 2


HEADERS = {
    "newer": (lambda h: h.update(format=99, rkbs="9.0"), "format 99, written by rkbs 9.0.*update"),
    "no format": (lambda h: h.pop("format"), "damaged"),
    "unknown": (lambda h: h["objects"][0].update({"class": "os.system"}), "not of rkbs.*os.system"),
    "a name of a module": (lambda h: h["objects"][0].update({"class": "Custom"}), "not of rkbs"),
    "no such field": (lambda h: h["objects"][0]["fields"].update(sigma=1.0), "damaged"),
    "no such value": (lambda h: h["objects"][0]["fields"].update(tau=-1.0), "damaged"),
    "a method": (lambda h: h["objects"][-1]["fields"].update(predict=None), "damaged"),
    "dunder": (lambda h: h["objects"][-1]["fields"].update(__class__=None), "damaged"),
    "no array": (lambda h: h.update(arrays=0), "damaged"),
    "no objects": (lambda h: h.update(objects=3), "damaged"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_checked(name, tmp_path):
    change, message = HEADERS[name]
    save(BinaryKernelRidge().fit(Pairs.grid(X[:N], Y), Z), tmp_path / "a")
    rewrite(tmp_path / "a", change)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a")


def test_a_pickle_in_the_file_is_not_opened(tmp_path):
    save(BinaryKernelRidge().fit(Pairs.grid(X[:N], Y), Z), tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        for name, content in parts.items():
            with archive.open(name, "w") as out:
                if name == "arrays/0.npy":
                    np.save(out, np.array([object], dtype=object), allow_pickle=True)
                else:
                    out.write(content)
    with pytest.raises(ValueError, match="damaged") as told:
        load(tmp_path / "a")
    assert "allow_pickle=False" in str(told.value.__cause__)


def test_other_files_are_told(tmp_path):
    (tmp_path / "text").write_text("hello")
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    for name in ("text", "arrays.npz"):
        with pytest.raises(ValueError, match=r"no file of rkbs\.save"):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
