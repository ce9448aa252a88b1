"""exp(xᵀMy/√d) with M = I + εJ on equispaced points of the unit circle, J a quarter turn: in balls.

With r = √((1 + ε²)/d) and tan δ = ε the kernel of points at angles θ and θ + ψ is
e^{r cos(ψ + δ)}. So its symmetric part has the Fourier modes I_k(r) cos kδ on the whole circle, and
on N points the eigenvalues N Σ_{k ≡ j mod N} I_k(r) cos kδ.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb, ctx, fmpq

from verify.oracles.exact import lower, upper

BITS = 256
MOST = 80
"""Points, beyond which no number is looked for."""


def eigenvalues(epsilon: fmpq, d: int, n: int) -> list[arb]:
    """Those of the symmetric part on n points, from its entries e^{cos ψ/√d} cosh(ε sin ψ/√d)."""
    root = arb(d).sqrt()
    angles = [2 * arb.pi() * k / n for k in range(n)]
    entries = [(a.cos() / root).exp() * (arb(epsilon) * a.sin() / root).cosh() for a in angles]
    return [
        sum((entries[k] * angles[j * k % n].cos() for k in range(n)), arb(0))
        for j in range(n // 2 + 1)
    ]


def eigenvalues_by_modes(epsilon: fmpq, d: int, n: int) -> list[arb]:
    """The same from the modes, those beyond |k| = 60 as a ball: I_k(r) ≤ (r/2)^k e^r/k!."""
    r, delta = ((1 + arb(epsilon) ** 2) / d).sqrt(), arb(epsilon).atan()
    top = 60
    modes = [r.bessel_i(k) * (k * delta).cos() for k in range(top)]
    rest = arb(0, upper(2 * (r / 2) ** top * r.exp() / arb(top).gamma()))
    return [
        n * (sum((modes[abs(k)] for k in range(1 - top, top) if (k - j) % n == 0), arb(0)) + rest)
        for j in range(n // 2 + 1)
    ]


@dataclass(frozen=True)
class Fewest:
    """The least number of equispaced points with a negative eigenvalue, and that eigenvalue.

    ``definite`` says whether all eigenvalues of all smaller numbers are certainly positive, or 0
    to 2⁻²⁰⁰ (at ε = 1 four points have one: e^a − 2 cosh a + e^{−a}),
    ``share`` is the least eigenvalue over the largest, an upper bound, and ``agree`` whether the
    modes give the same balls.
    """

    n: int
    share: float
    definite: bool
    agree: bool


def fewest(epsilon: fmpq, d: int) -> Fewest:
    """Try 2, 3, … points."""
    definite = True
    with ctx.workprec(BITS):
        for n in range(2, MOST):
            values = eigenvalues(epsilon, d, n)
            if any(value < 0 for value in values):
                break
            definite = definite and all(v > 0 or upper(abs(v)) < 2.0**-200 for v in values)
        least, largest = (f(values, key=lambda value: float(value.mid())) for f in (min, max))
        pairs = zip(values, eigenvalues_by_modes(epsilon, d, n), strict=True)
        agree = all(a.overlaps(b) for a, b in pairs)
        return Fewest(n, upper(least / largest), definite, agree)


def predicted(epsilon: fmpq) -> int:
    """2k or, where cos (k − 1)δ = 0, 2k − 1, for the first k with cos kδ < 0.

    On 2k points the mode k is its own alias, and those of higher order are far smaller; on
    fewer points each of its aliases of lower order outweighs it, unless that is 0.
    """
    with ctx.workprec(BITS):
        turns = arb.pi() / (2 * arb(epsilon).atan())
        below = int(lower(turns))  # k = ⌊π/2δ⌋ + 1; where π/2δ is an integer, cos (k − 1)δ = 0
        nearest = round(float(turns.mid()))
        if turns.overlaps(arb(nearest)):
            return 2 * nearest + 1
        return 2 * (below + 1)
