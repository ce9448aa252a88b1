"""Fitted machines in files: what is loaded predicts as what was saved, to the last bit."""

import inspect
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from persistence_helpers import assert_same, kept, rewrite

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
from rkbs.kernels import KERNELS, LinearMap, Repair
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
    machines.add("PairwiseKernelRidge")  # which has no kernels of its own: test_pairwise.py
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

    def reseeded(header):
        (kernel,) = (item for item in header["objects"] if item["class"] == "LowRank")
        kernel["fields"]["seed"] = 99

    rewrite(tmp_path / "a", reseeded)
    again = load(tmp_path / "a")
    assert again.kernel_x.seed == 99
    assert np.array_equal(again.predict_grid(X, Y), machine.predict_grid(X, Y))


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
