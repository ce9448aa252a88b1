"""Ridge as a Gaussian process: the standard deviations of its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.utils.validation import check_is_fitted

from rkbs.data._entities import Entities
from rkbs.data.pairs import Pairs
from rkbs.kernels._landmarks import diagonal
from rkbs.machines._left_out import alpha_of, coefficients_at, data_of_fit
from rkbs.machines._solving import FEW_PAIRS
from rkbs.machines._within import between, gram, tables_of
from rkbs.machines.ridge import RidgeMachine

_VALUES = 2**23
"""Covariances of some new pairs with all known ones that are held at a time, 64 MiB."""


class _Domain(NamedTuple):
    """Of points to predict k(X, X_fit), k(x, x), and, where asked for, who they are in the fit."""

    rows: np.ndarray
    own: np.ndarray
    same: np.ndarray | None


@final
@dataclass(frozen=True, eq=False, repr=False)
class Posterior:
    """The Gaussian process whose posterior mean a ridge machine is, and its standard deviations.

    h = g + b + a_x + a'_y with g of covariance s² k_X(x, x') k_Y(y, y'), effects of variance
    s² α/α_e, a constant b without prior, and responses z = h + ε, ε of variance σ² = s² α: then
    ``machine.predict`` is the posterior mean of h. With Σ = K + αI over the pairs, K and k of h
    less b, and u = 1 − 1ᵀΣ⁻¹k where there is a constant,

        Var h(x, y) = s² (k(xy, xy) − kᵀΣ⁻¹k + u² / 1ᵀΣ⁻¹1),

    and s² = zᵀΣ⁻¹(z − b)/(n − 1), the restricted maximum likelihood estimate at this α (n without a
    constant). It is right as far as the responses are like draws of this process, which its
    kernels decide; ``Intervals`` asks less.

    On a complete grid without effects Σ⁻¹ is diagonal in the kernels' eigenbases: two products of
    matrices give the variances of any grid. Else up to 2000 pairs are solved with, and more are
    refused. Made by ``Posterior.of``; ``save`` and ``load`` keep it with its machine.

    Attributes
    ----------
    machine : BinaryKernelRidge or BinaryKernelRidgeCV
        Fitted.
    i, j : int arrays of shape (n,)
        The pairs of the fit, as rows of ``X_fit_`` and ``Y_fit_``.
    scale : float
        s.

    Source: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, (2.42).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelRidge, Pairs, Posterior
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> z = np.sin(3 * x + 2 * y.T)
    >>> machine = BinaryKernelRidge(RBF(), RBF(), alpha=1e-3).fit(Pairs.grid(x, y), z)
    >>> posterior = Posterior.of(machine, Pairs.grid(x, y), z)
    >>> far = posterior.std(Pairs.grid([[0.5], [3.0]], y[:1]), noise=False)  # in between, and far
    >>> bool(far[0] < 0.1 * far[1])
    True
    """

    machine: RidgeMachine
    i: np.ndarray
    j: np.ndarray
    scale: float

    def __repr__(self) -> str:
        return f"Posterior({self.machine!r}, scale={self.scale:.3g}, noise={self.noise:.3g})"

    @classmethod
    def of(cls, machine: RidgeMachine, X: Pairs, y: Any) -> Posterior:
        """The process of a fitted ridge machine, from the pairs and responses of its fit.

        Parameters
        ----------
        machine : BinaryKernelRidge or BinaryKernelRidgeCV
        X : Pairs
        y : array of shape (n,), or (n_x, n_y) for a complete grid

        Raises
        ------
        TypeError, ValueError
            For other machines and pairs, one response, and more than 2000 pairs off a complete
            grid, or with effects.
        """
        if not isinstance(machine, RidgeMachine):
            raise TypeError(
                "machine must be BinaryKernelRidge or BinaryKernelRidgeCV, which alone are a mean "
                f"of a Gaussian process, got {type(machine).__name__}"
            )
        check_is_fitted(machine)
        pairs, z = data_of_fit(machine, X, y)
        complete = pairs.is_complete and not machine.effects
        if not complete and len(pairs) > FEW_PAIRS:
            raise ValueError(
                f"X holds {len(pairs)} pairs that are no complete grid, or have effects: standard "
                f"deviations of up to {FEW_PAIRS} are solved for; take Intervals.of"
            )
        free = len(z) - int(machine.fit_intercept)
        if not free:
            raise ValueError(
                "X holds one pair, of which the constant takes all: scale is not known"
            )
        mean = float(z.mean()) if machine.fit_intercept else 0.0
        # Σ⁻¹(z − b) are the coefficients of the expansion, of sum 0 where there is a b.
        square = float((z - mean) @ coefficients_at(machine, pairs)) / free
        return cls(machine, pairs.i, pairs.j, max(square, 0.0) ** 0.5)

    @property
    def noise(self) -> float:
        """σ = s √α, the standard deviation of the noise."""
        return self.scale * alpha_of(self.machine) ** 0.5

    def std(self, X: Pairs, *, noise: bool = True) -> np.ndarray:
        """The standard deviation of the response of each pair, or of h alone.

        Parameters
        ----------
        X : Pairs
            As for ``predict``.
        noise : bool, default=True
            Whether that of the noise counts in.

        Returns
        -------
        array of shape (n,)

        Raises
        ------
        ValueError
            For new objects that are known by their similarities to others alone.
        """
        if not isinstance(X, Pairs):
            raise TypeError(f"X must be Pairs, got {type(X).__name__}: Pairs.grid(X, Y)")
        self.machine._check_pairs(X)
        pairs = X.compact()
        x, y = self._domain(pairs, "X"), self._domain(pairs, "Y")
        own = x.own[pairs.i] * y.own[pairs.j]
        own += self._effect * len(self.machine.effects)
        if self._is_grid:
            explained, through = self._on_grid(pairs, x, y)
        else:
            explained, through = self._by_pairs(pairs, x, y)
        variance = own - explained
        if self.machine.fit_intercept:
            variance += (1 - through) ** 2 / self._of_ones
        variance = np.maximum(variance, 0.0) + alpha_of(self.machine) * bool(noise)
        return self.scale * np.sqrt(variance)

    @property
    def _effect(self) -> float:
        """α/α_e, the variance of an effect over s²."""
        weight = self.machine.effects_alpha
        return 1.0 if weight is None else alpha_of(self.machine) / weight

    @property
    def _is_grid(self) -> bool:
        shape = len(self.machine.X_fit_), len(self.machine.Y_fit_)
        return len(self.i) == shape[0] * shape[1] and not self.machine.effects

    @cached_property
    def _grams(self) -> tuple[np.ndarray, np.ndarray]:
        machine = self.machine
        parts = (
            (machine.kernel_x_, "X", machine.repair_x_),
            (machine.kernel_y_, "Y", machine.repair_y_),
        )
        x, y = (
            gram(kernel, machine._known(name)) if repaired is None else repaired.gram
            for kernel, name, repaired in parts
        )
        return x, y

    def _domain(self, pairs: Pairs, name: str) -> _Domain:
        machine, lower = self.machine, name.lower()
        new = Entities(getattr(pairs, name), getattr(pairs, f"ids_{lower}"), name)
        known = machine._known(name)
        kernel = getattr(machine, f"kernel_{lower}_")
        repaired = getattr(machine, f"repair_{lower}_")
        rows = between(kernel, new, known, repaired, by_features=False)
        effect = {"X": "row", "Y": "column"}[name] in machine.effects
        given = repaired is not None or bool(tables_of(kernel))
        same = new.same(known) if effect or given else None
        if same is None or not given:
            return _Domain(rows, diagonal(kernel, new.points.astype(float)), same)
        if count := int((~same.any(1)).sum()):
            raise ValueError(
                f"{name} holds {count} new objects, of which similarities to others are known, not "
                "those to themselves, on which their variance depends: take Intervals, or points "
                "with a kernel"
            )
        return _Domain(rows, np.diag(self._grams["XY".index(name)])[same.argmax(1)], same)

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U, V and 1/(s_a t_b + α)."""
        (s, U), (t, V) = (np.linalg.eigh(part.astype(float)) for part in self._grams)
        products = np.multiply.outer(np.maximum(s, 0.0), np.maximum(t, 0.0))
        return U, V, 1 / (products + alpha_of(self.machine))

    def _on_grid(self, pairs: Pairs, x: _Domain, y: _Domain) -> tuple[np.ndarray, np.ndarray]:
        """kᵀΣ⁻¹k and 1ᵀΣ⁻¹k of each pair."""
        U, V, inverse = self._spectrum
        p, q = x.rows @ U, y.rows @ V
        explained = (p * p) @ inverse @ (q * q).T
        through = (p * U.sum(0)) @ inverse @ (q * V.sum(0)).T
        return pairs.entries(explained), pairs.entries(through)

    @cached_property
    def _factor(self) -> tuple[np.ndarray, bool]:
        i, j = self.i, self.j
        gram_x, gram_y = self._grams
        sigma = gram_x[np.ix_(i, i)] * gram_y[np.ix_(j, j)]
        for name, at in (("X", i), ("Y", j)):
            if {"X": "row", "Y": "column"}[name] in self.machine.effects:
                label = self.machine._known(name).first()[at]
                sigma += self._effect * np.equal.outer(label, label)
        sigma[np.diag_indices(len(i))] += alpha_of(self.machine)
        return cho_factor(sigma, lower=True, overwrite_a=True)

    @cached_property
    def _of_ones(self) -> float:
        """1ᵀΣ⁻¹1."""
        if self._is_grid:
            U, V, inverse = self._spectrum
            return float(U.sum(0) ** 2 @ inverse @ V.sum(0) ** 2)
        return float(cho_solve(self._factor, np.ones(len(self.i))).sum())

    def _by_pairs(self, pairs: Pairs, x: _Domain, y: _Domain) -> tuple[np.ndarray, np.ndarray]:
        """As ``_on_grid``, by solves."""
        explained, through = np.empty(len(pairs)), np.empty(len(pairs))
        step = max(1, _VALUES // len(self.i))
        for start in range(0, len(pairs), step):
            some = slice(start, start + step)
            i, j = pairs.i[some], pairs.j[some]
            k = x.rows[np.ix_(i, self.i)] * y.rows[np.ix_(j, self.j)]
            for name, domain, at, fitted in (("row", x, i, self.i), ("column", y, j, self.j)):
                if name in self.machine.effects and domain.same is not None:
                    k += self._effect * domain.same[np.ix_(at, fitted)]
            solved = cho_solve(self._factor, k.T)
            explained[some] = np.einsum("nm,mn->n", k, solved)
            through[some] = solved.sum(0)
        return explained, through
