"""How many keys a kernel can single out, and with what weight: a bound, and an arrangement."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import final

import numpy as np

from rkbs._arrays import check_count
from rkbs.kernels._own_weights import OwnWeights, mean
from rkbs.kernels._selection_checks import checked_kernel, checked_logit
from rkbs.kernels._selection_images import Images
from rkbs.kernels._selection_laws import Law, capacity_laws, least, self_weight_laws
from rkbs.kernels._selection_search import best_pair, largest_selected, selected_pair
from rkbs.kernels.base import Kernel

EXAMPLE = 16
"""Of a kernel that selects any number of keys, so many are shown."""
ROUNDING = 1e-9
"""By how much, relatively, what is attained may exceed its bound."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Capacity:
    """What ``capacity`` found.

    Attributes
    ----------
    kernel : Kernel
    d : int
    bound : int, math.inf or None
        No more keys can be selected; infinite where nothing that is known of the kernel's
        structure bounds them, None where nothing is known of it.
    law : str
        The law of theory §5 that says so, "L1", "L1′", "L3", "L4" or "L6"; "" where there is none.
    attained : int or math.inf
        As many were selected, by calling the kernel on ``queries`` and ``keys``. Infinite for a
        kernel that says so of itself (``selects_any``); the arrangement is then an example.
    queries, keys : arrays of shape (n, d)
        Query i gives key i more than ½ of its weight.

    Examples
    --------
    >>> from rkbs.kernels import CappedEDP, capacity
    >>> found = capacity(CappedEDP(1.0), 2)
    >>> found
    Capacity(CappedEDP(cap=1.0), d=2: 4 keys, at most 8 by L6)
    >>> found.attained, found.bound, found.law, found.gap, found.keys.shape
    (4, 8, 'L6', 4, (4, 2))
    """

    kernel: Kernel
    d: int
    bound: int | float | None
    law: str
    attained: int | float
    queries: np.ndarray
    keys: np.ndarray

    @property
    def gap(self) -> int | float | None:
        """How far ``attained`` is from the bound: 0 where the capacity is settled."""
        if self.bound is None:
            return None
        return 0 if self.attained == self.bound else self.bound - self.attained

    def arrangement(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Queries and keys (n, d), all n selected, for any n ≤ ``attained``.

        Raises
        ------
        ValueError
            For more, and where none is found.
        """
        n = check_count(n, "n")
        if n > self.attained:
            raise ValueError(f"n must be at most {self.attained}, what is attained, got {n}")
        if n <= len(self.keys):  # of fewer keys each has no less weight
            return self.queries[:n], self.keys[:n]
        if images := Images.of(self.kernel, self.d):
            return images.points(*capacity(images.kernel, images.d).arrangement(n))
        pair = selected_pair(OwnWeights(self.kernel), n, self.d)
        if pair is None:
            raise ValueError(f"no arrangement of n = {n} keys is found for {self.kernel!r}")
        return pair

    def __repr__(self) -> str:
        if self.bound in (None, math.inf):
            limit = "no bound known"
        else:
            limit = f"{'the bound' if self.gap == 0 else f'at most {self.bound}'} by {self.law}"
        if self.attained == math.inf:
            found = "any number of keys"
        else:
            found = f"{self.attained} key{'s' * (self.attained != 1)}, {limit}"
        return f"Capacity({self.kernel!r}, d={self.d}: {found})"


@final
@dataclass(frozen=True, eq=False, repr=False)
class SelfWeight:
    """What ``self_weight`` found.

    Attributes
    ----------
    kernel : Kernel
    d, n : int
    max_logit : float
    bound : float or None
        No geometric mean of the A_ii is larger; 1 where nothing that is known of the kernel's
        structure bounds it, None where nothing is known of it.
    bound_power : Fraction or None
        The bound to the power n, exact, where that is a rational number: of every law but L6.
    law : str
        The law of theory §5 that says so, "L1", "L1′", "L3", "L4" or "L6"; "" where there is none.
    attained : float
        The geometric mean that ``queries`` and ``keys`` have, by calling the kernel.
    queries, keys : arrays of shape (n, d)

    Examples
    --------
    >>> from rkbs.kernels import Quadratic, self_weight
    >>> found = self_weight(Quadratic(), 2, 8)
    >>> found
    SelfWeight(Quadratic(gamma=1.0), d=2, n=8: 0.375, the bound by L1′)
    >>> found.bound, found.bound_power == found.bound**8, found.keys.shape
    (0.375, True, (8, 2))
    """

    kernel: Kernel
    d: int
    n: int
    max_logit: float
    bound: float | None
    bound_power: Fraction | None
    law: str
    attained: float
    queries: np.ndarray
    keys: np.ndarray

    @property
    def gap(self) -> float | None:
        """The bound less what is attained; None without a bound."""
        return None if self.bound is None else max(0.0, self.bound - self.attained)

    def __repr__(self) -> str:
        if self.bound is None:
            limit = "no bound known"
        elif self.gap <= 1e-6 * self.bound:
            limit = f"the bound by {self.law}" if self.law else "the most there is"
        elif self.law:
            limit = f"at most {self.bound:.4g} by {self.law}"
        else:
            limit = "no bound below 1 known"
        capped = f", max_logit={self.max_logit:g}" * (self.max_logit < math.inf)
        return (
            f"SelfWeight({self.kernel!r}, d={self.d}, n={self.n}{capped}: {self.attained:.4g}, "
            f"{limit})"
        )


def capacity(kernel: Kernel, d: int) -> Capacity:
    """The largest n for which n queries in R^d can each give their own key a weight > ½.

    A_ii = κ(q_i, k_i)/Σ_j κ(q_i, k_j) > ½ for all i, queries and keys free: one head, no mask, no
    term for a pair. Of ``kernel.pullback(WQ, WK)`` they are points of the domains, and maps onto
    R^d leave it the kernel's own. The bound is the least of those that the kernel's declared
    structure gives (theory §5); what is attained is found by arrangements (circle, sphere, simplex,
    tight frame, clusters, line), scaled, and by a seeded ascent, the same in every run. The two may
    differ: then the capacity lies between them. At most 256 keys are tried unless the bound is
    infinite and the kernel says that it selects any number.

    Parameters
    ----------
    kernel : Kernel
        Known to be non-negative, with numbers as parameters. Of one that declares nothing else
        (``Custom``) ``bound`` is None.
    d : int
        The head dimension.

    Returns
    -------
    Capacity

    Raises
    ------
    TypeError
        For a kernel that may be negative, and for parameters that are tensors.
    ValueError
        For kernels without points to arrange (``Precomputed``, ``Identity``) or 0 everywhere, for
        parameters per head, and for a kernel whose declared structure an arrangement refutes.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, L2Distance, TaylorEDP
    >>> from rkbs.kernels import capacity
    >>> for kernel in (EDP(), L2Distance(), TaylorEDP(2), TaylorEDP(4)):
    ...     print(capacity(kernel, 2))
    Capacity(EDP(), d=2: any number of keys)
    Capacity(L2Distance(tau=1.0), d=2: 2 keys, the bound by L3)
    Capacity(TaylorEDP(order=2), d=2: 5 keys, the bound by L1′)
    Capacity(TaylorEDP(order=4), d=2: 7 keys, at most 11 by L1′)
    >>> queries, keys = capacity(EDP(), 2).arrangement(100)
    >>> logits = EDP().log(queries, keys)
    >>> weights = np.exp(logits - logits.max(1, keepdims=True))
    >>> bool((weights.diagonal() > weights.sum(1) / 2).all())
    True
    """
    d = check_count(d, "d")
    weights = OwnWeights(checked_kernel(kernel, d))
    if images := Images.of(kernel, d):
        found = capacity(images.kernel, images.d)
        queries, keys = images.points(found.queries, found.keys)
        return replace(found, kernel=kernel, d=d, queries=queries, keys=keys)
    law = least(capacity_laws(kernel, d))
    if law is None or law.bound == math.inf:
        bound, name = None if law is None else math.inf, ""
    else:
        bound, name = int(law.bound), law.name
    if bound == math.inf and kernel.selects_any(d):
        pair = selected_pair(weights, EXAMPLE, d)
        if pair is not None:
            return Capacity(kernel, d, bound, name, math.inf, *pair)
    queries, keys = largest_selected(weights, d, bound)
    if bound is not None and len(keys) > bound:
        raise _refuted(kernel, law, f"{bound} key{'s' * (bound != 1)}", f"selects {len(keys)}")
    return Capacity(kernel, d, bound, name, len(keys), queries, keys)


def self_weight(kernel: Kernel, d: int, n: int, max_logit: float = math.inf) -> SelfWeight:
    """The largest geometric mean of the weights A_ii that n queries in R^d give their own keys.

    A_ii = κ(q_i, k_i)/Σ_j κ(q_i, k_j), queries and keys free. −log of it is the least loss of a
    head that has to point at one of n keys. Bound and arrangement as in ``capacity``; a bound that
    is approached and not reached is attained up to rounding or to scales of 1e4.

    Parameters
    ----------
    kernel : Kernel
        As in ``capacity``.
    d : int
        The head dimension.
    n : int
        How many queries and keys there are.
    max_logit : float
        c: the logits log κ(q_i, k_j) of each row i lie in an interval of length 2c, whatever
        factor the row has. A head whose norms satisfy ‖q‖‖k‖/√d ≤ c is of this kind with EDP.

    Returns
    -------
    SelfWeight

    Raises
    ------
    TypeError, ValueError
        As ``capacity``; and for a ``max_logit`` that is not positive.

    Examples
    --------
    >>> from rkbs import EDP, TaylorEDP
    >>> from rkbs.kernels import self_weight
    >>> self_weight(TaylorEDP(2), 2, 6)
    SelfWeight(TaylorEDP(order=2), d=2, n=6: 0.4363, at most 0.5 by L1′)
    >>> self_weight(EDP(), 3, 4, max_logit=1.0)
    SelfWeight(EDP(), d=3, n=4, max_logit=1: 0.7112, the bound by L6)
    """
    d, n = check_count(d, "d"), check_count(n, "n")
    max_logit = checked_logit(max_logit)
    spread = checked_kernel(kernel, d).logit_spread
    if images := Images.of(kernel, d):
        found = self_weight(images.kernel, images.d, n, max_logit)
        queries, keys = images.points(found.queries, found.keys)
        return replace(found, kernel=kernel, d=d, queries=queries, keys=keys)
    capped = spread is not None and spread <= 2 * max_logit  # as the kernel's logits are anyway
    weights = OwnWeights(kernel, math.inf if capped else 2 * max_logit)
    law = least(self_weight_laws(kernel, d, n, max_logit))
    if law is not None and law.bound == 1:
        law = Law("", "", 1.0, Fraction(1))
    bound = None if law is None else law.bound
    queries, keys = best_pair(weights, n, d, bound)
    attained = float(np.exp(weights.score(mean, queries, keys)))
    if bound is not None and attained > bound * (1 + ROUNDING):
        raise _refuted(kernel, law, f"{n} keys a self-weight of {bound:.6g}", f"has {attained:.6g}")
    power, name = (None, "") if law is None else (law.power, law.name)
    return SelfWeight(kernel, d, n, max_logit, bound, power, name, attained, queries, keys)


def _refuted(kernel: Kernel, law: Law, most: str, found: str) -> ValueError:
    return ValueError(
        f"{kernel!r} declares {law.reason}, which allows {most} by {law.name} of theory §5, but an "
        f"arrangement {found}: what it declares of its structure is wrong"
    )
