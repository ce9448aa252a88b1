"""Standard deviations of ridge: those of the Gaussian process, written out on dense matrices."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Identity,
    Laplace,
    LowRank,
    Pairs,
    Posterior,
    Precomputed,
    load,
    save,
)

RNG = np.random.default_rng(0)
N, M = 7, 6
X, Y = RNG.normal(size=(N + 2, 2)), RNG.normal(size=(M + 2, 2))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.2 * RNG.normal(size=(N + 2, M + 2))
GRID, ALL = Pairs.grid(X[:N], Y[:M]), Pairs.grid(X, Y)
SEEN = RNG.uniform(size=(N, M)) < 0.7
DATA = {
    "grid": (GRID, Z[:N, :M].ravel()),
    "some": (Pairs.from_mask(X[:N], Y[:M], SEEN), Z[:N, :M][SEEN]),
}


def textbook(machine, pairs, z, asked):
    """Mean and variances by the joint covariance of all pairs, s² included: (2.41) and (2.42).

    Effects are those of equal points here.
    """
    alpha = machine.alpha

    def covariance(a, b):
        x, y = (points[at] for points, at in ((a.X, a.i), (a.Y, a.j)))
        u, v = (points[at] for points, at in ((b.X, b.i), (b.Y, b.j)))
        found = machine.kernel_x_(x, u) * machine.kernel_y_(y, v)
        weight = alpha / (machine.effects_alpha or alpha)
        for name, left, right in (("row", x, u), ("column", y, v)):
            if name in machine.effects:
                found = found + weight * (left[:, None] == right).all(-1)
        return found

    inverse = np.linalg.inv(covariance(pairs, pairs) + alpha * np.eye(len(z)))
    k, own = covariance(pairs, asked), np.diag(covariance(asked, asked))
    H = np.ones((len(z), 1)) if machine.fit_intercept else np.zeros((len(z), 0))
    new = np.ones((len(asked), 1))[:, : H.shape[1]]
    R = new.T - H.T @ inverse @ k
    normal = H.T @ inverse @ H
    beta = np.linalg.solve(normal, H.T @ inverse @ z)
    mean = k.T @ inverse @ (z - H @ beta) + new @ beta
    variance = own - np.einsum("nm,nm->m", k, inverse @ k)
    variance += np.einsum("nm,nm->m", R, np.linalg.solve(normal, R))
    rest = z - H @ beta
    return mean, variance, rest @ inverse @ rest / (len(z) - H.shape[1])


MACHINES = {
    "plain": BinaryKernelRidge(RBF(0.3), Laplace(), alpha=0.2),
    "no constant": BinaryKernelRidge(RBF(0.3), Laplace(), alpha=0.2, fit_intercept=False),
    "identity": BinaryKernelRidge(RBF() + 0.5 * Identity(), RBF(), alpha=0.2),
    "row effects": BinaryKernelRidge(alpha=0.2, effects=("row",), effects_alpha=0.7),
    "effects": BinaryKernelRidge(alpha=0.2, effects=("row", "column")),
    "low rank": BinaryKernelRidge(LowRank(RBF(), X, 4), RBF(), alpha=0.2),
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", MACHINES)
def test_standard_deviations_are_those_of_the_textbook(name, data):
    pairs, z = DATA[data]
    machine = clone(MACHINES[name]).fit(pairs, z)
    posterior = Posterior.of(machine, pairs, z)
    mean, variance, square = textbook(machine, pairs, z, ALL)
    assert np.abs(machine.predict(ALL) - mean).max() < 1e-7
    assert posterior.scale**2 == pytest.approx(square, rel=1e-7)
    assert posterior.noise**2 == pytest.approx(0.2 * square, rel=1e-7)
    expected = np.sqrt(square * variance)
    assert np.abs(posterior.std(ALL, noise=False) - expected).max() < 1e-7
    expected = np.sqrt(square * (variance + 0.2))
    assert np.abs(posterior.std(ALL) - expected).max() < 1e-7
    some = ALL[RNG.permutation(len(ALL))[:9]]
    _, variance, _ = textbook(machine, pairs, z, some)
    assert np.abs(posterior.std(some, noise=False) ** 2 - square * variance).max() < 1e-7


def test_pairs_in_pieces_are_the_same(monkeypatch):
    posterior = Posterior.of(clone(MACHINES["plain"]).fit(*DATA["some"]), *DATA["some"])
    whole = posterior.std(ALL)
    monkeypatch.setattr("rkbs.machines.posterior._VALUES", 100)
    assert np.allclose(posterior.std(ALL), whole, rtol=1e-12)


def test_responses_of_the_process_are_as_far_off_as_it_says():
    """Of 400 draws the standardized errors of new rows have variance 1."""
    errors, scales = [], []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(16, 2)), rng.normal(size=(12, 2))
        roots = (np.linalg.cholesky(RBF(0.5)(p, p) + 1e-9 * np.eye(len(p))) for p in (x, y))
        left, right = roots
        h = 3.0 + 2.0 * left @ rng.normal(size=(16, 12)) @ right.T
        z = h + 0.6 * rng.normal(size=h.shape)
        pairs = Pairs.grid(x[:12], y)
        machine = BinaryKernelRidge(RBF(0.5), RBF(0.5), alpha=0.09).fit(pairs, z[:12])
        posterior = Posterior.of(machine, pairs, z[:12])
        asked = Pairs.grid(x[12:], y)
        errors.append((z[12:].ravel() - machine.predict(asked)) / posterior.std(asked))
        scales.append(posterior.scale**2)
    assert np.mean(np.square(errors)) == pytest.approx(1, abs=0.05)
    assert np.mean(scales) == pytest.approx(4, rel=0.03)


def test_similarities_serve_known_objects_and_new_ones_are_refused():
    S = X @ X.T
    S = S - 0.1 * np.eye(len(S))  # indefinite
    pairs, z = Pairs.grid(Precomputed.points(N), Y[:M]), Z[:N, :M].ravel()
    machine = BinaryKernelRidge(Precomputed(S[:N, :N]), RBF(), alpha=0.2, repair_x="shift")
    machine.fit(pairs, z)
    K = machine.repair_x_.gram
    by_gram = BinaryKernelRidge(Precomputed(K), RBF(), alpha=0.2).fit(pairs, z)
    _, variance, square = textbook(by_gram, pairs, z, pairs)
    found = Posterior.of(machine, pairs, z)
    assert np.abs(found.std(pairs, noise=False) - np.sqrt(square * variance)).max() < 1e-6
    with pytest.raises(ValueError, match="X holds 2 new objects, of which similarities to others"):
        found.std(Pairs.grid(S[N:, :N], Y))


@pytest.mark.filterwarnings("ignore:the chosen alpha")
def test_it_is_saved_with_its_machine(tmp_path):
    machine = BinaryKernelRidgeCV(RBF(), RBF()).fit(*DATA["some"])
    posterior = Posterior.of(machine, *DATA["some"])
    save(posterior, tmp_path / "a")
    again = load(tmp_path / "a")
    assert np.array_equal(again.std(ALL), posterior.std(ALL))
    assert repr(again) == repr(posterior)


FITTED = clone(MACHINES["plain"]).fit(*DATA["grid"])
MANY = Pairs.grid(np.linspace(0, 1, 60)[:, None], np.linspace(0, 1, 40)[:, None])[1:]
BAD = {
    "nuclear norm": (
        lambda: Posterior.of(BinaryKernelMachine().fit(*DATA["grid"]), *DATA["grid"]),
        TypeError,
        "machine must be BinaryKernelRidge or .* got BinaryKernelMachine",
    ),
    "not fitted": (
        lambda: Posterior.of(BinaryKernelRidge(), *DATA["grid"]),
        NotFittedError,
        "not fitted",
    ),
    "other pairs": (lambda: Posterior.of(FITTED, ALL, Z), ValueError, "X must be the Pairs that"),
    "many": (
        lambda: Posterior.of(BinaryKernelRidge().fit(MANY, MANY.i / 60), MANY, MANY.i / 60),
        ValueError,
        "X holds 2399 pairs .* up to 2000",
    ),
    "points": (lambda: Posterior.of(FITTED, *DATA["grid"]).std(X), TypeError, "X must be Pairs"),
    "dimension": (
        lambda: Posterior.of(FITTED, *DATA["grid"]).std(Pairs.grid(X[:, :1], Y)),
        ValueError,
        "X has 1 features, but the machine was fitted with 2",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
