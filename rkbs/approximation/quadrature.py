"""Discrete measures on the two domains, and errors of heads in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import final

import numpy as np
from numpy.polynomial import legendre

from rkbs._arrays import (
    as_floating,
    as_real,
    check_count,
    check_finite,
    check_kinds,
    is_tensor,
    namespace,
    short_repr,
    to_numpy,
)
from rkbs.approximation.surface import Surface, domain_points


@final
@dataclass(frozen=True, eq=False)
class Rule:
    """∫ f dμ ≈ Σ_i w_i f(x_i): a discrete probability measure that stands for μ on one domain.

    Parameters
    ----------
    nodes : array of shape (n, d)
        Of shape (n,) where d = 1.
    weights : array of shape (n,)
        Positive, with sum 1 in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import Quadrature, Rule, l2_error
    >>> rule = Rule(np.array([0.0, 1.0]), np.array([0.75, 0.25]))  # two points of a domain
    >>> round(l2_error(lambda t, s: t + s.T, lambda t, s: t + 0 * s.T, Quadrature(rule, rule)), 9)
    0.5
    """

    nodes: np.ndarray
    weights: np.ndarray

    __repr__ = short_repr

    def __post_init__(self) -> None:
        nodes = as_real(self.nodes, "nodes")
        nodes = domain_points(nodes, "nodes", nodes.shape[1] if nodes.ndim == 2 else 1)
        weights = as_real(self.weights, "weights")
        if weights.shape != nodes.shape[:1]:
            raise ValueError(
                f"weights must have shape ({len(nodes)},), one per node, got {weights.shape}"
            )
        if (weights <= 0).any() or abs(weights.sum() - 1) > 1e-12:
            as_float64 = ".detach().cpu().double().numpy()" if is_tensor(self.weights) else ""
            advice = f": pass w / w.sum() with w = np.asarray(weights{as_float64}, dtype=float)"
            raise ValueError(
                f"weights must be positive and sum to 1, got weights from {weights.min():.6g} up "
                f"with sum {weights.sum():.17g}{advice * bool((weights > 0).all())}"
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
    """∫ F d(μ × ν) ≈ Σ_ij w_i v_j F(x_i, y_j), by a rule for each domain.

    Examples
    --------
    >>> from rkbs.approximation import Quadrature
    >>> squares = Quadrature.gauss_legendre(4).tabulate(lambda t, s: t * s.T) ** 2
    >>> round(float(squares.sum()), 9)  # the mean of t²s² over the square is 1/9
    0.111111111
    """

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

        In the precision that the surface has, or single; ``name`` is what errors call it.
        """
        return self.weighted(evaluate(surface, self.x.nodes, self.y.nodes, name))

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """√w_i F_ij √v_j in the precision of F, (n, m)."""
        left, right = (rule.root.astype(values.dtype) for rule in (self.x, self.y))
        return left * values * right.T


def l2_error(F: Surface, G: Surface, quadrature: Quadrature) -> float:
    """‖F − G‖ in L²(μ × ν), (Σ_ij w_i v_j |F(x_i, y_j) − G(x_i, y_j)|²)^{1/2}.

    For the discrete measure that the quadrature is, this is exact, and so is the Schmidt floor.

    Examples
    --------
    >>> from rkbs.approximation import Quadrature, l2_error
    >>> quadrature = Quadrature.gauss_legendre(4)
    >>> round(l2_error(lambda t, s: t * s.T, lambda t, s: 0 * t * s.T, quadrature), 9)
    0.333333333
    """
    check_quadrature(quadrature)
    error, size = _difference(F, G, quadrature.x.nodes, quadrature.y.nodes)
    return size * norm(quadrature.weighted(error))


def sup_error(F: Surface, G: Surface, points: int = 801) -> float:
    """max |F − G| on a uniform ``points`` × ``points`` grid of [−1, 1]², edges included.

    A maximum over a grid is a lower bound of the supremum, not a certificate; that is
    ``certified_sup_error``.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, schmidt, sup_error
    >>> target = TARGETS["edp"]
    >>> heads = [schmidt(target, nodes=24).head(d) for d in (1, 2, 3)]
    >>> [round(sup_error(target, head, points=101), 2) for head in heads]
    [4.5, 1.09, 0.25]
    """
    grid = np.linspace(-1, 1, check_count(points, "points", 2))[:, None]
    error, size = _difference(F, G, grid, grid)
    return size * float(np.abs(error).max())


def _difference(F: Surface, G: Surface, t: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, float]:
    """(F − G)/size at points, and the size, so that no difference overflows before its bound."""
    left, right = (evaluate(H, t, s, name).astype(float) for H, name in ((F, "F"), (G, "G")))
    size = max(magnitude(left), magnitude(right))
    return left / size - right / size, size


def magnitude(values: np.ndarray) -> float:
    """A power of 2 not above max |values|, at least half of it; the least there is if all are 0.

    Dividing by it and multiplying by it rounds nothing.
    """
    largest = max(np.abs(values).max(), np.finfo(values.dtype).smallest_subnormal)
    return math.ldexp(1.0, math.frexp(float(largest))[1] - 1)


def norm(values: np.ndarray) -> float:
    """(Σ |v|²)^{1/2}, whose squares neither over- nor underflow; 0 of nothing."""
    if not values.size:
        return 0.0
    size = magnitude(values)
    return size * float(np.linalg.norm(values / size))


def evaluate(surface: Surface, t: np.ndarray, s: np.ndarray, name: str) -> np.ndarray:
    """The surface at points (n, d_x) and (m, d_y), checked: real, finite, of shape (n, m)."""
    return measured(surface, t, s, name)[0]


def measured(surface: Surface, t: np.ndarray, s: np.ndarray, name: str) -> tuple[np.ndarray, float]:
    """As ``evaluate``, at least in float32, and the ε of the precision that the surface has."""
    if not callable(surface):
        raise TypeError(
            f"{name} must be a surface, a callable (n, d), (m, d) → (n, m), got {surface!r}"
        )
    given = surface(t, s)
    values = as_floating(to_numpy(given, f"{name}(t, s)"), f"{name}(t, s)")
    kept = given if is_tensor(given) and given.is_floating_point() else values  # bfloat16 is one
    eps = float(namespace(kept).finfo(kept.dtype).eps)
    if values.shape != (len(t), len(s)):
        raise ValueError(
            f"{name}, a surface, must map t (n, d) and s (m, d) to (n, m), got shape "
            f"{values.shape} for n = {len(t)}, m = {len(s)}"
        )
    values = values.astype(np.result_type(values, np.float32), copy=False)
    return check_finite(values, f"{name}(t, s)"), eps


def check_quadrature(quadrature: Quadrature) -> None:
    """``TypeError`` for what is no Quadrature."""
    if not isinstance(quadrature, Quadrature):
        raise TypeError(f"quadrature must be a Quadrature, got {quadrature!r}")


def check_generator(rng: np.random.Generator) -> None:
    """``TypeError`` for what is no numpy Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy Generator, got {rng!r}")
