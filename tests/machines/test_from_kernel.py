"""Machines of an asymmetric, indefinite κ, against κ's own features written out."""

import numpy as np
import pytest

from rkbs import BinaryKernelMachine, BinaryKernelMachineCV, BinaryKernelRidge, Pairs
from rkbs.kernels import Quadratic
from rkbs.laws import relative
from rkbs.solvers import ADMM
from rkbs.terms.spectral_penalties import Schatten

RNG = np.random.default_rng(7)
WQ, WK = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 2))
X, Y, Z = RNG.standard_normal((9, 3)), RNG.standard_normal((8, 2)), RNG.standard_normal((9, 8))
MASK = RNG.uniform(size=Z.shape) < 0.7
NEW_X, NEW_Y = RNG.standard_normal((11, 3)), RNG.standard_normal((10, 2))


def monomials(points, gamma):
    """Of (q·k/√2 + γ)², up to signs: q_1², q_2², √2 q_1 q_2, … with their weights, (n, 6)."""
    a, b = points.T
    second = np.stack([a * a, b * b, np.sqrt(2) * a * b], 1) / np.sqrt(2)
    first = np.stack([a, b], 1) * np.sqrt(2 * abs(gamma) / np.sqrt(2))
    return np.hstack([second, first, np.full((len(a), 1), abs(gamma))])


def features(gamma, x, y):
    return monomials(x @ WQ.T, gamma), monomials(y @ WK.T, gamma)


def operator(machine, gamma):
    """T of h(x, y) = Φ_X(x)ᵀ T Φ_Y(y) + b, from predictions at new points, which have that form."""
    P, Q = features(gamma, NEW_X, NEW_Y)
    H = machine.predict_grid(NEW_X, NEW_Y) - machine.intercept_
    T = np.linalg.pinv(P) @ H @ np.linalg.pinv(Q).T
    assert relative(P @ T @ Q.T, H) < 1e-9
    return T


def data(complete):
    if complete:
        return Pairs.grid(X, Y), Z.reshape(-1), np.ones_like(MASK)
    return Pairs.from_mask(X, Y, MASK), Z[MASK], MASK


@pytest.mark.parametrize("gamma", [0.5, -0.5])
@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("constant", [False, True])
def test_the_ridge_machine_is_ridge_regression_on_products_of_features(constant, complete, gamma):
    kappa = Quadratic(gamma).pullback(WQ, WK)
    P, Q = features(gamma, X, Y)
    signs = np.array([1, 1, 1, np.sign(gamma), np.sign(gamma), 1])
    assert relative(kappa(X, Y), P * signs @ Q.T) < 1e-13
    pairs, z, mask = data(complete)
    machine = BinaryKernelRidge.from_kernel(kappa, alpha=0.2, fit_intercept=constant)
    machine.fit(pairs, z)
    products = np.einsum("ia,jb->ijab", P, Q)[mask].reshape(len(z), -1)
    design = np.column_stack([products, np.full(len(z), float(constant))])
    penalty = np.diag([0.2] * 36 + [float(not constant)])
    *T, b = np.linalg.solve(design.T @ design + penalty, design.T @ z)
    T, (new_p, new_q) = np.reshape(T, (6, 6)), features(gamma, NEW_X, NEW_Y)
    assert relative(machine.predict_grid(NEW_X, NEW_Y), new_p @ T @ new_q.T + b) < 1e-9
    assert relative(machine.predict(pairs), (P @ T @ Q.T)[mask] + b) < 1e-9


MACHINES = {
    "ridge": (BinaryKernelRidge, {}, 2.0),
    # The conditions are of first order in the error, the gap of the second: hence its tolerance.
    "p = 1": (BinaryKernelMachine, {"penalty": Schatten(1), "solver": ADMM(1e-12)}, 1),
    **{f"p = {p}": (BinaryKernelMachine, {"penalty": Schatten(p)}, p) for p in (1.5, 3)},
    "cross-validated": (BinaryKernelMachineCV, {"penalty": Schatten(1.5), "cv": 2}, 1.5),
}


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", MACHINES)
def test_predictions_satisfy_the_optimality_conditions_in_feature_space(name, complete):
    """Φ_Xᵀ (z − h) Φ_Y = α ∇Ω(T), Σ (z − h) = 0: for p = 1 a member of the subdifferential."""
    machine, params, p = MACHINES[name]
    params = params | ({"alphas": [0.3]} if "cv" in params else {"alpha": 0.3})
    kappa, (pairs, z, mask) = Quadratic(-0.5).pullback(WQ, WK), data(complete)
    fitted = machine.from_kernel(kappa, **params).fit(pairs, z)
    T = operator(fitted, -0.5)
    P, Q = features(-0.5, X, Y)
    residual = np.where(mask, Z - P @ T @ Q.T - fitted.intercept_, 0)
    assert abs(residual.sum()) < 1e-10
    image = P.T @ residual @ Q / 0.3
    U, sigma, Vt = np.linalg.svd(T)
    assert sigma[0] > 0.1
    if p == 1:
        assert np.linalg.norm(image, 2) < 1 + 1e-4
        assert (image * T).sum() == pytest.approx(sigma.sum(), rel=1e-4)
    else:
        assert relative(image, (U * sigma ** (p - 1)) @ Vt) < 1e-4
