"""Mutants: every law rejects something that is wrong, and accepts what it was made from."""

import dataclasses
import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest
from helpers import grid, points
from problem_helpers import WrongLoss

from rkbs import laws
from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, ExponentiatedIntersection, Kernel, Quadratic, Scaled, TaylorEDP
from rkbs.kernels.features import PowerFeatures
from rkbs.problems import OperatorProblem
from rkbs.solvers import Spectral, solve
from rkbs.spaces import RKBSPair, banach_pair, lp
from rkbs.terms.residual_losses import Huber, Squared
from verify.claims.prop1.misprint import misprinted_features

TOLERANCE = 1e-8  # no test and no claim asks for less than this
X, Y = points((7, 2)), points((6, 2), 1)
WQ, WK = points((2, 2), 7), points((2, 2), 8)


@dataclasses.dataclass(frozen=True)
class Mutant(Kernel):
    """A kernel of any formula that declares all the structure there is."""

    gram: Callable
    logit: Callable | None = None
    dim: float = math.inf
    domain: Kernel | None = None

    is_mercer = is_symmetric = is_positive = is_nonnegative = True

    def formula(self, x, y):
        return self.gram(x, y)

    def log_formula(self, x, y):
        return self.logit(x, y)

    def _checked(self, formula, x, y, advice):
        return formula(x, y)  # NaN and infinity get through to the law

    def feature_dim(self, d):
        return self.dim

    @property
    def domain_x(self):
        return self.domain or self

    domain_y = domain_x


def l1(x, y):
    return np.abs(x[:, None] - y).sum(-1)


def a(x, y):
    return x @ y.T / math.sqrt(x.shape[1])


def edp(x, y):
    return np.exp(a(x, y))


def constant(value):
    return lambda x, y: np.full((len(x), len(y)), value)


ZEROS, NAN, INF = (
    Mutant(constant(0.0), constant(0.0)),
    Mutant(constant(math.nan), constant(math.nan)),
    Mutant(constant(math.inf), constant(math.inf)),
)
BROKEN = {"zeros": ZEROS, "nan": NAN, "inf": INF}
MATERN = Mutant(lambda x, y: (1 + math.sqrt(3) * l1(x, y)) * np.exp(-math.sqrt(3) * l1(x, y)))
ASYMMETRIC = Mutant(lambda x, y: np.exp(x @ WQ.T @ WK @ y.T))


class OwnTranspose(Mutant):
    @property
    def T(self):  # noqa: N802
        return self


class OwnAlgebra(Mutant):
    def __add__(self, other):
        return self

    def __mul__(self, other):
        return (
            Mutant(lambda x, y: abs(other) * self(x, y))
            if isinstance(other, float)
            else super().__mul__(other)
        )


class ProductIsSum(Mutant):
    def __mul__(self, other):
        return self + other if isinstance(other, Kernel) else super().__mul__(other)


class OwnPullback(Mutant):
    def pullback(self, map_x=None, map_y=None):
        return EDP().pullback(map_y, map_x)


class OneMap(Mutant):
    def pullback(self, map_x=None, map_y=None):
        return EDP().pullback(map_x, map_x)


@dataclasses.dataclass
class FakeFeatures:
    """Power features of EDP with something changed."""

    function: Callable
    kernel: Kernel = EDP()  # noqa: RUF009
    order: int = 12
    d: int = 2
    bound: float = 1.0

    def __call__(self, q, signed=False):
        return self.function(q, signed)

    def remainder_bound(self, logits):
        return self.bound * PowerFeatures(EDP(), 2, self.order).remainder_bound(logits)


RIGHT, SIGNED = PowerFeatures(EDP(), 2, 12), PowerFeatures(Quadratic(-0.5), 2, 2)
Q, K = 0.4 * X, 0.4 * Y


def fake_signs():
    fake = FakeFeatures(lambda q, _: SIGNED(q), Quadratic(-0.5))
    fake.remainder_bound = SIGNED.remainder_bound
    return fake


SPACES = RKBSPair.from_kernel(TaylorEDP(3), 2, 3, p=3, map_x=WQ, map_y=WK)
F, G = (make(points(SPACES.dim, seed)) for make, seed in ((SPACES.f, 1), (SPACES.g, 2)))


def reproducing(**changes):
    spaces = dataclasses.replace(SPACES, **changes)
    return laws.reproducing_residual(
        spaces, spaces.f(F.coefficients), spaces.g(G.coefficients), X, Y
    )


class SwappedSections(RKBSPair):
    def section_x(self, x):
        return self.g(self.features_y(x[None])[0])


def swapped_sections():
    spaces = SwappedSections(SPACES.features_x, SPACES.features_y, SPACES.dim, 3)
    return laws.reproducing_residual(
        spaces, spaces.f(F.coefficients), spaces.g(G.coefficients), X, Y
    )


def with_changed(name, function, law):
    """The law, called while ``banach_pair.<name>`` is another function."""

    def call():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(banach_pair, name, function)
            return law()

    return call


def duality():
    return max(laws.duality_map_residual(SPACES, F), laws.duality_map_residual(SPACES, G))


def norm2(v, _=2):
    return float(np.linalg.norm(v))


def iota(power, sign=np.sign, norm=lp.lp_norm):
    return lambda v, p: sign(v) * (np.abs(v) / norm(v, p)) ** power(p)


GRAM_X, GRAM_Y = EDP()(X, X), EDP()(Y, Y)
PROBLEM = OperatorProblem(GRAM_X, GRAM_Y, Pairs.grid(X, Y), points((7, 6), 4), 0.3)
SOLVED = solve(PROBLEM, Spectral()).value
BEST = SOLVED.c / PROBLEM.alpha


def optimality(c):
    return lambda: laws.optimality_residual(PROBLEM, c)


def solved_for(alpha):
    return Spectral().setup(PROBLEM).solve(alpha).value.c / alpha


MERCER_SETS = (points((20, 2)), grid(2, 5, 0.8))


def mercer(kernel):
    return lambda: max(laws.mercer_residual(kernel, x) for x in MERCER_SETS)


def broken(law):
    """All zeros, NaN and infinity, as mutants of any law on a kernel."""
    return {name: (lambda kernel=kernel: law(kernel)) for name, kernel in BROKEN.items()}


H, RESPONSES = np.linspace(-3, 4, 12), np.linspace(1, -2, 12)


def fenchel(**parts):
    """The law of the conjugate, on the squared loss with one of its parts replaced."""
    return lambda: laws.conjugate_residual(WrongLoss(**parts), H, RESPONSES)


def near(prox):
    """The law of the prox, on the squared loss with another prox."""
    return lambda: laws.prox_residual(WrongLoss(prox=prox), H, RESPONSES, 0.7)


# law: (what is right, {name of the mutant: the law called on it})
MUTANTS = {
    "relative": (
        lambda: laws.relative(X, X + 1e-12),
        {
            "off by 1e-6": lambda: laws.relative(X * (1 + 1e-6), X),
            "zeros found": lambda: laws.relative(0 * X, X),
            "zeros expected": lambda: laws.relative(X, 0 * X),
            "zeros on both sides": lambda: laws.relative(0 * X, 0 * X),
            "nan": lambda: laws.relative(np.where(X[0, 0] == X, np.nan, X), X),
            "nan on both sides": lambda: laws.relative(X * np.nan, X * np.nan),
            "inf on both sides": lambda: laws.relative(X + np.inf, X + np.inf),
        },
    ),
    "worst": (
        lambda: laws.worst(0.0, 1e-12),
        {
            "nan first": lambda: laws.worst(math.nan, 0.0),
            "nan last": lambda: laws.worst(0.0, math.nan),
            "one is large": lambda: laws.worst(0.0, 1.0, 0.0),
        },
    ),
    "negativity": (
        lambda: laws.negativity(GRAM_X),
        {
            "indefinite": lambda: laws.negativity(GRAM_X - 0.1 * np.eye(7)),
            "negative": lambda: laws.negativity(-GRAM_X),
            "zeros": lambda: laws.negativity(0 * GRAM_X),
            "nan": lambda: laws.negativity(GRAM_X * np.nan),
        },
    ),
    "symmetry_residual": (
        lambda: laws.symmetry_residual(EDP(), X),
        {"asymmetric": lambda: laws.symmetry_residual(ASYMMETRIC, X)}
        | broken(lambda kernel: laws.symmetry_residual(kernel, X)),
    ),
    "mercer_residual": (
        mercer(ExponentiatedIntersection()),
        {
            "intersection with a wrong sign": mercer(
                Mutant(lambda x, y: np.exp((x.sum(1)[:, None] + y.sum(1) + l1(x, y)) / 2))
            ),
            "intersection with a wrong sign of k": mercer(
                Mutant(lambda x, y: np.exp((x.sum(1)[:, None] - y.sum(1) - l1(x, y)) / 2))
            ),
            "Matérn on the L1 distance": mercer(MATERN),
            "Gauss on the L1 distance": mercer(Mutant(lambda x, y: np.exp(-(l1(x, y) ** 2) / 2))),
            "distance": mercer(Mutant(l1)),
            "queries that differ from keys": mercer(ASYMMETRIC),
            "negative": mercer(Mutant(lambda x, y: -edp(x, y))),
        }
        | broken(lambda kernel: mercer(kernel)()),
    ),
    "logit_residual": (
        lambda: laws.logit_residual(EDP(), X, Y),
        {
            "off by a factor": lambda: laws.logit_residual(
                Mutant(edp, lambda x, y: 2 * a(x, y)), X, Y
            ),
            "off by a term": lambda: laws.logit_residual(
                Mutant(edp, lambda x, y: a(x, y) + 1e-6), X, Y
            ),
            "without √d": lambda: laws.logit_residual(Mutant(edp, lambda x, y: x @ y.T), X, Y),
            "one entry is nan": lambda: laws.logit_residual(
                Mutant(edp, lambda x, y: a(x, np.where(y == Y[0, 0], np.nan, y))), X, Y
            ),
            "kernel of zeros": lambda: laws.logit_residual(Mutant(constant(0.0), a), X, Y),
            "logit of zeros": lambda: laws.logit_residual(Mutant(edp, constant(0.0)), X, Y),
        }
        | broken(lambda kernel: laws.logit_residual(kernel, X, Y)),
    ),
    "transpose_residual": (
        lambda: laws.transpose_residual(ASYMMETRIC, X, Y),
        {"own transpose": lambda: laws.transpose_residual(OwnTranspose(ASYMMETRIC.gram), X, Y)}
        | broken(lambda kernel: laws.transpose_residual(kernel, X, Y)),
    ),
    "algebra_residual": (
        lambda: laws.algebra_residual(EDP(), Mutant(edp), X, Y),
        {
            "sum drops a term": lambda: laws.algebra_residual(OwnAlgebra(edp), EDP(), X, Y),
            "product is the sum": lambda: laws.algebra_residual(ProductIsSum(edp), EDP(), X, Y),
        }
        | broken(lambda kernel: laws.algebra_residual(kernel, kernel, X, Y)),
    ),
    "pullback_residual": (
        lambda: laws.pullback_residual(EDP(), WQ, WK, X, Y),
        {
            "maps exchanged": lambda: laws.pullback_residual(OwnPullback(edp), WQ, WK, X, Y),
            "one map for both": lambda: laws.pullback_residual(OneMap(edp), WQ, WK, X, Y),
        }
        | broken(lambda kernel: laws.pullback_residual(kernel, WQ, WK, X, Y)),
    ),
    "domain_kernels_residual": (
        lambda: laws.domain_kernels_residual(Quadratic(-0.5), X, Y),
        {
            "not positive semi-definite": lambda: laws.domain_kernels_residual(
                Mutant(Quadratic(-0.5).formula), X, Y
            ),
            "a factor too small": lambda: laws.domain_kernels_residual(
                Mutant(edp, domain=Scaled(EDP(), 0.9)), X, X
            ),
            "sign of the factor kept": lambda: laws.domain_kernels_residual(
                Mutant(lambda x, y: -2 * edp(x, y), domain=Scaled(EDP(), -2.0)), X, Y
            ),
            "of other features": lambda: laws.domain_kernels_residual(
                Mutant(EDP().pullback(WQ, WK), domain=EDP().pullback(WQ, WQ)), X, Y
            ),
            "kernel of zeros": lambda: laws.domain_kernels_residual(
                Mutant(constant(0.0), domain=EDP()), X, Y
            ),
        }
        | broken(lambda kernel: laws.domain_kernels_residual(kernel, X, Y)),
    ),
    "rank_residual": (
        lambda: laws.rank_residual(TaylorEDP(2), points((9, 2))),
        {
            "an order too low": lambda: laws.rank_residual(
                Mutant(TaylorEDP(3).formula, dim=6), points((9, 2))
            ),
            "infinite called finite": lambda: laws.rank_residual(
                Mutant(edp, dim=6), points((9, 2))
            ),
        }
        | {
            name: (lambda k=k: laws.rank_residual(dataclasses.replace(k, dim=2), X))
            for name, k in BROKEN.items()
        },
    ),
    "features_residual": (
        lambda: laws.features_residual(RIGHT, Q, K),
        {
            "misprinted normalization": lambda: laws.features_residual(
                FakeFeatures(lambda q, _: misprinted_features(q, 12)), Q, K
            ),
            "a kernel without √d": lambda: laws.features_residual(
                FakeFeatures(RIGHT, Mutant(lambda x, y: np.exp(x @ y.T))), Q, K
            ),
            "a degree left out": lambda: laws.features_residual(
                FakeFeatures(lambda q, _: RIGHT(q)[..., RIGHT.indices.sum(1) != 3]), Q, K
            ),
            "signs left out": lambda: laws.features_residual(fake_signs(), Q, K),
            "zeros": lambda: laws.features_residual(FakeFeatures(lambda q, _: 0 * RIGHT(q)), Q, K),
            "zeros within an empty bound": lambda: laws.features_residual(
                FakeFeatures(lambda q, _: 0 * RIGHT(q), bound=1e300), Q, K
            ),
            "nan": lambda: laws.features_residual(
                FakeFeatures(lambda q, _: math.nan * RIGHT(q)), Q, K
            ),
            "bound is nan": lambda: laws.features_residual(
                FakeFeatures(RIGHT, bound=math.nan), Q, K
            ),
            "kernel of zeros": lambda: laws.features_residual(FakeFeatures(RIGHT, ZEROS), Q, K),
        },
    ),
    "reproducing_residual": (
        reproducing,
        {
            "sections of the other side": swapped_sections,
            "features that depend on the other points": lambda: reproducing(
                features_y=lambda y: SPACES.features_y(y) / len(y)
            ),
            "zero features": lambda: reproducing(features_x=lambda x: 0 * SPACES.features_x(x)),
            "zero elements": lambda: laws.reproducing_residual(SPACES, 0 * F, 0 * G, X, Y),
            "one zero element": lambda: laws.reproducing_residual(SPACES, F, 0 * G, X, Y),
        },
    ),
    "duality_map_residual": (
        duality,
        {
            name: with_changed("duality_map", function, duality)
            for name, function in {
                "p instead of p − 1": iota(lambda p: p),
                "p' − 1 instead of p − 1": iota(lambda p: 1 / (p - 1)),
                "sign forgotten": iota(lambda p: p - 1, sign=np.abs),
                "v/‖v‖": iota(lambda p: 1, norm=norm2),
                "norm forgotten": iota(lambda p: p - 1, norm=lambda v, p: 1.0),
                "zeros": lambda v, p: 0 * v,
            }.items()
        }
        | {
            "wrong norm": with_changed("lp_norm", norm2, duality),
            "norm is nan": with_changed("lp_norm", lambda v, p: math.nan, duality),
            "zero element": lambda: laws.duality_map_residual(SPACES, 0 * F),
        },
    ),
    "hoelder_residual": (
        lambda: laws.hoelder_residual(SPACES, F, SPACES.duality_map(F)),
        {
            "not the conjugate exponent": with_changed(
                "conjugate_exponent",
                lambda p: p,
                lambda: laws.hoelder_residual(SPACES, SPACES.f(np.ones(10)), SPACES.g(np.ones(10))),
            ),
            "norms too small": with_changed(
                "lp_norm",
                lambda v, p: np.abs(v).max(),
                lambda: laws.hoelder_residual(SPACES, F, SPACES.g(np.sign(F.coefficients))),
            ),
            "norm is nan": with_changed(
                "lp_norm", lambda v, p: math.nan, lambda: laws.hoelder_residual(SPACES, F, G)
            ),
            "zero element": lambda: laws.hoelder_residual(SPACES, 0 * F, G),
        },
    ),
    "conjugate_residual": (
        lambda: laws.conjugate_residual(Huber(0.5), H, RESPONSES),
        {
            "sign of z": fenchel(conjugate=lambda u, z: u * u / 2 - u * z),
            "sign": fenchel(conjugate=lambda u, z: -(u * u) / 2 - u * z),
            "factor": fenchel(conjugate=lambda u, z: u * u + u * z),
            "another slope": fenchel(gradient=lambda h, z: 1.001 * (h - z)),
            "zeros": fenchel(value=lambda h, z: 0 * h, conjugate=lambda u, z: 0 * u),
            "nan": fenchel(conjugate=lambda u, z: u * math.nan),
        },
    ),
    "prox_residual": (
        lambda: max(
            laws.prox_residual(loss, H, RESPONSES, 0.7) for loss in (Squared(), Huber(0.5))
        ),
        {
            "identity": near(lambda h, z, step: h),
            "always z": near(lambda h, z, step: z),
            "step inverted": near(lambda h, z, step: (h * step + z) / (1 + step)),
            "step forgotten": near(lambda h, z, step: (h + z) / 2),
            "off by 1e-3": near(lambda h, z, step: (h + step * z) / (1 + step) + 1e-3),
            "nan": near(lambda h, z, step: h * math.nan),
        },
    ),
    "optimality_residual": (
        optimality(BEST),
        {
            "off by 1e-6": optimality(BEST * (1 + 1e-6)),
            "one coefficient off by 1e-6": optimality(BEST + 1e-6 * (np.arange(42) == 5)),
            "sign": optimality(-BEST),
            "order of the pairs": optimality(BEST.reshape(7, 6).T.ravel()),
            "another alpha": optimality(solved_for(0.3 + 1e-5)),
            "alpha averaged over pairs": optimality(solved_for(0.3 * 42)),
            "zeros": optimality(0 * BEST),
            "nan": optimality(np.where(np.arange(42) == 5, np.nan, BEST)),
        },
    ),
}


def test_every_law_has_a_mutant():
    public = {
        name
        for name, value in vars(laws).items()
        if inspect.isfunction(value) and value.__module__ == laws.__name__ and name[0] != "_"
    }
    assert public == set(MUTANTS)
    assert all(len(mutants) >= 1 for _, mutants in MUTANTS.values())
    kernels = [
        name for name in public if "kernel" in inspect.signature(getattr(laws, name)).parameters
    ]
    assert len(kernels) >= 6
    assert all(set(BROKEN) <= set(MUTANTS[name][1]) for name in kernels)


@pytest.mark.parametrize("law", MUTANTS)
def test_what_is_right_passes(law):
    assert MUTANTS[law][0]() <= 1e-11


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NaN and infinity on their way to the law
@pytest.mark.parametrize(
    ("law", "mutant"), [(law, name) for law, (_, mutants) in MUTANTS.items() for name in mutants]
)
def test_mutants_are_rejected(law, mutant):
    try:
        residual = MUTANTS[law][1][mutant]()
    except (OverflowError, ValueError):  # refused before the law could see it
        assert mutant in ("nan", "inf", "norm is nan")
        return
    assert residual > TOLERANCE  # NaN would not pass here, nor in residual <= tolerance
    assert isinstance(residual, float)
