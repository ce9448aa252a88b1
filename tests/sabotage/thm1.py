"""Sabotages of Theorem 1's claims."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from flint import arb, fmpq

import rkbs.attention
from rkbs.problems import OperatorPoint
from rkbs.problems.expansion import Side
from rkbs.problems.product import ProductProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import DualNewton
from rkbs.spaces import sections
from rkbs.terms.losses import Hinge, Squared
from sabotage import Sabotage, about, attribute, scaled
from verify.claims.thm1 import attention_factorized as thm1_attention
from verify.claims.thm1 import exponents as thm1_exponents
from verify.claims.thm1 import kernel_needs as thm1_kernel_needs
from verify.claims.thm1 import operator_expansion as thm1_operator
from verify.claims.thm1 import product_expansion as thm1_product
from verify.claims.thm1 import schatten_expansion as thm1_schatten
from verify.claims.thm1 import separable_expansion as thm1_separable
from verify.claims.thm1 import separable_gap as thm1_separable_gap
from verify.claims.thm1 import tensor_limit as thm1_tensor
from verify.harness.run import Run
from verify.oracles import segments, tensor_balls


def solved(module, change):
    """A module's ``solve`` returns a solution whose value is changed."""
    return attribute(
        module,
        "solve",
        lambda right: (
            lambda problem, solver: (lambda found: replace(found, value=change(found.value)))(
                right(problem, solver)
            )
        ),
    )


def functions(change):
    """Of an ``ExpansionPoint``: its first function changed."""
    return lambda value: value._replace(functions=(change(value.v), *value.functions[1:]))


def constant(owner, name, value):
    return lambda patch: patch.setattr(owner, name, value)


# ---- operator reading, p = 2


def coefficients(change):
    return solved(thm1_operator, lambda value: OperatorPoint(*map(change, value)))


def all_features(patch):
    """A kernel with more features than points: its Gram matrices are regular."""
    patch.setattr(thm1_operator, "Quadratic", lambda gamma: thm1_operator.EDP())
    right = thm1_operator.PowerFeatures
    patch.setattr(thm1_operator, "PowerFeatures", lambda k, d, n: right(k, d, 12 if n == 2 else n))


OPERATOR = [
    Sabotage(claim, what, coefficients(change))
    for claim in ("thm1.operator_expansion", "thm1.operator_unique")
    for what, change in (
        ("coefficients × 1.01", lambda c: 1.01 * c),
        ("coefficients × (1 + 1e-6)", lambda c: c * (1 + 1e-6)),
        ("coefficients × 0.9", lambda c: 0.9 * c),
        ("coefficients zero", lambda c: 0 * c),
        ("coefficients shifted by one index", lambda c: np.roll(c, 1)),
    )
] + [
    Sabotage(
        "thm1.operator_expansion",
        "EDP's features cut at order 8",
        lambda patch: patch.setitem(
            thm1_operator.SPACES, "EDP, d = 1", (*thm1_operator.SPACES["EDP, d = 1"][:2], 8)
        ),
        noticed="T_expansion",
    ),
    Sabotage(
        "thm1.operator_expansion",
        "W^Q := W^K",
        attribute(
            thm1_operator.Setting,
            "draw",
            lambda f: classmethod(
                lambda cls, *a: (
                    lambda s: replace(
                        s, WQ=s.WK, binary=thm1_operator.SPACES[a[0]][0].pullback(s.WK, s.WK)
                    )
                )(f(*a))
            ),
        ),
        noticed="asymmetry",
    ),
    Sabotage(
        "thm1.operator_unique", "a regular Gram matrix", all_features, noticed="coefficients moved"
    ),
]


# ---- Schatten


def few_schatten(patch):
    """Two exponents, and paths of a sixth of the α."""
    patch.setattr(thm1_schatten, "EXPONENTS", (1.5, 2.0))
    path = thm1_schatten.PATH
    patch.setattr(thm1_schatten, "PATH", (*path[:2], *path[4::6]))


schatten = about("thm1.schatten_expansion", few_schatten, "slow")


def grown(change):
    """The expansion's coefficients, changed, in their shape."""
    return attribute(
        SchattenProblem,
        "expansion",
        lambda f: (
            lambda self, M: np.resize(change(f(self, M)), (len(self.pairs.X), len(self.pairs.Y)))
        ),
    )


GAP = "worst gap over all D × D operators"
SCHATTEN = [
    schatten("coefficients × 1.01", grown(lambda A: 1.01 * A), "fast", GAP),
    schatten("coefficients zero", grown(lambda A: 0 * A)),
    schatten(
        "coefficients transposed", grown(lambda A: A.T[: A.shape[0], : A.shape[1]]), noticed=GAP
    ),
    schatten(
        "coefficients a row late", grown(lambda A: np.pad(A[1:], ((0, 1), (0, 0)))), noticed=GAP
    ),
    schatten(
        "a penalty of the exponent 1.05 p",
        attribute(thm1_schatten, "Schatten", lambda f: lambda p: f(1.05 * p)),
        noticed=GAP,
    ),
    schatten(
        "a path that starts below α_max",
        lambda patch: patch.setattr(
            thm1_schatten, "PATH", tuple(0.5 * t for t in thm1_schatten.PATH)
        ),
        noticed="rank at α ≥ α_max",
    ),
    schatten(
        "all pairs observed",
        attribute(thm1_schatten, "Setting", lambda f: lambda rng, loss, whole: f(rng, loss, True)),
    ),
]


# ---- attention, factorized


@cache
def stuck(d):
    return thm1_attention.local_minimum(Run(), d)


def few_heads(patch):
    """Two problems, no d above the rank, fewer steps; the counterexample computed once."""
    found = {d: stuck(d) for d in (1, 2)}
    patch.setattr(thm1_attention, "QUICK", ((Squared(), True, 0.03), (Squared(), True, 0.1)))
    patch.setattr(thm1_attention, "dimensions", lambda rank: list(range(1, rank + 1)))
    patch.setattr(thm1_attention, "local_minimum", lambda run, d: found[d])
    right = rkbs.attention.train_linear_heads

    def trained_once(phi_x, phi_y, pairs, z, alpha, d, *, steps, **how):
        key = (z.tobytes(), alpha, d, steps)
        if key not in HEADS:
            steps = min(steps, 1500)
            HEADS[key] = right(phi_x, phi_y, pairs, z, alpha, d, steps=steps, **how)
        return HEADS[key]

    patch.setattr(rkbs.attention, "train_linear_heads", trained_once)


HEADS = {}
"""Trained heads by problem, α, d and steps."""


def trained(**changes):
    """``train_linear_heads`` with arguments changed."""
    names = ("alpha", "d", "steps")

    def wrong(right):
        def changed(phi_x, phi_y, pairs, z, alpha, d, *, steps, **how):
            given = dict(zip(names, (alpha, d, steps), strict=True))
            given |= {key: change(given[key]) for key, change in changes.items()}
            how["steps"] = given["steps"]
            return right(phi_x, phi_y, pairs, z, given["alpha"], given["d"], **how)

        return changed

    return attribute(rkbs.attention, "train_linear_heads", wrong)


def weights(change):
    """Trained heads with W^Q changed, and what is said of their objectives left."""
    return attribute(
        rkbs.attention,
        "train_linear_heads",
        lambda right: (
            lambda *a, **k: (lambda found: replace(found, query=change(found.query)))(
                right(*a, **k)
            )
        ),
    )


attention = about("thm1.attention_factorized", few_heads, "slow")


ATTENTION = [
    attention(
        "heads of d − 1 rows",
        trained(d=lambda d: max(d - 1, 1)),
        "fast",
        noticed="d ≥ rank: worst relative excess",
    ),
    attention("heads of d + 2 rows", trained(d=lambda d: d + 2), noticed="d < rank: least excess"),
    attention(
        "weight decay × 1.05",
        trained(alpha=lambda a: 1.05 * a),
        noticed="d ≥ rank: worst relative excess",
    ),
    attention(
        "weight decay × 0.95",
        trained(alpha=lambda a: 0.95 * a),
        noticed="convex bound above a trained objective",
    ),
    attention(
        "20 steps",
        trained(steps=lambda steps: 20),
        "fast",
        "d ≥ rank: worst gap by the head itself",
    ),
    attention(
        "W^Q × 0.9", weights(lambda W: 0.9 * W), "fast", "d ≥ rank: worst gap by the head itself"
    ),
    attention("W^Q zero", weights(lambda W: 0 * W)),
    attention(
        "a counterexample that is none",
        lambda patch: patch.setattr(thm1_attention, "local_minimum", lambda run, d: stuck(2)),
        noticed="d = 1: largest excess",
    ),
]


# ---- products


@cache
def blocks():
    """Of the draws the one that has local minima."""
    return thm1_product._blocks(Run(), 5)


FOUND = {}
"""Of the product claims' problems the solutions, each found once."""


def one_exponent(patch):
    """One exponent, and what is solved is solved once: no sabotage is about the solver itself."""
    patch.setattr(thm1_product, "EXPONENTS", (1.5,))
    patch.setattr(thm1_product, "DRAWS", (5,))
    right = thm1_product.solve

    def solve(problem, solver):
        key = (
            problem.pair.p,
            repr(problem.loss),
            problem.alpha_x,
            problem.z.tobytes(),
            solver.seed,
        )
        if key not in FOUND:
            FOUND[key] = right(problem, solver)
        return FOUND[key]

    patch.setattr(thm1_product, "solve", solve)


def few_products(patch):
    """One exponent; local minima, which most of these sabotages do not concern, found once."""
    one_exponent(patch)
    found = blocks()
    patch.setattr(thm1_product, "_local_minima", lambda run: found)


def point(change):
    return solved(thm1_product, lambda value: type(value)(*change(*value)))


expansion = about("thm1.product_expansion", few_products)


unique = about("thm1.product_unique", few_products)


PRODUCT = [
    expansion(
        "f × 1.001",
        point(lambda v, u: (1.001 * v, u)),
        noticed="most that moving a coordinate gains",
    ),
    expansion(
        "f off by 1e-2 in every coordinate",
        point(lambda v, u: (v + 1e-2, u)),
        noticed="distance of ι(f), ι(g) from the span",
    ),
    expansion("f and g zero", point(lambda v, u: (0 * v, 0 * u))),
    expansion(
        "ι := the identity",
        attribute(ProductProblem, "left_sides", lambda f: lambda self, v, u: (v, u)),
        noticed="the span",
    ),
    unique("f × 1.01", point(lambda v, u: (1.01 * v, u)), noticed="gap"),
    unique("f × 1e-9", point(lambda v, u: (1e-9 * v, u)), noticed="least gain over f = g = 0"),
    unique("f and g zero", point(lambda v, u: (0 * v, 0 * u))),
    unique(
        "rkbs's objective × 0.9 at (−f, −g)",
        attribute(
            ProductProblem,
            "objective",
            lambda f: lambda self, v, u: f(self, v, u) * (0.9 if v.sum() < 0 else 1),
        ),
        noticed="objective(−f, −g)",
    ),
    unique(
        "rkbs's objective without the penalty of g",
        attribute(
            ProductProblem,
            "objective",
            lambda f: (
                lambda self, v, u: (
                    f(self, v, 0 * u)
                    + (
                        self.loss.value(self.values(v, u), self.z)
                        - self.loss.value(0 * self.z, self.z)
                    ).sum()
                )
            ),
        ),
        noticed="objective(−f, −g)",
    ),
    unique(
        "values f(x) + g(y) for f(x) g(y)",
        attribute(
            ProductProblem,
            "values",
            lambda f: (
                lambda self, v, u: (
                    (self.sections_x.phi @ v)[self.pairs.i]
                    + (self.sections_y.phi @ u)[self.pairs.j]
                )
            ),
        ),
        noticed="data term",
    ),
    unique(
        "values of f, g × 0.9 at points", scaled(sections.FeatureSections, "values", 0.9), "slow"
    ),
    unique(
        "every start ends in the same point",
        attribute(thm1_product, "Alternating", lambda f: lambda tol, seed=0: f(tol, seed=0)),
        "slow",
        "stationary values apart",
        one_exponent,
    ),
]


# ---- separable


def few_separable(patch):
    patch.setattr(thm1_separable, "EXPONENTS", (1.5, 3.0))
    patch.setattr(thm1_separable, "LOSSES", (Squared(), Hinge()))
    patch.setattr(thm1_separable, "STARTS", 3)


def minimizer(module, change):
    """``whole_space_minimizer`` with v, u and the residual changed."""
    return attribute(
        module,
        "whole_space_minimizer",
        lambda f: lambda problem, rng: change(*f(problem, rng), rng),
    )


def separable(claim, what, patch, kind="slow", noticed=""):
    return Sabotage(f"thm1.{claim}", what, patch, kind, few_separable, noticed)


LINEAR_BLOCKS = attribute(
    thm1_separable,
    "blocks_of",
    lambda f: lambda problem: tuple(replace(block, exponent=2.0) for block in f(problem)),
)

SEPARABLE = [
    separable(
        "separable_expansion",
        "minimizers × 1.001",
        minimizer(thm1_separable, lambda v, u, r, rng: (1.001 * v, u, r)),
        "fast",
        "objective above",
    ),
    separable(
        "separable_expansion",
        "minimizers zero",
        minimizer(thm1_separable, lambda v, u, r, rng: (0 * v, 0 * u, r)),
    ),
    separable(
        "separable_expansion",
        "ι := a multiple of the identity",
        LINEAR_BLOCKS,
        "fast",
        "distance of ι(f*), ι(g*) from the span",
    ),
    separable(
        "separable_expansion",
        "rkbs's solution × 0.9",
        solved(thm1_separable, functions(lambda v: 0.9 * v)),
        noticed="expansion at new points",
    ),
    separable(
        "separable_expansion",
        "rkbs's solution zero",
        solved(thm1_separable, functions(lambda v: 0 * v)),
        noticed="expansion at new points",
    ),
    separable(
        "separable_unique",
        "minimizers that depend on the start",
        minimizer(thm1_separable, lambda v, u, r, rng: (v * (1 + 1e-6 * rng.random()), u, r)),
        "fast",
        "spread",
    ),
    separable(
        "separable_unique",
        "starts that end unsolved",
        minimizer(thm1_separable, lambda v, u, r, rng: (v, u, 1e-9)),
        noticed="residual",
    ),
    separable(
        "separable_unique",
        "R(t) = t²/2 in place of t",
        constant(thm1_separable, "Norm", thm1_separable.HalfSquare),
        "fast",
    ),
    separable(
        "separable_unique",
        "segments with ends × 1.01",
        attribute(
            thm1_separable, "_segment", lambda f: lambda p, a, b, *rest: f(p, a, 1.01 * b, *rest)
        ),
        noticed="excess over the dual bound",
    ),
    separable(
        "separable_unique",
        "segments of length 0",
        attribute(thm1_separable, "_segment", lambda f: lambda p, a, b, *rest: f(p, b, b, *rest)),
        noticed="length",
    ),
]


# ---- the Fenchel gap


def one_draw(patch):
    patch.setattr(Run, "pick", lambda self, quick, full: 1)


fenchel = about("thm1.separable_gap", one_draw)


FENCHEL = [
    fenchel(
        "a solver that stops at 1e-3",
        constant(thm1_separable_gap, "DualNewton", lambda: DualNewton(tol=1e-3)),
        noticed="smooth losses: share of gaps closed",
    ),
    fenchel(
        "f × 1.01",
        solved(thm1_separable_gap, functions(lambda v: 1.01 * v)),
        noticed="share whose certificate says what it is",
    ),
    fenchel("f zero", solved(thm1_separable_gap, functions(lambda v: 0 * v)), "slow"),
    fenchel("rkbs's penalty × 0.5", scaled(Side, "penalty", 0.5), "slow", "certificate"),
    fenchel(
        "the same p in every problem",
        attribute(
            thm1_separable_gap, "make_problem", lambda f: lambda rng, p, loss: f(rng, 2.0, loss)
        ),
        noticed="least difference between functions of two p",
    ),
]


# ---- exponents


def no_starts(patch):
    """Random starts and random features left out, which these sabotages do not concern."""
    passing = {"starts": 20, "residual": 0.0, "spread": 0.0, "DualNewton": 0.0}
    patch.setattr(thm1_exponents, "spread", lambda case, p, seed: passing)
    closed = {p: np.zeros(20) for both in thm1_separable_gap.FAR for p in both}
    patch.setattr(thm1_exponents, "gaps_far_from_two", lambda seed: closed)


ends = about("thm1.exponents", no_starts, "slow")


def segment(change):
    return attribute(thm1_exponents, "segment", lambda f: lambda case: change(f(case)))


def longer(found):
    start, end = found.ends
    return replace(
        found, ends=(start, [b + (b - a) / 100 for a, b in zip(start, end, strict=True)])
    )


def factored(factor):
    """Minimizers whose v is multiplied."""

    def wrong(right):
        def minimizers(case):
            for problem, v, u, c in right(case):
                yield problem, v * factor, u, c

        return minimizers

    return attribute(thm1_exponents, "minimizers", wrong)


def two_starts(patch):
    patch.setattr(thm1_exponents, "STARTS", 2)
    closed = {p: np.zeros(20) for both in thm1_separable_gap.FAR for p in both}
    patch.setattr(thm1_exponents, "gaps_far_from_two", lambda seed: closed)


def untied(patch):
    tie = segments.CASES["tie, p = 1"]
    moved = replace(tie, targets=(tie.targets[0], (fmpq(3, 4), fmpq(11, 8))))
    patch.setitem(segments.CASES, "tie, p = 1", moved)


def of_the_span(patch):
    cases = {case.p: case.problem(2.0).phi_x.sum(0) for case in segments.CASES.values()}
    patch.setattr(thm1_exponents, "unlike_expansion", lambda v, p: cases[p])


EXPONENTS = [
    ends("segments longer by 1 %", segment(longer), "fast", "balls"),
    ends(
        "segments that are points",
        segment(lambda s: replace(s, ends=(s.ends[0],) * 2)),
        noticed="length",
    ),
    ends(
        "another dual point",
        segment(lambda s: replace(s, gamma=s.gamma * (1 + arb("1e-12")))),
        noticed="balls",
    ),
    ends("g × 2", segment(lambda s: replace(s, u=[2 * value for value in s.u])), noticed="balls"),
    ends(
        "points whose features do not tie",
        untied,
        noticed="worst |primal − dual| on the segments, balls",
    ),
    ends(
        "another point of the segment for the limit",
        attribute(thm1_exponents, "limit_point", lambda f: lambda *a: f(*a) + 0.01),
        noticed="order of convergence",
    ),
    ends("minimizers × (1 + 1e-6)", factored(1 + 1e-6), noticed="worst residual"),
    ends("minimizers NaN", factored(np.nan), noticed="worst residual"),
    ends(
        "minimizers that depend on the start",
        minimizer(thm1_exponents, lambda v, u, r, rng: (v * (1 + 1e-6 * rng.random()), u, r)),
        noticed="worst spread",
        smaller=two_starts,
    ),
    ends(
        "the expansion itself for another member of ∂‖f‖",
        of_the_span,
        noticed="their least distance from the span",
    ),
    ends(
        "a vector that is no member of ∂‖f‖",
        scaled(thm1_exponents, "unlike_expansion", 1 + 1e-9),
        noticed="other members of ∂‖f‖: worst error",
    ),
    ends(
        "exponents 1 and ∞ accepted",
        constant(thm1_exponents, "RKBSPair", lambda *a: None),
        noticed="refuses",
    ),
    ends(
        "norms of the exponent 1.01 p",
        attribute(segments, "norm", lambda f: lambda v, p: f(v, 1.01 * p)),
    ),
]


# ---- what is needed of κ


def two_problems(patch):
    patch.setattr(Run, "pick", lambda self, quick, full: [quick[1], quick[2]])


needs = about("thm1.kernel_needs", two_problems)


def isometry(**wrong):
    """Some of the isometries replaced: name → (right map, D, rng) → map."""
    return attribute(
        thm1_kernel_needs,
        "isometries",
        lambda f: (
            lambda D, rng: (
                lambda maps: maps | {k: change(maps[k], D, rng) for k, change in wrong.items()}
            )(f(D, rng))
        ),
    )


def identity(S, D, rng):
    return np.eye(D)


class NoRotation:
    """scipy's ``ortho_group`` of the identity."""

    @staticmethod
    def rvs(D, random_state):
        return np.eye(D)


def of_separable(change):
    """Solutions of the separable problem changed, not those of the operator reading."""

    def wrong(right):
        def solve(problem, solver):
            found = right(problem, solver)
            if isinstance(problem, SeparableProblem):
                return replace(found, value=change(found.value))
            return found

        return solve

    return attribute(thm1_kernel_needs, "solve", wrong)


def anything_accepted(patch):
    right = thm1_kernel_needs.solve
    patch.setattr(thm1_kernel_needs, "OperatorProblem", lambda *a: None)
    patch.setattr(thm1_kernel_needs, "solve", lambda p, s: p and right(p, s))


EXPANSION = "worst difference of DualNewton's expansion"
NEEDS = [
    needs(
        "signs := the identity", isometry(signs=identity), noticed="κ' (signs): least eigenvalue"
    ),
    needs(
        "the permutation := the identity",
        isometry(permutation=identity),
        "slow",
        "κ' (permutation): asymmetry",
    ),
    needs(
        "the antisymmetric map := the identity",
        isometry(antisymmetric=identity),
        "slow",
        "κ' (antisymmetric): diagonal",
    ),
    needs(
        "signs that stretch by 1e-4",
        isometry(signs=lambda S, D, rng: S @ np.diag(1 + 1e-4 * rng.random(D))),
        "slow",
        "worst change of f*, g* at new points",
    ),
    needs(
        "rotations := the identity",
        constant(thm1_kernel_needs, "ortho_group", NoRotation),
        "slow",
        "p ≠ 2: least change of g*",
    ),
    needs(
        "rkbs's solution × 1.001", of_separable(functions(lambda v: 1.001 * v)), noticed=EXPANSION
    ),
    needs("rkbs's solution zero", of_separable(functions(lambda v: 0 * v)), "slow", EXPANSION),
    needs(
        "ι := a multiple of the identity",
        attribute(
            thm1_kernel_needs,
            "blocks_of",
            lambda f: lambda problem: tuple(replace(block, exponent=2.0) for block in f(problem)),
        ),
        "slow",
        "span of κ'",
    ),
    needs(
        "solvers that accept any Gram matrix",
        anything_accepted,
        "slow",
        "solvers that refuse κ as k_X",
    ),
    needs(
        "a definite kernel in place of κ's symmetric part",
        attribute(thm1_kernel_needs, "forced", lambda f: lambda gram, *a: f(gram @ gram, *a)),
        "slow",
        "objective far along the eigenvector",
    ),
]


# ---- infinite dimension


def small_tensors(patch):
    patch.setattr(thm1_tensor, "SIZES", {1: (6, 6), 2: (5, 5)})
    patch.setattr(thm1_tensor, "ORDERS", (1, 2, 4, 6, 8, 12, 20))


tensor = about("thm1.tensor_limit", small_tensors, "slow")


def kernel(change):
    """The tensor kernel changed, where the problem takes it and where it is measured."""
    right = thm1_tensor.power_tensor

    def patch(p):
        p.setattr(thm1_tensor, "power_tensor", lambda *x: change(right(*x)))
        p.setattr(sections, "power_tensor", lambda *x: change(right(*x)))

    return patch


TENSOR = [
    tensor("the tensor kernel × 0.9", kernel(lambda K: 0.9 * K), "fast", "in infinite dimension"),
    tensor(
        "the tensor kernel × (1 + 1e-12)",
        kernel(lambda K: K * (1 + 1e-12)),
        noticed="error of the tensor kernel",
    ),
    tensor(
        "the tensor kernel to the power 1.01",
        kernel(lambda K: np.sign(K) * np.abs(K) ** 1.01),
        noticed="error of the tensor kernel",
    ),
    tensor(
        "dual coefficients × 1.001",
        solved(thm1_tensor, lambda value: value._replace(c=1.001 * value.c)),
        "fast",
        "in infinite dimension",
    ),
    tensor(
        "the solution × 1.01 at points",
        scaled(sections.TensorFunction, "__call__", 1.01),
        noticed="difference at new points over its bound",
    ),
    tensor("the solution zero at points", scaled(sections.TensorFunction, "__call__", 0)),
    tensor(
        "features cut one order early",
        attribute(
            thm1_tensor, "PowerFeatures", lambda f: lambda k, d, n: f(k, d, n - 1 if n < 45 else n)
        ),
        noticed="number of features",
    ),
    tensor(
        "the balls' series with n! to the power m + 1",
        attribute(tensor_balls, "hypergeometric", lambda f: lambda t, m: f(t, m + 1)),
        noticed="in infinite dimension",
    ),
]

SABOTAGES = (
    *OPERATOR,
    *SCHATTEN,
    *ATTENTION,
    *PRODUCT,
    *SEPARABLE,
    *FENCHEL,
    *EXPONENTS,
    *NEEDS,
    *TENSOR,
)
