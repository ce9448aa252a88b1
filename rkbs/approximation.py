"""Theorem 2 in numbers: the Schmidt floor, and a head that reaches it without training.

A head of dimension d has the logits G(t, s) = Σ_{l ≤ d} q_l(t) k_l(s). Here t, s ∈ [−1, 1]^d carry
the uniform probability measure, and errors ‖F − G‖ are those of L²(μ × ν).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import final

import numpy as np
from numpy.polynomial import legendre

from rkbs._arrays import as_floating, check_count, check_finite, check_number
from rkbs.targets import LINE, TARGETS, Surface, Target, domain_points

__all__ = [
    "LINE",
    "TARGETS",
    "ConstructiveHead",
    "Head",
    "HiddenLayer",
    "Quadrature",
    "Rule",
    "SchmidtSpectrum",
    "Surface",
    "Target",
    "constructive_head",
    "head_on_layers",
    "l2_error",
    "schmidt",
    "sup_error",
]


@final
@dataclass(frozen=True, eq=False)
class Rule:
    """∫ f dμ ≈ Σ_i w_i f(x_i): a discrete probability measure that stands for μ on one domain.

    Parameters
    ----------
    nodes : array of shape (n, d)
        Of shape (n,) where d = 1.
    weights : array of shape (n,)
        Positive, with sum 1.
    """

    nodes: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        dim = self.nodes.shape[1] if np.ndim(self.nodes) == 2 else 1
        nodes = domain_points(self.nodes, "nodes", dim)
        weights = check_finite(as_floating(self.weights, "weights"), "weights")
        if weights.shape != nodes.shape[:1]:
            raise ValueError(
                f"weights must have shape ({len(nodes)},), one per node, got {weights.shape}"
            )
        if (weights <= 0).any() or abs(weights.sum() - 1) > 1e-12:
            raise ValueError("weights must be positive and sum to 1")
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def dim(self) -> int:
        """d, of the domain."""
        return self.nodes.shape[1]

    @cached_property
    def root(self) -> np.ndarray:
        """√w_i as a column, (n, 1): it turns sums of squares into integrals."""
        return np.sqrt(self.weights)[:, None]


@final
@dataclass(frozen=True, eq=False)
class Quadrature:
    """∫ F d(μ × ν) ≈ Σ_ij w_i v_j F(x_i, y_j), by a rule for each domain."""

    x: Rule
    y: Rule

    @classmethod
    def gauss_legendre(cls, n: int, dim: int = 1) -> Quadrature:
        """n nodes along each coordinate, exact for polynomials of degree < 2n in each."""
        nodes, weights = legendre.leggauss(check_count(n, "n"))
        weights = weights / weights.sum()
        axes = np.meshgrid(*[nodes] * check_count(dim, "dim"), indexing="ij")
        products = reduce(np.multiply.outer, [weights] * dim).ravel()
        rule = Rule(np.stack([axis.ravel() for axis in axes], axis=-1), products / products.sum())
        return cls(rule, rule)

    @classmethod
    def monte_carlo(cls, n: int, dim: int, rng: np.random.Generator) -> Quadrature:
        """n points of each domain, independent and uniform; errors fall as n^{−1/2}."""
        shape = check_count(n, "n"), check_count(dim, "dim")
        weights = np.full(n, 1 / n)
        return cls(*(Rule(rng.uniform(-1, 1, shape), weights) for _ in range(2)))

    def tabulate(self, surface: Surface, name: str = "surface") -> np.ndarray:
        """√w_i F(x_i, y_j) √v_j: its singular values and Frobenius norm are those of F.

        ``name`` is what errors call the surface.
        """
        values = np.asarray(surface(self.x.nodes, self.y.nodes))
        if values.shape != (len(self.x), len(self.y)):
            raise ValueError(
                f"a surface must map t (n, d) and s (m, d) to (n, m), got shape {values.shape} "
                f"for n = {len(self.x)}, m = {len(self.y)}"
            )
        check_finite(values, f"{name}(t, s)")
        return self.x.root * values * self.y.root.T  # (n, m)


def l2_error(F: Surface, G: Surface, quadrature: Quadrature) -> float:
    """‖F − G‖ in L²(μ × ν), (Σ_ij w_i w_j |F(x_i, x_j) − G(x_i, x_j)|²)^{1/2}.

    For the discrete measure that the quadrature is, this is exact, and so is the Schmidt floor.
    """
    return float(np.linalg.norm(quadrature.tabulate(lambda t, s: F(t, s) - G(t, s))))


def sup_error(F: Surface, G: Surface, points: int = 801) -> float:
    """max |F − G| on a uniform ``points`` × ``points`` grid of [−1, 1]², edges included.

    A maximum over a grid is a lower bound of the supremum, not a certificate.
    """
    grid = np.linspace(-1, 1, check_count(points, "points", 2))
    return float(np.abs(F(grid, grid) - G(grid, grid)).max())


@final
@dataclass(frozen=True, eq=False)
class SchmidtSpectrum:
    """F(t, s) = Σ_l σ_l u_l(t) v_l(s) with u_l, v_l orthonormal, by quadrature of n nodes.

    Source: Schmidt (1907), Eckart & Young (1936); theory §4, "The floor".

    Parameters
    ----------
    target : Target or callable
    quadrature : Quadrature
        Of n nodes in each domain.
    values : array of shape (n,)
        σ_1 ≥ σ_2 ≥ …; those at the level of rounding are set to 0.
    left, right : arrays of shape (n, n)
        Columns u_l and v_l at the nodes.
    value_errors, tail_errors : arrays
        What doubling the nodes of each axis changed in σ_{l+1} and in the tail after l = 0, 1, ….
        For a rule that converges at first order or faster this bounds what is still missing.
    rounding : float
        n ε ‖F‖: no σ and no floor is claimed under it.
    """

    target: Surface
    quadrature: Quadrature
    values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value_errors: np.ndarray
    tail_errors: np.ndarray
    rounding: float

    @property
    def rank(self) -> int:
        """The number of Schmidt values above rounding."""
        return int(np.count_nonzero(self.values))

    def floor(self, d: int) -> float:
        """(Σ_{l>d} σ_l²)^{1/2}: no head of dimension d has a smaller L² error; 0 if unresolved.

        Dropping the values at the level of rounding only lowers it.
        """
        return float(np.linalg.norm(self.values[check_count(d, "d", 0) :]))

    def floor_error(self, d: int) -> float:
        """Quadrature and rounding error of ``floor(d)``."""
        if check_count(d, "d", 0) >= len(self.tail_errors):
            raise ValueError(f"d must be less than the {len(self.tail_errors)} nodes, got {d}")
        return float(self.tail_errors[d]) + self.rounding

    def head(self, d: int) -> Surface:
        """Σ_{l ≤ d} σ_l u_l(t) v_l(s), the best head of all, at any points (Nyström's formula).

        u_l(t) = ∫ F(t, s) v_l(s) dν(s)/σ_l and likewise v_l.
        """
        d = min(check_count(d, "d", 0), self.rank)
        x, y = self.quadrature.x, self.quadrature.y

        def surface(t: np.ndarray, s: np.ndarray) -> np.ndarray:
            u = self.target(t, y.nodes) @ (y.root**2 * self.right[:, :d])  # (n, d), times σ
            v = self.target(x.nodes, s).T @ (x.root**2 * self.left[:, :d])  # (m, d), times σ
            return (u / self.values[:d]) @ v.T  # (n, m)

        return surface


def schmidt(target: Surface, nodes: int = 128, dim: int = 1) -> SchmidtSpectrum:
    """The Schmidt values and functions of a target, with the change from N to 2N nodes.

    Parameters
    ----------
    target : Target or callable
        (n, d), (m, d) → (n, m).
    nodes : int
        N ≥ 2 along each axis, doubled once.
    dim : int
        d: matrices have (2N)^d rows, so that d > 2 is for ``sampled_floor``.
    """
    check_count(nodes, "nodes", 2)
    coarse = Quadrature.gauss_legendre(nodes, dim).tabulate(target, "target")
    coarse = np.linalg.svd(coarse, compute_uv=False)
    fine = Quadrature.gauss_legendre(2 * nodes, dim)
    left, values, right = np.linalg.svd(fine.tabulate(target, "target"))
    rounding = len(values) * np.finfo(values.dtype).eps * float(np.linalg.norm(values))
    return SchmidtSpectrum(
        target=target,
        quadrature=fine,
        values=np.where(values > rounding, values, 0.0),
        left=left / fine.x.root,
        right=right.T / fine.y.root,
        value_errors=np.abs(values[: len(coarse)] - coarse),
        tail_errors=np.abs(_tails(values)[: len(coarse)] - _tails(coarse)),
        rounding=rounding,
    )


def _tails(values: np.ndarray) -> np.ndarray:
    """(Σ_{l>d} σ_l²)^{1/2} for d = 0, 1, …, summed from the small end."""
    return np.sqrt(np.cumsum(values[::-1] ** 2)[::-1])


@final
@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """t ↦ (tanh(a_1·t + b_1), …, tanh(a_m·t + b_m), 1): (n, d) → (n, m + 1).

    Parameters
    ----------
    slopes : array of shape (m, d)
    biases : array of shape (m,)
    """

    slopes: np.ndarray
    biases: np.ndarray

    @classmethod
    def random(
        cls, width: int, rng: np.random.Generator, scale: float, dim: int = 1
    ) -> HiddenLayer:
        """Slopes N(0, scale²), centers uniform on [−1.2, 1.2]^d: the steps cover the domain."""
        slopes = rng.normal(scale=scale, size=(width, dim))
        return cls(slopes, -(slopes * rng.uniform(-1.2, 1.2, size=(width, dim))).sum(1))

    def __call__(self, t: np.ndarray) -> np.ndarray:
        points = domain_points(t, "t", self.slopes.shape[1])
        hidden = np.tanh(points @ self.slopes.T + self.biases)  # (n, m)
        return np.column_stack([hidden, np.ones(len(points))])  # (n, m + 1)

    def orthonormal(self, rule: Rule, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
        """Q (n, r), orthonormal and weighted by √w, and C (m + 1, r) with √w Φ C = Q.

        Directions of singular value ≤ ``cutoff`` × the largest are left out.
        """
        U, sizes, Vt = np.linalg.svd(rule.root * self(rule.nodes), full_matrices=False)
        kept = sizes > cutoff * sizes[0]
        return U[:, kept], Vt[kept].T / sizes[kept]


@final
@dataclass(frozen=True, eq=False)
class Head:
    """G(t, s) = q(t)·k(s), q = Φ_X A and k = Φ_Y B on hidden layers Φ_X and Φ_Y: two towers.

    Attention's logits before the factor 1/√d, which Theorem 2 leaves to q and k; a ``Surface``.

    Parameters
    ----------
    hidden_x, hidden_y : HiddenLayer
        Of m units each.
    output_x, output_y : arrays of shape (m + 1, d)
        A and B, the constant's row last.
    """

    hidden_x: HiddenLayer
    hidden_y: HiddenLayer
    output_x: np.ndarray
    output_y: np.ndarray

    @property
    def d(self) -> int:
        """Head dimension."""
        return self.output_x.shape[1]

    def __call__(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """G(t_i, s_j), shape (n, m)."""
        q = self.hidden_x(t) @ self.output_x  # (n, d)
        k = self.hidden_y(s) @ self.output_y  # (m, d)
        return q @ k.T  # (n, m)

    def weights(self) -> dict[str, np.ndarray]:
        """The parameters by the names that ``rkbs.attention.TwoTowerHead`` gives them.

        Output weights can be large where hidden units are nearly dependent: use float64.
        """
        arrays = {}
        sides = (("query", self.hidden_x, self.output_x), ("key", self.hidden_y, self.output_y))
        for name, hidden, output in sides:
            arrays |= {
                f"{name}.hidden.weight": hidden.slopes,  # (m, d_x)
                f"{name}.hidden.bias": hidden.biases,
                f"{name}.output.weight": output[:-1].T,  # (d, m)
                f"{name}.output.bias": output[-1],
            }
        return arrays


@final
@dataclass(frozen=True, eq=False)
class ConstructiveHead:
    """G(t, s) = Σ_{l ≤ d} σ_l u_l(t) v_l(s), the truncated SVD of P_X F P_Y: a head in closed form.

    P_X and P_Y project onto the spans of two given hidden layers (and the constant). No head on
    these layers has a smaller L² error, and the error splits:
    ‖F − G‖² = ‖F − P_X F P_Y‖² (width) + Σ_{l>d} σ_l(P_X F P_Y)² (rank). As projections lower
    singular values, floor(d)² ≤ ‖F − G‖² ≤ floor(d)² + width². Source: theory §4.

    Built by ``constructive_head`` on random layers and by ``head_on_layers`` on any;
    ``head.at(d)`` is the head of another dimension.

    Parameters
    ----------
    d : int
        Head dimension.
    hidden_x, hidden_y : HiddenLayer
    left, right : arrays of shape (m + 1, r)
        Output weights, the constant's last, of u_l and v_l.
    values : array of shape (r,)
        σ_l(P_X F P_Y).
    width_error : float
        ‖F − P_X F P_Y‖.
    """

    d: int
    hidden_x: HiddenLayer
    hidden_y: HiddenLayer
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    width_error: float

    @property
    def rank_error(self) -> float:
        """(Σ_{l>d} σ_l(P_X F P_Y)²)^{1/2}."""
        return float(np.linalg.norm(self.values[self.d :]))

    def at(self, d: int) -> ConstructiveHead:
        """The head of dimension d on the same hidden layers."""
        return replace(self, d=check_count(d, "d"))

    @cached_property
    def head(self) -> Head:
        """The towers q_l = √σ_l u_l and k_l = √σ_l v_l, zero for l > r."""
        root = np.sqrt(self.values[: self.d])
        pad = ((0, 0), (0, self.d - len(root)))
        outputs = (np.pad(side[:, : self.d] * root, pad) for side in (self.left, self.right))
        return Head(self.hidden_x, self.hidden_y, *outputs)

    def __call__(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """G(t_i, s_j), shape (n, m)."""
        return self.head(t, s)

    def weights(self) -> dict[str, np.ndarray]:
        """``Head.weights`` of the towers."""
        return self.head.weights()


def constructive_head(
    target: Surface,
    d: int,
    width: int,
    *,
    quadrature: Quadrature,
    seed: int | np.random.Generator = 0,
    scale: float = 4.0,
    cutoff: float = 1e-12,
) -> ConstructiveHead:
    """The best head of dimension d on two frozen, random hidden layers, in L² of the quadrature.

    Parameters
    ----------
    target : Target or callable
        (n, d_x), (m, d_y) → (n, m).
    d, width : int
        Head dimension, and hidden units m of each tower.
    quadrature : Quadrature
        The measures μ and ν of the error.
    seed : int or Generator
        For the hidden layers.
    scale : float
        Standard deviation of the slopes: steps are about 1/scale wide.
    cutoff : float
        As for ``head_on_layers``.
    """
    check_count(width, "width"), check_number(scale, "scale", above=0.0)
    rng = np.random.default_rng(seed)
    layers = (
        HiddenLayer.random(width, rng, scale, rule.dim) for rule in (quadrature.x, quadrature.y)
    )
    return head_on_layers(target, d, *layers, quadrature=quadrature, cutoff=cutoff)


def head_on_layers(
    target: Surface,
    d: int,
    hidden_x: HiddenLayer,
    hidden_y: HiddenLayer,
    *,
    quadrature: Quadrature,
    cutoff: float = 1e-12,
) -> ConstructiveHead:
    """The best head of dimension d on given hidden layers, in L² of the quadrature.

    Parameters
    ----------
    target : Target or callable
        (n, d_x), (m, d_y) → (n, m).
    d : int
        Head dimension.
    hidden_x, hidden_y : HiddenLayer
    quadrature : Quadrature
        The measures μ and ν of the error.
    cutoff : float
        Relative singular value under which directions of the hidden layer's span are left out;
        evaluated sums cancel to about ε/cutoff of the terms in those just above it.
    """
    check_count(d, "d")
    if not 0 < cutoff < 1:
        raise ValueError(f"cutoff must be between 0 and 1, got {cutoff!r}")
    QX, CX = hidden_x.orthonormal(quadrature.x, cutoff)
    QY, CY = hidden_y.orthonormal(quadrature.y, cutoff)
    F = quadrature.tabulate(target, "target")
    projected = QX.T @ F @ QY
    U, values, Vt = np.linalg.svd(projected, full_matrices=False)
    width_error = float(np.linalg.norm(F - QX @ projected @ QY.T))
    return ConstructiveHead(d, hidden_x, hidden_y, CX @ U, CY @ Vt.T, values, width_error)
