"""The Schmidt floor: below it no logit of dimension d has its L² error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.approximation._range_finder import Leading, leading_svd
from rkbs.approximation.quadrature import Quadrature, evaluate, magnitude, measured, norm
from rkbs.approximation.surface import Surface, Target, domain_points

_MANY = 512
"""From so many nodes in a domain on only the leading singular values are computed."""


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
    singular_values : array of shape (n,)
        σ_1 ≥ σ_2 ≥ …; those at the level of rounding are set to 0, and so are those that were not
        computed: from 512 nodes in a domain on, before they are doubled, those after the first n/8.
    left, right : arrays of shape (n, k)
        Columns u_l and v_l at the nodes, as many as singular values were computed.
    value_errors, tail_errors : arrays
        What doubling the nodes of each axis changed in σ_{l+1} and in the tail after l = 0, 1, …,
        at most. For a rule that converges at first order or faster this bounds what is still
        missing.
    rounding : float
        n ε ‖F‖, ε of the precision that F has: no σ and no floor is claimed under it.
    remainder : float
        ρ = ‖F − QQᵀF‖ of the randomized decomposition, whose σ are those of QᵀF: at most F's own,
        which are at most (σ_l² + ρ²)^{1/2}. 0 where all were computed.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, l2_error, schmidt
    >>> spectrum = schmidt(TARGETS["edp"], nodes=24)
    >>> error = l2_error(TARGETS["edp"], spectrum.head(3), spectrum.quadrature)
    >>> round(spectrum.floor(3), 4), round(error, 4)  # its head attains the floor
    (0.0308, 0.0308)
    """

    target: Surface
    quadrature: Quadrature
    singular_values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value_errors: np.ndarray
    tail_errors: np.ndarray
    rounding: float
    remainder: float = 0.0

    __repr__ = short_repr

    @property
    def rank(self) -> int:
        """The number of singular values above rounding, of those that were computed."""
        return int(np.count_nonzero(self.singular_values))

    def floor(self, d: int) -> float:
        """(Σ_{l>d} σ_l²)^{1/2}: no logit of dimension d has a smaller L² error; 0 if unresolved.

        Dropping the values at the level of rounding, and those that were not computed, only lowers
        it.
        """
        return norm(self.singular_values[check_count(d, "d", 0) :])

    def floor_error(self, d: int) -> float:
        """Quadrature and rounding error of ``floor(d)``, and what values not computed may add.

        The latter is (floor² + ρ²)^{1/2} − floor: ‖F‖² is ρ² and the computed values' squares.
        """
        if check_count(d, "d", 0) >= len(self.tail_errors):
            raise ValueError(f"d must be less than the {len(self.tail_errors)} nodes, got {d}")
        floor = self.floor(d)
        added = float(np.hypot(floor, self.remainder)) - floor
        return float(self.tail_errors[d] + self.rounding) + added

    def head(self, d: int) -> Surface:
        """Σ_{l ≤ d} σ_l u_l(t) v_l(s), the best head of all, at any points (Nyström's formula).

        u_l(t) = ∫ F(t, s) v_l(s) dν(s)/σ_l and likewise v_l. Best up to what ``floor_error`` says.
        """
        d = min(check_count(d, "d", 0), self.rank)
        x, y = self.quadrature.x, self.quadrature.y

        def surface(t: np.ndarray, s: np.ndarray) -> np.ndarray:
            t, s = domain_points(t, "t", x.dim), domain_points(s, "s", y.dim)
            across = evaluate(self.target, t, y.nodes, "target")
            down = evaluate(self.target, x.nodes, s, "target")
            u = across @ (y.root**2 * self.right[:, :d])  # (n, d), times σ
            v = down.T @ (x.root**2 * self.left[:, :d])  # (m, d), times σ
            return (u / self.singular_values[:d]) @ v.T  # (n, m)

        return surface


def schmidt(target: Surface, nodes: int = 128, dim: int | None = None) -> SchmidtSpectrum:
    """The singular values and functions of a target, with the change from N to 2N nodes.

    Parameters
    ----------
    target : Target or callable
        (n, d), (m, d) → (n, m).
    nodes : int
        N ≥ 2 along each axis, doubled once. From N^d = 512 on the leading singular values alone are
        computed, by random projections from a fixed seed, with what is left out as ``remainder``.
    dim : int, optional
        d, by default the target's own, or 1. Matrices have (2N)^d rows, so that d > 2 is for
        ``sampled_floor``.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, schmidt
    >>> for name in ("edp", "kink"):  # smooth surfaces need small heads, a crease large ones
    ...     spectrum = schmidt(TARGETS[name], nodes=32)
    ...     print(name, (spectrum.singular_values[:4] / spectrum.singular_values[0]).round(2))
    edp [1.   0.65 0.13 0.02]
    kink [1.   0.58 0.18 0.07]
    """
    check_count(nodes, "nodes", 2)
    dim = _dimension(target, dim)
    coarse = Quadrature.gauss_legendre(nodes, dim).tabulate(target, "target")
    fine = Quadrature.gauss_legendre(2 * nodes, dim)
    table, eps = measured(target, fine.x.nodes, fine.y.nodes, "target")
    size = magnitude(table)  # no square of what is over it over- or underflows
    coarse, table = coarse / size, fine.weighted(table / size)
    if len(coarse) < _MANY:
        left, sigma, right = np.linalg.svd(table)
        rounding = len(sigma) * eps * float(np.linalg.norm(sigma))
        found = Leading(left, sigma, right.T, 0.0)
        few, rest = np.linalg.svd(coarse, compute_uv=False), 0.0
    else:
        rounding = len(table) * eps * float(np.linalg.norm(table))
        found = leading_svd(table, rounding, len(table) // 8)
        _, few, _, rest = leading_svd(coarse, rounding, len(table) // 8)
    sigma = np.pad(found.sigma, (0, len(table) - len(found.sigma)))  # 0: not computed
    few = np.pad(few, (0, len(coarse) - len(few)))
    first, rests = slice(len(coarse)), (found.remainder, rest)
    return SchmidtSpectrum(
        target=target,
        quadrature=fine,
        singular_values=size * np.where(sigma > rounding, sigma, 0.0),
        left=found.left / fine.x.root,
        right=found.right / fine.y.root,
        value_errors=size * _change(sigma[first], few, *rests),
        tail_errors=size * _change(_tails(sigma)[first], _tails(few), *rests),
        rounding=size * rounding,
        remainder=size * found.remainder,
    )


def _change(fine: np.ndarray, coarse: np.ndarray, rest: float, rest_of_coarse: float) -> np.ndarray:
    """The most that two numbers differ which are at least these, their squares by rest² more."""
    return np.maximum(np.hypot(fine, rest) - coarse, np.hypot(coarse, rest_of_coarse) - fine)


def _dimension(target: Surface, dim: int | None) -> int:
    """What is asked for, else a ``Target``'s own dimension, else 1."""
    if dim is not None:
        return check_count(dim, "dim")
    return target.dim if isinstance(target, Target) else 1


def _tails(sigma: np.ndarray) -> np.ndarray:
    """(Σ_{l>d} σ_l²)^{1/2} for d = 0, 1, …, summed from the small end."""
    return np.sqrt(np.cumsum(sigma[::-1] ** 2)[::-1])


@final
@dataclass(frozen=True, eq=False)
class SampledFloor:
    """The floor's square at d, bracketed in expectation by samples of the two domains.

    With n points of each domain, the tail of the sampled matrix is at most the true one on average
    (a minimum's mean is below the mean's minimum), and the error of its Nyström head of dimension
    d on independent points is at least it (Schmidt). Both are averaged over replicates.

    Parameters
    ----------
    dims : tuple of int
        The dimensions d.
    below, above : arrays of shape (replicates, len(dims))
        Squares of the sampled tails, and of the held-out errors, in units of ``size``².
    size : float
        About max |F|: the squares themselves may be beyond all floats.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import TARGETS, sampled_floor
    >>> rng = np.random.default_rng(0)
    >>> sampled = sampled_floor(TARGETS["edp_4d"], (0, 1, 5), samples=40, replicates=4, rng=rng)
    >>> below, above = sampled.floors(multiple=3.0)
    >>> bool(np.all(below <= above)), sampled.below.shape
    (True, (4, 3))
    """

    dims: tuple[int, ...]
    below: np.ndarray
    above: np.ndarray
    size: float = 1.0

    __repr__ = short_repr

    def floors(self, multiple: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper estimates of the floors, ``multiple`` standard errors apart from means.

        For a confidence interval ``multiple`` is a quantile of Student's distribution with
        replicates − 1 degrees of freedom.
        """
        check_number(multiple, "multiple", least=0.0)
        low, high = (
            values.mean(0) + sign * multiple * values.std(0, ddof=1) / np.sqrt(len(values))
            for values, sign in ((self.below, -1), (self.above, 1))
        )
        return self.size * np.sqrt(np.maximum(low, 0)), self.size * np.sqrt(high)


def sampled_floor(
    target: Surface,
    dims: Sequence[int],
    *,
    samples: int,
    replicates: int,
    rng: np.random.Generator,
    dim: int | None = None,
) -> SampledFloor:
    """The floor of a target on domains of any dimension, by Monte-Carlo.

    Parameters
    ----------
    target : Target or callable
        (n, d), (m, d) → (n, m).
    dims : sequence of int
        Head dimensions ≥ 0, less than ``samples``.
    samples : int
        Points of each domain.
    replicates : int
        ≥ 2 independent repetitions.
    rng : Generator
    dim : int, optional
        Of the domains, by default the target's own, or 1.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import TARGETS, sampled_floor
    >>> rng, target = np.random.default_rng(0), TARGETS["edp_4d"]
    >>> below, above = sampled_floor(target, (5,), samples=60, replicates=4, rng=rng).floors(3.0)
    >>> floor = np.linalg.norm(target.singular_values(500)[5:])  # here known otherwise
    >>> bool(below[0] < floor < above[0])
    True
    """
    check_count(replicates, "replicates", 2), check_count(samples, "samples", 2)
    dims = tuple(check_count(d, "dims", 0) for d in dims) if np.iterable(dims) else ()
    if not dims:
        raise ValueError("dims must be a sequence of one or more dimensions, such as (1, 2, 4)")
    if max(dims) >= samples:
        raise ValueError(f"dims must be less than samples = {samples}, got {max(dims)}")
    found = [
        _sample(target, dims, samples, _dimension(target, dim), rng) for _ in range(replicates)
    ]
    below, above, sizes = (np.array(side) for side in zip(*found, strict=True))
    size = float(sizes.max())
    units = (sizes[:, None] / size) ** 2
    return SampledFloor(dims, units * below, units * above, size)


def _sample(
    target: Surface, dims: Sequence[int], samples: int, dim: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[float], float]:
    """Squares of a sample's tails and of its Nyström heads' errors on another, and their unit."""
    here, there = (Quadrature.monte_carlo(samples, dim, rng) for _ in range(2))
    points = [(x, y) for x in (here.x, there.x) for y in (here.y, there.y)]
    found = [measured(target, x.nodes, y.nodes, "target") for x, y in points]
    size = max(magnitude(values) for values, _ in found)
    near, down, across, far = (values / size for values, _ in found)
    left, sigma, right = np.linalg.svd(here.weighted(near))
    rounding = samples * found[0][1] * norm(sigma)
    sigma = np.where(sigma > rounding, sigma, 0.0)
    inverse = np.divide(1, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    # Nyström: u_l(t) = Σ_j √ν_j F(t, y_j) v_lj / σ_l at new points, and likewise v_l.
    u = across @ (here.y.root * right.T) * inverse  # (n, n)
    v = down.T @ (here.x.root * left)  # (n, n), σ v
    errors = [float(np.mean((far - u[:, :d] @ v[:, :d].T) ** 2)) for d in dims]
    return _tails(sigma)[list(dims)] ** 2, errors, size
