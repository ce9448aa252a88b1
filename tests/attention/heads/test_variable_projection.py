"""Variable projection, step by step, against one model at a time in numpy with whole Jacobians."""

from dataclasses import dataclass

import numpy as np
import pytest

from rkbs.approximation import TARGETS, Quadrature
from rkbs.attention import TwoTowerEnsemble, VariableProjection, train_heads

LINE, PLANE = Quadrature.gauss_legendre(14), Quadrature.gauss_legendre(5, 2)
RIDGE = np.finfo(float).eps ** 0.6


@dataclass
class Tower:
    """One tower's nodes with their √w, and its hidden layer."""

    x: np.ndarray
    root: np.ndarray
    slopes: np.ndarray
    biases: np.ndarray

    def units(self):
        return np.tanh(self.x @ self.slopes.T + self.biases)

    def basis(self, ridge):
        """Q and R of [√w (Φ, 1); δ I], of Q the rows of the nodes."""
        phi = self.root * np.hstack([self.units(), np.ones((len(self.x), 1))])
        q, r = np.linalg.qr(np.vstack([phi, ridge * np.eye(phi.shape[1])]))
        return q[: len(self.x)], r


def best_head(F, towers, d, ridge):
    """Features u σ and v σ with their output weights, and ‖F − G‖²."""
    (qx, rx), (qy, ry) = (tower.basis(ridge) for tower in towers)
    u, sigma, vt = np.linalg.svd(qx.T @ F @ qy)
    u, sigma, v = u[:, :d], sigma[:d], vt[:d].T
    left, right = qx @ u, qy @ v
    outputs = np.linalg.solve(rx, u * sigma), np.linalg.solve(ry, v * sigma)
    return ((F - left * sigma @ right.T) ** 2).sum(), outputs, (right, left), sigma


def step(F, tower, output, partner, damping, ridge):
    """Levenberg–Marquardt on the whole Jacobian: a column for each slope and each bias.

    In the coordinates of the other tower's features, which are orthonormal.
    """
    basis, _ = tower.basis(ridge)
    bend = tower.root * (1 - tower.units() ** 2)
    columns = []
    for inputs in (*tower.x.T, np.ones(len(tower.x))):
        for unit in range(len(tower.biases)):
            change = bend[:, unit] * inputs
            change -= basis @ (basis.T @ change)
            columns.append(np.outer(change, output[unit]).ravel())
    J, missed = np.array(columns).T, F @ partner
    missed = missed - basis @ (basis.T @ missed)
    matrix, gradient = J.T @ J, J.T @ missed.ravel()
    diagonal = np.diag(matrix)
    least = 1e-12 * diagonal.max()
    change = np.linalg.solve(matrix + np.diag(damping * (diagonal + least) + least), gradient)
    m = len(tower.biases)
    return change[:-m].reshape(-1, m).T, change[-m:]


def moved(tower, change, max_slope):
    slopes, biases = tower.slopes + change[0], tower.biases + change[1]
    scale = np.minimum(1, max_slope / np.abs(slopes).max(1))
    return Tower(tower.x, tower.root, slopes * scale[:, None], biases * scale)


def fitted(F, towers, d, steps, max_slope=20.0, ridge=RIDGE):
    """Errors after every step, the towers, and which steps were taken."""
    damping, errors, taken = 1e-2, [], []
    squared, outputs, partners, _ = best_head(F, towers, d, ridge)
    errors.append(np.sqrt(squared))
    for _ in range(steps):
        trial = [
            moved(tower, step(table, tower, output, partner, damping, ridge), max_slope)
            for table, tower, output, partner in zip(
                (F, F.T), towers, outputs, partners, strict=True
            )
        ]
        found = best_head(F, trial, d, ridge)
        taken.append(found[0] < squared)
        if taken[-1]:
            towers, (squared, outputs, partners, _) = trial, found
        damping = damping / 3 if taken[-1] else 4 * damping
        errors.append(np.sqrt(squared))
    return np.array(errors), towers, taken


def start(ensemble, quadrature):
    """The towers of each model, without padding."""
    found = []
    for a, m in enumerate(ensemble.widths):
        sides = zip((ensemble.query, ensemble.key), (quadrature.x, quadrature.y), strict=True)
        found.append(
            [
                Tower(
                    measure.nodes,
                    measure.root.reshape(-1, 1),
                    side.hidden_weight[a, :m].detach().numpy().copy(),
                    side.hidden_bias[a, :m].detach().numpy().copy(),
                )
                for side, measure in sides
            ]
        )
    return found


CASES = {
    "edp": ("edp", LINE, (2, 1), (3, 4), {}),
    "kink": ("kink", LINE, (3, 2), (4, 6), {}),
    "slopes cut": ("kink", LINE, (2, 2), (5, 3), {"max_slope": 2.0}),
    "a wide ridge": ("asymmetric", LINE, (2, 3), (4, 5), {"ridge": 1e-3}),
    "in the plane": ("edp_2d", PLANE, (2, 3), (4, 3), {}),
}
STEPS = 8


def random(dims, widths, quadrature):
    inputs = quadrature.x.dim
    return TwoTowerEnsemble.random(dims, widths, (3, 4), d_x=inputs, d_y=inputs)


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_that_of_the_whole_jacobian(name):
    target, quadrature, dims, widths, options = CASES[name]
    ensemble = random(dims, widths, quadrature)
    starts = start(ensemble, quadrature)
    F = quadrature.tabulate(TARGETS[target])
    method = VariableProjection(STEPS, **options)
    training = train_heads(TARGETS[target], ensemble, quadrature=quadrature, method=method)
    ends = start(ensemble, quadrature)
    assert training.steps.tolist() == list(range(STEPS + 1))
    for a, (towers, d) in enumerate(zip(starts, dims, strict=True)):
        errors, expected, taken = fitted(F, towers, d, STEPS, **options)
        assert any(taken)
        assert training.errors[:, a] == pytest.approx(errors, rel=1e-7)
        for found, right in zip(ends[a], expected, strict=True):
            assert np.abs(found.slopes - right.slopes).max() <= 1e-5 * np.abs(right.slopes).max()
            assert np.abs(found.biases - right.biases).max() <= 1e-5 * np.abs(right.biases).max()


def test_the_cases_meet_what_they_are_for():
    """Steps that are refused, and slopes at their bound."""
    refused, cut = 0, 0
    for target, quadrature, dims, widths, options in CASES.values():
        ensemble = random(dims, widths, quadrature)
        F = quadrature.tabulate(TARGETS[target])
        for towers, d in zip(start(ensemble, quadrature), dims, strict=True):
            _, ends, taken = fitted(F, towers, d, STEPS, **options)
            refused += not all(taken)
            limit = options.get("max_slope", 20.0)
            cut += any(np.abs(tower.slopes).max() >= limit * (1 - 1e-12) for tower in ends)
    assert refused >= 1
    assert cut >= 1


def test_the_output_weights_are_balanced_and_the_best():
    """q_l = √σ_l u_l and k_l = √σ_l v_l, u and v orthonormal."""
    ensemble = TwoTowerEnsemble.random((2, 3), (6, 5), (0, 1))
    method = VariableProjection(4)
    train_heads(TARGETS["edp"], ensemble, quadrature=LINE, method=method)
    F = LINE.tabulate(TARGETS["edp"])
    for a, (towers, d) in enumerate(zip(start(ensemble, LINE), (2, 3), strict=True)):
        sigma = best_head(F, towers, d, RIDGE)[3]
        for side, measure in ((ensemble.query, LINE.x), (ensemble.key, LINE.y)):
            values = side(side.hidden_weight.new_tensor(measure.nodes))[a, :, :d].detach().numpy()
            weighted = measure.root.reshape(-1, 1) * values
            gram = weighted.T @ weighted
            assert np.abs(gram - np.diag(sigma)).max() <= 1e-6 * sigma[0]
