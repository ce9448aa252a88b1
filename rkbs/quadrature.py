"""Discrete measures on the two domains, and errors of heads in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import final

import numpy as np
from numpy.polynomial import legendre

from rkbs._arrays import as_floating, check_count, check_finite, check_kinds, is_tensor, short_repr
from rkbs._pairwise import at_least_single
from rkbs.targets import Surface, domain_points


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

    __repr__ = short_repr

    def __post_init__(self) -> None:
        nodes = as_floating(self.nodes, "nodes")
        nodes = domain_points(nodes, "nodes", nodes.shape[1] if nodes.ndim == 2 else 1)
        weights = check_finite(as_floating(self.weights, "weights"), "weights")
        if weights.shape != nodes.shape[:1]:
            raise ValueError(
                f"weights must have shape ({len(nodes)},), one per node, got {weights.shape}"
            )
        if (weights <= 0).any() or abs(weights.sum() - 1) > 1e-12:
            raise ValueError(
                f"weights must be positive and sum to 1, got weights from {weights.min()!r} up "
                f"with sum {weights.sum()!r}"
            )
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

    def __post_init__(self) -> None:
        check_kinds(self, x=Rule, y=Rule)

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
        check_generator(rng)
        weights = np.full(n, 1 / n)
        return cls(*(Rule(rng.uniform(-1, 1, shape), weights) for _ in range(2)))

    def tabulate(self, surface: Surface, name: str = "surface") -> np.ndarray:
        """√w_i F(x_i, y_j) √v_j: its singular values and Frobenius norm are those of F.

        In the precision that the surface has; ``name`` is what errors call it.
        """
        values = evaluate(surface, self.x.nodes, self.y.nodes, name)
        left, right = (rule.root.astype(values.dtype) for rule in (self.x, self.y))
        return left * values * right.T  # (n, m)


def l2_error(F: Surface, G: Surface, quadrature: Quadrature) -> float:
    """‖F − G‖ in L²(μ × ν), (Σ_ij w_i v_j |F(x_i, y_j) − G(x_i, y_j)|²)^{1/2}.

    For the discrete measure that the quadrature is, this is exact, and so is the Schmidt floor.
    """
    x, y = quadrature.x, quadrature.y
    error = evaluate(F, x.nodes, y.nodes, "F") - evaluate(G, x.nodes, y.nodes, "G")
    return float(np.linalg.norm(x.root * error * y.root.T))


def sup_error(F: Surface, G: Surface, points: int = 801) -> float:
    """max |F − G| on a uniform ``points`` × ``points`` grid of [−1, 1]², edges included.

    A maximum over a grid is a lower bound of the supremum, not a certificate; that is
    ``rkbs.certified.certified_sup_error``.
    """
    grid = np.linspace(-1, 1, check_count(points, "points", 2))[:, None]
    return float(np.abs(evaluate(F, grid, grid, "F") - evaluate(G, grid, grid, "G")).max())


def evaluate(surface: Surface, t: np.ndarray, s: np.ndarray, name: str) -> np.ndarray:
    """The surface at points (n, d_x) and (m, d_y), checked: real, finite, of shape (n, m)."""
    if not callable(surface):
        raise TypeError(
            f"{name} must be a surface, a callable (n, d), (m, d) → (n, m), got {surface!r}"
        )
    values = surface(t, s)
    if is_tensor(values):
        values = at_least_single(values.detach().cpu()).numpy()
    values = as_floating(values, f"{name}(t, s)")
    if values.shape != (len(t), len(s)):
        raise ValueError(
            f"{name}, a surface, must map t (n, d) and s (m, d) to (n, m), got shape "
            f"{values.shape} for n = {len(t)}, m = {len(s)}"
        )
    return check_finite(values, f"{name}(t, s)")


def check_quadrature(quadrature: Quadrature) -> None:
    """``TypeError`` for what is no Quadrature."""
    if not isinstance(quadrature, Quadrature):
        raise TypeError(f"quadrature must be a Quadrature, got {quadrature!r}")


def check_generator(rng: np.random.Generator) -> None:
    """``TypeError`` for what is no numpy Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy Generator, got {rng!r}")
