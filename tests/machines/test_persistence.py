"""Fitted machines in files: what is loaded predicts as what was saved, to the last bit."""

import dataclasses
import inspect
import json
import subprocess
import sys
import zipfile
from collections import deque
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import rkbs
from rkbs import (
    EDP,
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Certificate,
    Constant,
    Huber,
    Identity,
    Kernel,
    KeyNormBias,
    Laplace,
    Linear,
    LowRank,
    Pairs,
    PositiveFeatures,
    PowerFeatures,
    Precomputed,
    Schatten,
    Tanimoto,
    load,
    save,
)
from rkbs.kernels import KERNELS, Custom, LinearMap, Repair
from rkbs.kernels.repair import REPAIRS
from rkbs.machines import _encoding
from rkbs.problems.gram import GramProblem
from rkbs.solvers import (
    ADMM,
    Backend,
    Cholesky,
    ConjugateGradient,
    Factorized,
    NumpyBackend,
    RefinedConjugateGradient,
    Solver,
    Spectral,
    SpectralNewton,
)
from rkbs.terms import Loss, SpectralPenalty

RNG = np.random.default_rng(0)
N, M, NEW = 9, 7, 2
X, Y = RNG.normal(size=(N + NEW, 3)), RNG.normal(size=(M, 3))
Z = RNG.normal(size=(N, M))
SEEN = RNG.uniform(size=Z.shape) < 0.7
NOISE = RNG.normal(size=(N + NEW, N + NEW))
ALL = X @ X.T / 4 + 0.2 * (NOISE + NOISE.T) + 0.01 * RNG.normal(size=NOISE.shape)
BITS = RNG.uniform(size=(N + NEW, 20)) < 0.3
IDS = np.array([f"D{k}" for k in range(N + NEW)], dtype=object)

MACHINES = {
    "ridge": lambda **more: BinaryKernelRidge(alpha=0.3, **more),
    "ridge with effects": lambda **more: BinaryKernelRidge(
        alpha=0.3, effects=("row", "column"), effects_alpha=2.0, **more
    ),
    "ridge cv": lambda **more: BinaryKernelRidgeCV(alphas=np.array([0.1, 1.0]), **more),
    "ridge cv in folds": lambda **more: BinaryKernelRidgeCV(leave="both", cv=2, **more),
    "nuclear norm": lambda **more: BinaryKernelMachine(alpha=0.3, **more),
    "other terms": lambda **more: BinaryKernelMachine(
        loss=Huber(0.5), penalty=Schatten(1.5), alpha=0.3, **more
    ),
    "nuclear norm cv": lambda **more: BinaryKernelMachineCV(alphas=(0.1, 1.0), cv=2, **more),
}
REPAIRED = {"repair_x": "clip", "kernel_x": Precomputed(ALL[:N, :N])}
DATA = {  # keyword arguments of the machine, training points with ids, new points
    "arrays": ({}, X[:N], None, X[N:]),
    "frames with ids": (
        {"kernel_x": RBF() + 0.5 * Identity()},
        pd.DataFrame(X[:N], columns=list("abc")),
        IDS[:N],
        pd.DataFrame(X[N:], columns=list("abc")),
    ),
    "similarities by rows": (REPAIRED, ALL[:N, :N], IDS[:N], ALL[N:, :N]),
    "similarities by numbers": (REPAIRED, Precomputed.points(N), None, ALL[N:, :N]),
    "fingerprints": ({"kernel_x": Tanimoto()}, BITS[:N], IDS[:N], BITS[N:]),
}
everywhere = pytest.mark.filterwarnings("ignore:the chosen alpha")


def kept(machine, tmp_path, **more):
    path = tmp_path / "machine.rkbs"
    save(machine, path, **more)
    return load(path, **more)


def assert_same(a, b, name="machine"):
    """Every attribute, down to the arrays, bit by bit."""
    assert type(a) is type(b), name
    if isinstance(a, np.ndarray) and a.dtype == object:
        assert a.tolist() == b.tolist(), name
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, name
        assert a.shape == b.shape, name
        assert a.tobytes() == b.tobytes(), name
    elif hasattr(a, "indptr"):
        assert_same(a.toarray(), b.toarray(), name)
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b), name
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{name}[{k}]")
    elif dataclasses.is_dataclass(a) or hasattr(a, "get_params"):
        fields = vars(a) if hasattr(a, "get_params") else [f.name for f in dataclasses.fields(a)]
        if hasattr(a, "get_params"):
            assert list(vars(a)) == list(vars(b)), name
        for part in fields:
            assert_same(getattr(a, part), getattr(b, part), f"{name}.{part}")
    else:
        assert a == b or a != a, name


@everywhere
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_comes_back_to_the_last_bit(name, data, tmp_path):
    more, points, ids, new = DATA[data]
    machine = MACHINES[name](**more)
    both = Pairs.grid(points, Y, ids_x=ids), Z
    some = Pairs.from_mask(points, Y, SEEN, ids_x=ids), Z[SEEN]
    new_ids = None if ids is None else IDS[N:]
    for pairs, z in (both, some):
        machine.fit(pairs, z)
        again = kept(machine, tmp_path)
        assert_same(machine, again)
        assert np.array_equal(again.predict(pairs), machine.predict(pairs))
        grids = [m.predict_grid(new, Y, ids_x=new_ids) for m in (machine, again)]
        assert np.array_equal(*grids)
        assert np.isfinite(grids[0]).all()
        assert again.score(pairs, z) == machine.score(pairs, z)
        assert again.get_params().keys() == machine.get_params().keys()
        assert np.array_equal(again.fit(pairs, z).predict(pairs), machine.predict(pairs))


MORE_KERNELS = {
    "low rank": LowRank(RBF(), X, rank=4, seed=3),
    "in a sum": LowRank(RBF(), X, rank=4) + 0.5 * Identity(),
    "product": Laplace(0.3) * (2.0 * Constant() + Linear()),
    "transpose": EDP().pullback(RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))).T,
    "key norm of another": KeyNormBias(RBF(0.3), -0.2),
    "positive features": PositiveFeatures.random(3, 4, np.random.default_rng(1)),
    "explicit features": Linear().pullback(*2 * [PowerFeatures(EDP(), 3, 2)]),
    "single precision": RBF(0.3).pullback(*2 * [LinearMap(np.eye(2, 3, dtype=np.float32))]),
    "own matrix": Precomputed(ALL[:N, :N] @ ALL[:N, :N].T),
}


@pytest.mark.parametrize("name", [*KERNELS, *MORE_KERNELS])
def test_every_kernel_comes_back(name, tmp_path):
    """As its within-domain kernels where it has them, else by its own values, repaired."""
    kernel = {**KERNELS, **MORE_KERNELS}[name]
    points = Precomputed.points(N) if name == "own matrix" else 0.3 * np.abs(X[:N])
    pairs = Pairs.grid(points, points)
    z = RNG.normal(size=N * N)
    try:
        machine = BinaryKernelRidge.from_kernel(kernel, alpha=0.3)
    except ValueError:
        machine = BinaryKernelRidge(kernel, kernel, alpha=0.3, repair_x="clip", repair_y="clip")
    machine.fit(pairs, z)
    again = kept(machine, tmp_path)
    assert_same(machine, again)
    assert np.array_equal(again.predict_grid(points, points), machine.predict_grid(points, points))


def concrete(base):
    """The classes of rkbs below one that can be made."""
    below = set().union(*({cls, *concrete(cls)} for cls in base.__subclasses__()))
    return {
        cls for cls in below if cls.__module__.startswith("rkbs.") and not inspect.isabstract(cls)
    }


def test_whatever_a_machine_is_made_of_can_be_kept():
    known = set(_encoding.known_classes(()).values())
    solvers = {cls for cls in concrete(Solver) if issubclass(cls.handles, GramProblem)}
    kinds = (Kernel, Loss, SpectralPenalty, Repair, Backend)
    found = {
        cls
        for cls in solvers.union(*map(concrete, kinds))
        if not cls.__module__.startswith("rkbs.attention")  # those of modules of torch
    }
    running = {"Custom", "DaskBackend", "_ToldIdentity"}  # a function, a cluster, a passing state
    assert {cls.__name__ for cls in found - known} == running
    assert {cls.__name__ for cls in concrete(Certificate) - known} == {"StationarityCertificate"}
    machines = {type(make()).__name__ for make in MACHINES.values()}
    assert machines == {cls.__name__ for cls in _encoding.MACHINES}


@pytest.mark.parametrize("repair", [None, *REPAIRS, *REPAIRS.values()], ids=str)
def test_parameters_come_back_as_they_were_given(repair, tmp_path):
    similar = ALL[:N, :N] @ ALL[:N, :N].T
    machine = BinaryKernelRidge(Precomputed(similar), RBF(), repair_x=repair)
    again = kept(machine.fit(Pairs.grid(similar, Y), Z), tmp_path)
    assert again.repair_x == repair
    assert type(again.repair_x) is type(repair)


@pytest.mark.parametrize(
    "solver",
    [
        Spectral(),
        Cholesky(tol=1e-7),
        ConjugateGradient(max_iter=400),
        RefinedConjugateGradient(backend=NumpyBackend("float64")),
        ADMM(tol=1e-5),
        Factorized(tol=1e-5),
        SpectralNewton(),
    ],
    ids=lambda solver: type(solver).__name__,
)
def test_solvers_come_back(solver, tmp_path):
    ridge = issubclass(solver.handles, rkbs.OperatorProblem)
    cls, more = (BinaryKernelRidge, {}) if ridge else (BinaryKernelMachine, {"alpha": 0.5})
    if isinstance(solver, SpectralNewton):
        more["penalty"] = Schatten(2.0)
    pairs = Pairs.grid(X[:N], Y)
    machine = cls(solver=solver, **more).fit(pairs, Z)
    assert kept(machine, tmp_path).solver == solver


@everywhere
@pytest.mark.parametrize(
    "kind",
    [pd.Series, lambda values: range(1, 3), lambda values: np.array(values, np.longdouble)],
    ids=["series", "range", "long doubles"],
)
def test_numbers_in_other_sequences_come_back_as_arrays(kind, tmp_path):
    machine = BinaryKernelRidgeCV(alphas=kind([1.0, 2.0])).fit(Pairs.grid(X[:N], Y), Z)
    again = kept(machine, tmp_path)
    assert isinstance(again.alphas, np.ndarray)
    assert again.alphas.tolist() == [1.0, 2.0]
    machine = BinaryKernelRidge(alpha=np.longdouble(0.5)).fit(Pairs.grid(X[:N], Y), Z)
    assert kept(machine, tmp_path).alpha == 0.5


def test_what_is_shared_stays_shared(tmp_path):
    """A matrix of similarities is kept once, and is one afterwards."""
    kernel = Precomputed(ALL[:N, :N])
    machine = BinaryKernelRidge(kernel, RBF(), repair_x="flip").fit(Pairs.grid(ALL[:N, :N], Y), Z)
    again = kept(machine, tmp_path)
    assert again.kernel_x is again.kernel_x_
    assert again.kernel_y is again.kernel_y_ is not None


def test_landmarks_are_kept_not_drawn_again(tmp_path):
    """Elsewhere rounding could draw others, of which the coefficients would mean nothing."""
    machine = BinaryKernelRidge(LowRank(RBF(), X, 4), RBF()).fit(Pairs.grid(X[:N], Y), Z)
    save(machine, tmp_path / "a")
    rewrite(tmp_path / "a", lambda header: low_rank(header)["fields"].update(seed=99))
    again = load(tmp_path / "a")
    assert again.kernel_x.seed == 99
    assert np.array_equal(again.predict_grid(X, Y), machine.predict_grid(X, Y))


def low_rank(header):
    return next(item for item in header["objects"] if item["class"] == "LowRank")


def rewrite(path, change):
    """The file with another header."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(parts["rkbs.json"])
    change(header)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            text = json.dumps(header) if name == "rkbs.json" else content
            archive.writestr(name, text)


@pytest.mark.parametrize(
    "label", ["a", 3, 2.5, True, b"b", ("a", 1, ("b",)), np.int64(4), "Ω\ud800"]
)
def test_ids_come_back_as_the_keys_that_they_are(label, tmp_path):
    ids = [label, *("row", "other", "last")]
    kernel = RBF() + Identity()
    pairs = Pairs.grid(X[:4], Y, ids_x=ids)
    again = kept(BinaryKernelRidge(kernel, RBF()).fit(pairs, Z[:4]), tmp_path)
    assert again.ids_x_.tolist() == ids
    assert [type(each) for each in again.ids_x_] == [type(each) for each in pairs.ids_x]


FRESH = """
import sys, numpy as np
from rkbs import load
machine = load(sys.argv[1])
data = np.load(sys.argv[2])
found = machine.predict_grid(data["X"], data["Y"], ids_x=["new", "D0"])
assert np.array_equal(found, data["found"]), abs(found - data["found"]).max()
assert "torch" not in sys.modules and "pickle" not in vars(sys.modules["rkbs.machines.persistence"])
print(machine.certificate_.passed)
"""


def test_a_new_process_predicts(tmp_path):
    kernel = Precomputed(ALL[:N, :N]) + 0.5 * Identity()
    pairs = Pairs.grid(ALL[:N, :N], Y, ids_x=IDS[:N])
    machine = BinaryKernelRidge(kernel, RBF(0.3), alpha=0.3, effects=("row",), repair_x="shift")
    machine.fit(pairs, Z)
    rows = np.stack([ALL[N, :N], ALL[0, :N]])
    found = machine.predict_grid(rows, Y, ids_x=["new", "D0"])
    save(machine, tmp_path / "machine")
    np.savez(tmp_path / "data.npz", X=rows, Y=Y, found=found)
    command = [sys.executable, "-c", FRESH, tmp_path / "machine", tmp_path / "data.npz"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_the_same_machine_gives_the_same_file(tmp_path):
    machine = BinaryKernelRidge().fit(Pairs.grid(X[:N], Y), Z)
    for name in "ab":
        save(machine, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


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


@everywhere
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
