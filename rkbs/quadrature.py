"""Discrete measures on the two domains, and errors of heads in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import final

import numpy as np
from numpy.polynomial import legendre

from rkbs._arrays import as_floating, check_count, check_finite
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
