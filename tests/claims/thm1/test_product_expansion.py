"""thm1.product_expansion: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import constants, once, several, solved

from rkbs.problems.product import ProductProblem
from verify.harness.evidence import Verdict
from verify.studies import product

# One exponent, fewer moves, and what is solved is solved once: no sabotage is about the solver.
ONE_EXPONENT = several(
    constants(product, EXPONENTS=(3.0,), MOVES=product.MOVES[::3]), once(product, "solve")
)


def point(change):
    return solved(product, lambda value: type(value)(*change(*value)))


broken = Subject("thm1.product_expansion", ONE_EXPONENT)
SABOTAGES = [
    broken(
        "f × 1.001",
        point(lambda v, u: (1.001 * v, u)),
        noticed="most that moving a coordinate gains",
    ),
    broken(
        "f off by 1e-2 in every coordinate",
        point(lambda v, u: (v + 1e-2, u)),
        noticed="distance of ι(f), ι(g) from the span",
    ),
    broken("f and g zero", point(lambda v, u: (0 * v, 0 * u))),
    broken(
        "ι := the identity",
        constants(ProductProblem, left_sides=lambda self, v, u: (v, u)),
        noticed="the span",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
