"""Theorem 2 in numbers: the Schmidt floor, and a head that reaches it without training.

A head of dimension d has the logits G(t, s) = Σ_{l ≤ d} q_l(t) k_l(s). Here t, s ∈ [−1, 1] carry
the uniform probability measure, and errors ‖F − G‖ are those of L²(μ × ν).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from numpy.polynomial import legendre

from rkbs._arrays import check_count, check_finite
from rkbs.targets import TARGETS, Surface, Target, as_line

__all__ = [
    "TARGETS",
    "ConstructiveHead",
    "HiddenLayer",
    "Quadrature",
    "SchmidtSpectrum",
    "Surface",
    "Target",
    "constructive_head",
    "l2_error",
    "schmidt",
    "sup_error",
]


@final
@dataclass(frozen=True, eq=False)
class Quadrature:
    """∫ f dμ ≈ Σ_i w_i f(x_i): a discrete probability measure that stands for μ on [−1, 1].

    Parameters
    ----------
    nodes, weights : arrays of shape (n,)
        Weights are positive and sum to 1.
    """

    nodes: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        nodes, weights = as_line(self.nodes, "nodes"), as_line(self.weights, "weights")
        if nodes.shape != weights.shape:
            raise ValueError(
                f"nodes and weights must have one shape, got {nodes.shape} and {weights.shape}"
            )
        if (weights <= 0).any() or abs(weights.sum() - 1) > 1e-12:
            raise ValueError("weights must be positive and sum to 1")

    @classmethod
    def gauss_legendre(cls, n: int) -> Quadrature:
        """n nodes, exact for polynomials of degree < 2n under the uniform probability measure."""
        nodes, weights = legendre.leggauss(check_count(n, "n"))
        return cls(nodes, weights / weights.sum())

    def __len__(self) -> int:
        return len(self.nodes)

    def tabulate(self, surface: Surface, name: str = "surface") -> np.ndarray:
        """√w_i F(x_i, x_j) √w_j: its singular values and Frobenius norm are those of F.

        ``name`` is what errors call the surface.
        """
        values = np.asarray(surface(self.nodes, self.nodes))
        if values.shape != (len(self), len(self)):
            raise ValueError(
                f"a surface must map t (n,) and s (m,) to (n, m), got shape {values.shape} for "
                f"n = m = {len(self)}"
            )
        check_finite(values, f"{name}(t, s)")
        root = np.sqrt(self.weights)
        return root[:, None] * values * root  # (n, n)


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
    """F(t, s) = Σ_l σ_l u_l(t) v_l(s) with u_l, v_l orthonormal, by quadrature of 2N nodes.

    Source: Schmidt (1907), Eckart & Young (1936); theory §4, "The floor".

    Parameters
    ----------
    target : Target or callable
    quadrature : Quadrature
        The 2N nodes.
    values : array of shape (2N,)
        σ_1 ≥ σ_2 ≥ …; those at the level of rounding are set to 0.
    left, right : arrays of shape (2N, 2N)
        Columns u_l and v_l at the nodes.
    value_errors, tail_errors : arrays of shape (N,)
        What doubling the nodes from N to 2N changed in σ_{l+1} and in the tail after l = 0 … N − 1.
        For a rule that converges at first order or faster this bounds what is still missing.
    rounding : float
        2N ε ‖F‖: no σ and no floor is claimed under it.
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
        x, w = self.quadrature.nodes, self.quadrature.weights[:, None]

        def surface(t: np.ndarray, s: np.ndarray) -> np.ndarray:
            u = self.target(t, x) @ (w * self.right[:, :d])  # (n, d), times σ
            v = self.target(x, s).T @ (w * self.left[:, :d])  # (m, d), times σ
            return (u / self.values[:d]) @ v.T  # (n, m)

        return surface


def schmidt(target: Surface, nodes: int = 128) -> SchmidtSpectrum:
    """The Schmidt values and functions of a target, with the change from N to 2N nodes.

    Parameters
    ----------
    target : Target or callable
        (n,), (m,) → (n, m).
    nodes : int
        N ≥ 2, doubled once.
    """
    check_count(nodes, "nodes", 2)
    coarse = Quadrature.gauss_legendre(nodes).tabulate(target, "target")
    coarse = np.linalg.svd(coarse, compute_uv=False)
    fine = Quadrature.gauss_legendre(2 * nodes)
    left, values, right = np.linalg.svd(fine.tabulate(target, "target"))
    root = np.sqrt(fine.weights)[:, None]
    rounding = len(fine) * np.finfo(values.dtype).eps * float(np.linalg.norm(values))
    return SchmidtSpectrum(
        target=target,
        quadrature=fine,
        values=np.where(values > rounding, values, 0.0),
        left=left / root,
        right=right.T / root,
        value_errors=np.abs(values[:nodes] - coarse),
        tail_errors=np.abs(_tails(values)[:nodes] - _tails(coarse)),
        rounding=rounding,
    )


def _tails(values: np.ndarray) -> np.ndarray:
    """(Σ_{l>d} σ_l²)^{1/2} for d = 0, 1, …, summed from the small end."""
    return np.sqrt(np.cumsum(values[::-1] ** 2)[::-1])


@final
@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """t ↦ (tanh(a_1 t + b_1), …, tanh(a_m t + b_m), 1): (n,) → (n, m + 1)."""

    slopes: np.ndarray
    biases: np.ndarray

    @classmethod
    def random(cls, width: int, rng: np.random.Generator, scale: float) -> HiddenLayer:
        """Slopes N(0, scale²), centers −b/a uniform on [−1.2, 1.2]: the steps cover the domain."""
        slopes = rng.normal(scale=scale, size=width)
        return cls(slopes, -slopes * rng.uniform(-1.2, 1.2, size=width))

    def __call__(self, t: np.ndarray) -> np.ndarray:
        hidden = np.tanh(as_line(t, "t")[:, None] * self.slopes + self.biases)  # (n, m)
        return np.column_stack([hidden, np.ones(len(t))])  # (n, m + 1)

    def orthonormal(self, quadrature: Quadrature, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
        """Q (n, r), orthonormal and weighted by √w, and C (m + 1, r) with √w Φ C = Q.

        Directions of singular value ≤ ``cutoff`` × the largest are left out.
        """
        root = np.sqrt(quadrature.weights)[:, None]
        U, sizes, Vt = np.linalg.svd(root * self(quadrature.nodes), full_matrices=False)
        kept = sizes > cutoff * sizes[0]
        return U[:, kept], Vt[kept].T / sizes[kept]


@final
@dataclass(frozen=True, eq=False)
class ConstructiveHead:
    """G(t, s) = Σ_{l ≤ d} σ_l u_l(t) v_l(s), the truncated SVD of P_X F P_Y: a head in closed form.

    P_X and P_Y project onto the spans of two frozen hidden layers (and the constant). No head on
    these layers has a smaller L² error, and the error splits:
    ‖F − G‖² = ‖F − P_X F P_Y‖² (width) + Σ_{l>d} σ_l(P_X F P_Y)² (rank). As projections lower
    singular values, floor(d)² ≤ ‖F − G‖² ≤ floor(d)² + width². Source: theory §4.

    Built by ``constructive_head``; ``head.at(d)`` is the head of another dimension.

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
    def output_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of q_l = √σ_l u_l and k_l = √σ_l v_l: two arrays (m + 1, d), zero for l > r."""
        root = np.sqrt(self.values[: self.d])
        pad = ((0, 0), (0, self.d - len(root)))
        return tuple(np.pad(side[:, : self.d] * root, pad) for side in (self.left, self.right))

    def __call__(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """G(t_i, s_j), shape (n, m)."""
        query, key = self.output_weights
        q = self.hidden_x(t) @ query  # (n, d)
        k = self.hidden_y(s) @ key  # (m, d)
        return q @ k.T  # (n, m)

    def weights(self) -> dict[str, np.ndarray]:
        """The parameters by the names that ``rkbs.attention.TwoTowerHead`` gives them.

        Output weights can be large where hidden units are nearly dependent: use float64.
        """
        arrays = {}
        layers = (self.hidden_x, self.hidden_y)
        for name, hidden, output in zip(("query", "key"), layers, self.output_weights, strict=True):
            arrays |= {
                f"{name}.hidden.weight": hidden.slopes[:, None],  # (m, 1)
                f"{name}.hidden.bias": hidden.biases,
                f"{name}.output.weight": output[:-1].T,  # (d, m)
                f"{name}.output.bias": output[-1],
            }
        return arrays


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
        (n,), (m,) → (n, m).
    d, width : int
        Head dimension, and hidden units m of each tower.
    quadrature : Quadrature
        The measure μ = ν of the error.
    seed : int or Generator
        For the hidden layers.
    scale : float
        Standard deviation of the slopes: steps are about 1/scale wide.
    cutoff : float
        Relative singular value under which directions of the hidden layer's span are left out;
        evaluated sums cancel to about ε/cutoff of the terms in those just above it.
    """
    check_count(d, "d"), check_count(width, "width")
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive and finite, got {scale!r}")
    if not 0 < cutoff < 1:
        raise ValueError(f"cutoff must be between 0 and 1, got {cutoff!r}")
    rng = np.random.default_rng(seed)
    hidden_x, hidden_y = (HiddenLayer.random(width, rng, scale) for _ in range(2))
    QX, CX = hidden_x.orthonormal(quadrature, cutoff)
    QY, CY = hidden_y.orthonormal(quadrature, cutoff)
    F = quadrature.tabulate(target, "target")
    projected = QX.T @ F @ QY
    U, values, Vt = np.linalg.svd(projected, full_matrices=False)
    width_error = float(np.linalg.norm(F - QX @ projected @ QY.T))
    return ConstructiveHead(d, hidden_x, hidden_y, CX @ U, CY @ Vt.T, values, width_error)
