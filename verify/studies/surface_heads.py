"""A head's logits trained as a regression of surfaces, where a bound certifies the optimum.

J = Σ ½(h_ij − z_ij)² + (λ/2)(‖W_Q‖² + ‖W_K‖²), h_ij = x_iᵀ W_QᵀW_K y_j, all pairs of a grid, logits
at one scale whatever d is. ``SchattenProblem`` is its convex side, min Σ ½(h − z)² + λ‖M‖_*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from rkbs.data.pairs import Pairs
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import solve
from rkbs.solvers.operators.admm import ADMM
from rkbs.terms.spectral_penalties import Schatten
from verify.studies.deep_heads import Head

SURFACES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "saturating": lambda x, y: 2 * np.tanh(x[:, :4] @ y[:, :4].T),
    "kink": lambda x, y: np.abs(x[:, :1] - y[:, 0]) + x[:, 1:2] * y[:, 1],
    "wave": lambda x, y: np.sin(x @ y.T) + x[:, 2:3] * y[:, 0],
}
SIZES = {"targets": 40, "sources": 30, "features": 8}
NOISE = 0.3
DECAY = 60.0


def points(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and the surface at their pairs, with noise."""
    rng = np.random.default_rng([seed, list(SURFACES).index(name)])
    X = rng.standard_normal((SIZES["targets"], SIZES["features"]))
    Y = rng.standard_normal((SIZES["sources"], SIZES["features"]))
    z = SURFACES[name](X, Y)
    return X, Y, z + NOISE * rng.standard_normal(z.shape)


def trained(
    X: np.ndarray, Y: np.ndarray, z: np.ndarray, d: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """W_Q, W_K and J, from a random start."""
    D = X.shape[1]

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        query, key = w.reshape(2, d, D)
        q, k = X @ query.T, Y @ key.T
        rest = q @ k.T - z
        slope = np.array([(rest @ k).T @ X, (rest.T @ q).T @ Y]).ravel() + DECAY * w
        return float((rest**2).sum() + DECAY * (w**2).sum()) / 2, slope

    start = np.random.default_rng([seed, d]).standard_normal(2 * d * D) / 3
    options = {"maxiter": 20000, "maxfun": 20000, "ftol": 0, "gtol": 1e-8, "maxcor": 40}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    query, key = found.x.reshape(2, d, D)
    return query, key, float(found.fun)


def certified(name: str, d: int, seed: int) -> dict[str, Any]:
    """J of a trained head, the bound of its own residuals, and J of the convex problem's solver."""
    X, Y, z = points(name, seed)
    query, key, value = trained(X, Y, z, d, seed)
    rest = z - X @ query.T @ key @ Y.T
    head = Head(query, key, X.T @ rest @ Y, DECAY, DECAY, 1.0)
    problem = SchattenProblem(
        X @ X.T, Y @ Y.T, Pairs.grid(X, Y), z, alpha=DECAY, penalty=Schatten(1.0)
    )
    bound, _ = problem.bound(rest.ravel())
    best = solve(problem, ADMM(tol=1e-9)).check().value
    least = problem.objective(best.M)
    return {
        "surface": name,
        "dimension": d,
        "rank": head.rank,
        "ratio": head.beyond[1] / DECAY,
        "expansion": max(head.expansion()),
        "gap": (value - bound) / value,
        "excess": value / least - 1,
    }
