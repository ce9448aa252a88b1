"""What a kernel says of its structure: three-valued, and honest about what is unknown."""

from __future__ import annotations

FeatureDimension = int | float | None
"""An int, ``math.inf``, or None where the structure does not decide it."""


class Structure:
    """The properties that machines, attention and ``rkbs.kernels.capacity`` ask a kernel for.

    Every one is None, unknown, unless a kernel says otherwise; what asks for it says so.
    """

    @property
    def is_mercer(self) -> bool | None:
        """Symmetric and positive semi-definite on every finite set; None where unknown."""
        return None

    @property
    def is_symmetric(self) -> bool | None:
        """κ(x, y) = κ(y, x) on X = Y; None where unknown."""
        return None

    @property
    def is_positive(self) -> bool | None:
        """κ(x, y) > 0 for all arguments, so that κ has a logit; None where unknown."""
        return None

    @property
    def is_nonnegative(self) -> bool | None:
        """κ(x, y) ≥ 0 for all arguments, so that attention can normalize its rows."""
        return True if self.is_positive else None

    def feature_dim(self, d: int) -> FeatureDimension:
        """The largest rank that a Gram matrix of points in R^d can have.

        Returns
        -------
        int, math.inf or None
            None where the structure of the kernel does not decide it.
        """
        return None

    def rank_bound(self, d: int) -> FeatureDimension:
        """A number that no rank of a Gram matrix of points in R^d exceeds; None where unknown."""
        return self.feature_dim(d)

    def square_dim(self, d: int) -> FeatureDimension:
        """The number of functions ψ with κ(q, k) = ψ(k)ᵀ C(q) ψ(k), C(q) ⪰ 0, on R^d.

        A sum of squares in k: it bounds how many keys attention singles out (theory §5, L1′).
        None where it is unknown.
        """
        return None

    def is_quasiconvex(self, d: int) -> bool | None:
        """Whether {k ∈ R^d : κ(q, k) < c} is convex for every q and c; None where unknown.

        Such a kernel singles out extreme points of the keys' hull alone (theory §5, L4).
        """
        return None

    @property
    def is_increasing(self) -> bool | None:
        """Whether κ(q, k) increases, weakly, in every coordinate of k; None where unknown.

        On the line such a kernel singles out the last key alone (theory §5, L4).
        """
        return None

    def selects_any(self, d: int) -> bool | None:
        """Whether any number of keys in R^d can be singled out; None where unknown.

        For every n some n queries then give their own of n keys more than half of their weight.
        """
        return None

    @property
    def is_metric(self) -> bool | None:
        """Whether κ is a Euclidean distance of points, up to a factor; None where unknown.

        Such a kernel singles out two keys at most (theory §5, L3).
        """
        return None

    @property
    def logit_spread(self) -> float | None:
        """A number that no difference of two logits log κ in a row exceeds (theory §5, L6).

        Infinite where there is none; None where it is unknown.
        """
        return None
