"""thm1.product_unique: its verdict, what changes it, and its bound from the operator reading."""

from functools import cache

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, once, scaled, several, solved

from rkbs.problems.product import ProductProblem
from rkbs.spaces import sections
from rkbs.terms.residual_losses import Squared
from verify.claims.thm1 import product_unique as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import product

DRAW = 5
"""The one of seed 0 whose problem has local minima."""
ONE_EXPONENT = several(
    constants(product, EXPONENTS=(3.0,), MOVES=product.MOVES[::3]),
    constants(module, DRAWS=(DRAW,)),
    once(product, "solve"),
    once(module, "solve"),
)


@cache
def minima():
    return module._blocks(Run(), DRAW)


def few(patch):
    """Local minima, which most of these sabotages do not concern, found once."""
    found = minima()
    ONE_EXPONENT(patch)
    patch.setattr(module, "_local_minima", lambda run: found)


def point(change):
    """Of the stationary points, and of those that are certified."""
    return several(
        *(solved(each, lambda value: type(value)(*change(*value))) for each in (product, module))
    )


def objective(wrong):
    """rkbs's objective: (the right one, problem, v, u) ↦ what it gives."""
    return attribute(ProductProblem, "objective", lambda f: lambda self, v, u: wrong(f, self, v, u))


def without_g(right, self, v, u):
    """No penalty of g."""
    loss = self.loss.value(self.at_pairs(v, u), self.z) - self.loss.value(0 * self.z, self.z)
    return right(self, v, 0 * u) + loss.sum()


def sums(self, v, u):
    """f(x) + g(y) at the pairs."""
    return (self.sections_x.phi @ v)[self.pairs.i] + (self.sections_y.phi @ u)[self.pairs.j]


broken = Subject("thm1.product_unique", few)
SABOTAGES = [
    broken("f × 1.01", point(lambda v, u: (1.01 * v, u)), noticed="gap"),
    broken("f × 1e-9", point(lambda v, u: (1e-9 * v, u)), noticed="least gain over f = g = 0"),
    broken("f and g zero", point(lambda v, u: (0 * v, 0 * u))),
    broken(
        "rkbs's objective × 0.9 at (−f, −g)",
        objective(lambda f, self, v, u: f(self, v, u) * (0.9 if v.sum() < 0 else 1)),
        noticed="objective(−f, −g)",
    ),
    broken(
        "rkbs's objective without the penalty of g",
        objective(without_g),
        noticed="objective(−f, −g)",
    ),
    broken(
        "values f(x) + g(y) for f(x) g(y)",
        constants(ProductProblem, at_pairs=sums),
        noticed="data term",
    ),
    broken("values of f, g × 0.9 at points", scaled(sections.FeatureSections, "at_points", 0.9)),
    broken(
        "every start ends in the same point",
        attribute(module, "Alternating", lambda f: lambda tol, seed=0: f(tol, seed=0)),
        "slow",
        "stationary values apart",
        ONE_EXPONENT,
    ),
]

test_verdict = broken.ends_in(Verdict.FAILS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


def test_the_nuclear_bound_is_a_bound_wherever_it_is_taken():
    """Far from a minimizer −ℓ'(h) is not feasible, and must be made so."""
    rng = np.random.default_rng(0)
    problem = product.make_problem(rng, 2.0, Squared(), 1.0)
    v, u = module.solve(problem, module.Alternating(1e-9)).value
    best, v, u = problem.objective(v, u), rng.standard_normal(v.shape), rng.standard_normal(u.shape)
    for size in (0.0, 0.1, 1.0):
        bound = module.nuclear_bound(problem, size * v, size * u)
        assert np.isfinite(bound)
        assert bound <= best * (1 + 1e-12)
