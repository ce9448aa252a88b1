"""Theorem 1, operator reading with Schatten-p penalties: the expansion is exact for every p."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from rkbs.data.pairs import Pairs
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.features import PowerFeatures
from rkbs.laws import negativity, relative
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import solve
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.spectral import Spectral
from rkbs.solvers.operators.spectral_newton import SpectralNewton
from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Logistic
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run

EXPONENTS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
HEAD, ORDER = 2, 4  # 15 features: T has 225 entries
SIZE = (9, 8)
ALPHA = 0.1
PATH = tuple(float(t) for t in np.logspace(0.05, -3.5, 29))
"""α/α_max of the path; the first is above 1."""


class Setting:
    """Points of both domains with explicit features of W^Q ≠ W^K, and responses."""

    def __init__(self, rng: np.random.Generator, loss: Loss, complete: bool) -> None:
        self.features = PowerFeatures(EDP(), HEAD, ORDER)
        self.WQ, self.WK = rng.standard_normal((2, HEAD, 3)) / 1.2
        X, Y = (rng.uniform(-1, 1, (n, 3)) for n in SIZE)
        self.phi_x, self.phi_y = self.features(X @ self.WQ.T), self.features(Y @ self.WK.T)
        mask = np.full(SIZE, complete)
        mask.flat[rng.permutation(mask.size)[: 2 * mask.size // 3]] = True
        self.pairs, self.loss = Pairs.from_mask(X, Y, mask), loss
        z = rng.standard_normal(len(self.pairs))
        self.z = np.sign(z) if loss.labels else z

    def problem(self, p: float, alpha: float) -> SchattenProblem:
        grams = self.phi_x @ self.phi_x.T, self.phi_y @ self.phi_y.T
        return SchattenProblem(*grams, self.pairs, self.z, alpha, self.loss, Schatten(p))

    def structure(self, rng: np.random.Generator) -> dict[str, float]:
        """How asymmetric and how indefinite κ is on common points."""
        points = rng.uniform(-1, 1, (20, 3))
        gram = self.features(points @ self.WQ.T) @ self.features(points @ self.WK.T).T
        return {"asymmetry": relative(gram, gram.T), "negativity": negativity(gram)}

    def at_pairs(self, T: np.ndarray) -> np.ndarray:
        """h at the pairs, from the D × D matrix of an operator."""
        return self.pairs.entries(self.phi_x @ T @ self.phi_y.T)

    def objective(self, T: np.ndarray, p: float, alpha: float) -> float:
        """Σ ℓ + α Σ σ^p/p over the whole feature space, written out."""
        sigma = np.linalg.svd(T, compute_uv=False)
        return float(self.loss.value(self.at_pairs(T), self.z).sum() + alpha * (sigma**p).sum() / p)

    def dual(self, c: np.ndarray, p: float, alpha: float) -> float:
        """The Fenchel dual over the whole feature space, written out; a bound for all D × D T."""
        G = self.phi_x.T @ self.pairs.matrix(c) @ self.phi_y / alpha
        s = np.linalg.svd(G, compute_uv=False)
        if p == 1:  # feasible to rounding, then made feasible
            c = c / greatest(1.0, s[0] * (1 + 1e-13))
            return float(-self.loss.conjugate(-c, self.z).sum()) if s[0] < 1 + 1e-9 else -np.inf
        q = p / (p - 1)
        return float(-self.loss.conjugate(-c, self.z).sum() - alpha * (s**q).sum() / q)

    def search(self, p: float, alpha: float, rng: np.random.Generator) -> float:
        """The least objective L-BFGS finds over all D × D operators: no expansion is assumed.

        For p = 1 over T = ABᵀ with D columns, where ½(‖A‖² + ‖B‖²) replaces ‖T‖_*: smooth, and
        without local minima at full width.
        """
        D = self.phi_x.shape[1]
        options = {"maxiter": 20_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}

        def slope(T: np.ndarray) -> np.ndarray:
            matrix = self.pairs.matrix(self.loss.gradient(self.at_pairs(T), self.z))
            return self.phi_x.T @ matrix @ self.phi_y

        def factored(t: np.ndarray) -> tuple[float, np.ndarray]:
            A, B = t.reshape(2, D, D)
            G = slope(A @ B.T)
            value = self.loss.value(self.at_pairs(A @ B.T), self.z).sum()
            gradient = np.stack([G @ B + alpha * A, G.T @ A + alpha * B])
            return float(value + alpha * (t @ t) / 2), gradient.ravel()

        def direct(t: np.ndarray) -> tuple[float, np.ndarray]:
            T = t.reshape(D, D)
            U, sigma, Vt = np.linalg.svd(T)
            gradient = slope(T) + alpha * (U * sigma ** (p - 1)) @ Vt
            return self.objective(T, p, alpha), gradient.ravel()

        t = rng.standard_normal(2 * D * D if p == 1 else D * D) / D
        for _ in range(3):  # L-BFGS forgets, and starts again from where it gave up
            t = minimize(
                factored if p == 1 else direct, t, jac=True, method="L-BFGS-B", options=options
            ).x
        T = t.reshape(2, D, D)[0] @ t.reshape(2, D, D)[1].T if p == 1 else t.reshape(D, D)
        return self.objective(T, p, alpha)


def off_span(T: np.ndarray, atoms: np.ndarray) -> float:
    """Distance of T from the span of atoms, (k, D, D), over its norm; infinite for 0."""
    if not T.any():
        return float("inf")
    columns = atoms.reshape(len(atoms), -1).T
    coefficients = np.linalg.lstsq(columns, T.ravel(), rcond=None)[0]
    return float(np.linalg.norm(T.ravel() - columns @ coefficients) / np.linalg.norm(T))


def power(T: np.ndarray, exponent: float) -> np.ndarray:
    """U diag(σ^exponent) Vᵀ: ι for Σ σ^p/p with p − 1, its inverse with 1/(p − 1)."""
    U, sigma, Vt = np.linalg.svd(T)
    return (U * sigma**exponent) @ Vt


def iota_error(T: np.ndarray, left: np.ndarray, p: float) -> float:
    """Relative error of ι(T) = left, by ι or ι⁻¹, whichever is smooth; for p = 1 of the inclusion.

    left ∈ ∂‖T‖_* iff ‖left‖_op ≤ 1 and ⟨left, T⟩ = ‖T‖_*.
    """
    if p == 1:
        norm = np.linalg.svd(T, compute_uv=False).sum()
        return float(greatest(np.linalg.norm(left, 2) - 1, abs((left * T).sum() / norm - 1)))
    return relative(power(T, p - 1), left) if p >= 2 else relative(power(left, 1 / (p - 1)), T)


def _case(run: Run, k: int, p: float, loss: Loss, complete: bool) -> dict[str, Any]:
    """One problem: the expansion's gap over the whole feature space, a search there, the spans."""
    rng = np.random.default_rng([run.seed, k])
    setting = Setting(rng, loss, complete)
    problem = setting.problem(p, ALPHA)
    solution = solve(problem, ADMM(tol=1e-10) if p == 1 else SpectralNewton())
    c = solution.value.c
    T = setting.phi_x.T @ problem.expansion(solution.value.M) @ setting.phi_y
    objective, dual = setting.objective(T, p, ALPHA), setting.dual(c, p, ALPHA)
    pairs = setting.pairs
    observed = np.einsum("na,nb->nab", setting.phi_x[pairs.i], setting.phi_y[pairs.j])
    left = setting.phi_x.T @ pairs.matrix(c) @ setting.phi_y / ALPHA
    return {
        "p": p,
        "loss": repr(loss),
        "complete": complete,
        "unknowns": T.size,
        "gap": (objective - dual) / objective,
        "search": setting.search(p, ALPHA, rng) / dual - 1,
        "rank": int(np.linalg.matrix_rank(T, tol=1e-8)),
        "off observed": off_span(T, observed),
        "ι": iota_error(T, left, p),
        **setting.structure(rng),
    }


def _path(run: Run, p: float) -> dict[str, Any]:
    """Singular values of T* along a path of α, relative to the threshold of p = 1."""
    rng = np.random.default_rng([run.seed, 77])
    n = run.pick(25, 60)
    x, y = np.sort(rng.uniform(-1, 1, (2, n)), axis=1)
    kernel = EDP().pullback(np.array([[2.0], [1.0]]), np.array([[1.0], [-2.0]]))
    grams = kernel.domain_x(x[:, None], x[:, None]), kernel.domain_y(y[:, None], y[:, None])
    z = np.sin(3 * np.multiply.outer(x, y)) + np.abs(x[:, None] - y)
    z = z + 0.1 * rng.standard_normal((n, n))
    pairs = Pairs.grid(x[:, None], y[:, None])
    threshold = SchattenProblem(*grams, pairs, z, 1.0).zero_threshold()
    problem = SchattenProblem(*grams, pairs, z, 1.0, Squared(), Schatten(p))
    solver = ADMM(tol=1e-8) if p == 1 else SpectralNewton(tol=1e-8)
    solutions = list(solver.setup(problem).path([t * threshold for t in PATH]))
    sigma = [np.linalg.svd(s.value.M, compute_uv=False)[:12] for s in solutions]
    return {
        "p": p,
        "n": n,
        "fractions": PATH,
        "singular values": np.array(sigma),
        "rank": [
            int((values > 1e-9 * values.max()).sum()) if values.any() else 0 for values in sigma
        ],
        "gap": greatest(abs(s.certificate.relative_gap) for s in solutions),
        "iterations": [s.stats["iterations"] for s in solutions],
    }


def _ridge(run: Run) -> float:
    """Schatten-2 against the closed form of the squared norm, the expansions compared."""
    setting = Setting(np.random.default_rng([run.seed, 99]), Squared(), True)
    problem = setting.problem(2.0, ALPHA)
    ridge = OperatorProblem(problem.gram_x, problem.gram_y, problem.pairs, problem.z, ALPHA)
    closed = ridge.at_pairs(solve(ridge, Spectral()).value.M)
    return relative(problem.at_pairs(solve(problem, SpectralNewton()).value.M), closed)


@claim(
    title="Schatten norms: expansion over observed pairs",
    origin="paper",
    finding={
        Verdict.HOLDS_IF: "The operator expands over all pairs of observed points; over the "
        "observed pairs alone only its dual image does, unless p = 2."
    },
    statement="Operator reading, penalty ‖T‖^p in the Schatten-p norm, 1 ≤ p < ∞: the minimizer "
    "over all operators is T* = Σ_n a_n Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}), a sum over the observed pairs "
    "(i_n, j_n) alone, for any grid of them",
    source="Paper Theorem 1; theory §3, reading C; Abernethy et al. (JMLR 2009)",
    method="The expansion's gap, with objective and Fenchel dual written out over all D × D "
    "operators; L-BFGS over all of them, from random starts and without an expansion, finds "
    "nothing below and the same optimum. On incomplete grids T* is off the span of the observed "
    "pairs for p ≠ 2, while ∇Ω(T*) = Σ c_n Φ_X(x_n) ⊗ Φ_Y(y_n)/α. Schatten-2 is compared "
    "with the closed form; along a path of α the rank for p = 1 starts at exactly 0.",
    scope="p ∈ {1, 1.25, 1.5, 2, 3, 4}; squared loss (full: Huber and logistic, too), 9 × 8 "
    "points, all pairs or two thirds of them, 15 features, α = 0.1",
)
def schatten_expansion(run: Run) -> Evidence:
    """Every p, loss and grid against the whole feature space; paths for p = 1, 1.5 and 2."""
    losses = run.pick(quick=(Squared(),), full=(Squared(), Huber(0.5), Logistic()))
    cases = [(p, loss, whole) for p in EXPONENTS for loss in losses for whole in (True, False)]
    rows = [
        _case(run, k, *case) for k, case in enumerate(run.progress(cases, "whole-space searches"))
    ]
    paths = [_path(run, p) for p in run.progress((1.0, 1.5, 2.0), "paths")]
    nuclear, partial = paths[0]["rank"], [row for row in rows if not row["complete"]]
    hilbert = [row["off observed"] for row in partial if row["p"] == 2]
    banach = [row["off observed"] for row in partial if row["p"] != 2]
    return Evidence(
        checks=(
            # The solvers close it to 1e-10 in their coordinates; ten times that in the features'.
            Check("worst gap over all D × D operators", greatest(rows, key="gap"), "<=", 1e-9),
            # Inequalities, up to the rounding of sums of 72 losses; L-BFGS is stopped by line
            # searches at half of the digits, and 1e-6 leaves it two more.
            Check("worst (bound above the gap)", -least(rows, key="gap"), "<=", 1e-12),
            Check("worst excess that the search leaves", greatest(rows, key="search"), "<=", 1e-6),
            Check("most that it finds below the bound", -least(rows, key="search"), "<=", 1e-12),
            # The solvers close the gap to 1e-10, which leaves T* and c its square root.
            Check("worst |∇Ω(T*) − Σ c_n Φ ⊗ Φ/α|, relative", greatest(rows, key="ι"), "<=", 1e-5),
            # A gradient closed to 1e-10, on a problem with the curvature α or more.
            Check("Schatten-2 against the closed form", _ridge(run), "<=", 1e-10),
            Check("paths: worst gap", greatest(paths, key="gap"), "<=", 1e-8),
            # The tolerance of the paths' solvers. Ranks are those of the theory at the threshold;
            # five of many on the path, and never one alone for p = 1.5, show a difference.
            Check("p = 1: rank at α ≥ α_max", nuclear[0], "==", 0),
            Check("p = 1: rank just below α_max", nuclear[1], "==", 1),
            Check("p = 1: largest rank on the path", greatest(nuclear), ">=", 5),
            Check("p = 1.5: least rank on the path", least(paths[1]["rank"]), ">=", 2),
            # κ is asymmetric and indefinite far beyond rounding.
            Check("least asymmetry of κ", least(rows, key="asymmetry"), ">=", 0.01),
            Check("least negativity of κ", least(rows, key="negativity"), ">=", 1e-6),
            # At p = 2 rounding is left; for other p a thousandth of T*, 100 times what a gap of
            # 1e-10 leaves of T*.
            Check("p = 2, incomplete: T* off the observed pairs", greatest(hilbert), "<=", 1e-9),
        ),
        counterexamples=(
            Check("p ≠ 2, incomplete: least distance of T*", least(banach), ">=", 1e-3),
        ),
        condition="the sum is over all pairs of observed points, or p = 2; over observed pairs "
        "only it is ∇Ω(T*), a multiple of ι(T*), that expands (p = 1: a member of ∂‖T*‖_*)",
        data={"alpha": ALPHA, "table": rows, "paths": paths},
    )
