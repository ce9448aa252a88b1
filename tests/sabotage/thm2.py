"""Sabotages of Theorem 2's claims."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import verify.studies.positive_heads as heads_through_links
from rkbs.approximation import SchmidtSpectrum
from rkbs.attention.heads import variable_projection
from sabotage import Sabotage, about, attribute, scaled
from verify.claims.thm2 import certified as thm2_certified
from verify.claims.thm2 import finite_data as thm2_finite_data
from verify.claims.thm2 import floor as thm2_approximation
from verify.claims.thm2 import floor_sampled as thm2_dimensions
from verify.claims.thm2 import log_rank as thm2_log_rank
from verify.claims.thm2 import positive as thm2_positive
from verify.claims.thm2 import softmax_factor as thm2_softmax
from verify.claims.thm2 import trained as thm2_training
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run
from verify.studies import contestants, yardsticks
from verify.studies.finite_sample import Fit
from verify.studies.yardsticks import Yardstick

NO_FLOOR = scaled(SchmidtSpectrum, "floor", 0)
LOW_FLOOR = scaled(SchmidtSpectrum, "floor", 0.9)
FLOOR_OF_LESS = attribute(
    SchmidtSpectrum, "floor", lambda f: lambda self, d: f(self, max(d - 1, 0))
)
FLOOR_OF_MORE = attribute(SchmidtSpectrum, "floor", lambda f: lambda self, d: f(self, d + 1))
ERRORS_TOO_SMALL = scaled(yardsticks, "l2_error", 0.9)
APART = "that of the measuring quadrature|"


def zero(t, s):
    """The head 0."""
    return np.zeros((len(t), len(s)))


# ---- floor, constructive heads, density


def few_targets(*names):
    return lambda patch: patch.setattr(thm2_approximation, "LINE", names)


def frozen(change, module=thm2_approximation):
    """Constructive heads, changed."""
    return attribute(module, "constructive_head", lambda f: lambda *a, **k: change(f(*a, **k)))


floor = about("thm2.floor", few_targets("edp", "kink"))


constructive = about("thm2.constructive", few_targets("kink", "ridge"))


density = about("thm2.density", few_targets("kink", "ridge"))


LAYERS = [
    floor("the floor is 0", NO_FLOOR, noticed=APART),
    floor("the floor × 0.9", LOW_FLOOR, "slow", APART),
    floor("the floor of d − 1", FLOOR_OF_LESS, "slow"),
    floor("the floor of d + 1", FLOOR_OF_MORE, "slow", APART),
    floor("errors × 0.9", ERRORS_TOO_SMALL, noticed="(floor − error)"),
    floor(
        "Schmidt's functions × 0.9",
        attribute(
            SchmidtSpectrum, "head", lambda f: lambda self, d: lambda t, s: 0.9 * f(self, d)(t, s)
        ),
        noticed="(error − floor)/allowance",
    ),
    floor(
        "Schmidt's functions zero",
        attribute(SchmidtSpectrum, "head", lambda f: lambda self, d: zero),
        "slow",
        "(error − floor)/allowance",
    ),
    constructive("the floor is 0", NO_FLOOR, noticed=APART),
    constructive("the floor × 0.9", LOW_FLOOR, "slow", APART),
    constructive(
        "singular values × 0.9",
        frozen(lambda head: replace(head, values=0.9 * head.values)),
        "slow",
    ),
    constructive(
        "the width error × 0.9",
        frozen(lambda head: replace(head, width_error=0.9 * head.width_error)),
        noticed="√(width² + rank²)",
    ),
    constructive(
        "the width error is 0",
        frozen(lambda head: replace(head, width_error=0.0)),
        "slow",
        "√(width² + rank²)",
    ),
    constructive(
        "singular functions shifted by one index",
        frozen(lambda head: replace(head, left=np.roll(head.left, 1, axis=1))),
        "slow",
    ),
    constructive(
        "alternating least squares × 0.9",
        scaled(thm2_approximation, "alternating_error", 0.9),
        "slow",
        "smallest",
    ),
    density("sup errors × 0.6", scaled(thm2_approximation, "sup_error", 0.6), noticed="balls"),
    density("sup errors × 0.95", scaled(thm2_approximation, "sup_error", 0.95), noticed="balls"),
    density("sup errors × 1.5", scaled(thm2_approximation, "sup_error", 1.5), "slow", "balls"),
    density("sup errors are 0", scaled(thm2_approximation, "sup_error", 0), "slow"),
    density("heads of d = 1", frozen(lambda head: head.at(1)), noticed="smooth targets"),
    density("the floor is 0", NO_FLOOR, "slow", APART),
]


# ---- certified


def few_certified(patch):
    """A smooth and a kinked target, d = 16 by variable projection, and constructive heads."""
    batches = [
        batch | {"dims": batch["dims"][-1:]}
        for batch in thm2_certified._batches(Run())
        if batch["targets"] != ["oscillating"] and batch["method"]["kind"] != "Adam"
    ]
    patch.setattr(thm2_certified, "_batches", lambda run: batches)
    patch.setattr(thm2_certified, "PICTURES", ())


certified = about("thm2.certified", few_certified, "slow")


def bracket(**factors):
    """Ends of the brackets multiplied."""
    return attribute(
        thm2_certified,
        "certified_sup_error",
        lambda f: (
            lambda *a, **k: (
                lambda found: replace(
                    found, **{key: factor * getattr(found, key) for key, factor in factors.items()}
                )
            )(f(*a, **k))
        ),
    )


CERTIFIED = [
    certified("brackets × 0.9", bracket(lower=0.9, upper=0.9), "fast", "worst cells balls confirm"),
    certified(
        "lower ends × 1.04 of the upper",
        bracket(lower=1.045, upper=1.045),
        noticed="witness balls confirm",
    ),
    certified("upper ends × 1.5", bracket(upper=1.5), noticed="upper/lower"),
    certified(
        "heads zero",
        attribute(
            thm2_certified,
            "_heads",
            lambda f: lambda *a: [replace(head, output_x=0 * head.output_x) for head in f(*a)],
        ),
        noticed="certified sup error",
    ),
    certified(
        "grid maxima × 0.6", scaled(thm2_certified, "sup_error", 0.6), noticed="grid maximum"
    ),
    certified(
        "grid maxima × 1.2", scaled(thm2_certified, "sup_error", 1.2), noticed="grid maximum"
    ),
    certified("the floor is 0", NO_FLOOR, noticed=APART),
]


# ---- sampled floors


def one_plane(patch):
    patch.setattr(thm2_dimensions, "SPACES", ("edp_2d",))


def sampled(what, change, kind="fast", noticed=""):
    patch = attribute(
        thm2_dimensions, "sampled_floor", lambda f: lambda *a, **k: change(f(*a, **k))
    )
    return Sabotage("thm2.floor_sampled", what, patch, kind, one_plane, noticed)


def one_too_high(found):
    return replace(found, below=found.below[:, [0, *range(len(found.dims) - 1)]])


SAMPLED = [
    sampled("floors of d − 1 below", one_too_high),
    sampled("floors × 0.9", lambda f: replace(f, below=0.81 * f.below, above=0.81 * f.above)),
    sampled(
        "floors × 0.8 in squares", lambda f: replace(f, below=0.8 * f.below, above=0.8 * f.above)
    ),
    sampled("floors are 0", lambda f: replace(f, below=0 * f.below, above=0 * f.above)),
    Sabotage("thm2.floor_sampled", "quadrature's floors × 0.9", LOW_FLOOR, "fast", one_plane),
]


# ---- training


def few_batches(patch):
    """One target on the line, fewer dimensions and seeds."""
    patch.setattr(thm2_training, "LINE", ("oscillating",))
    patch.setattr(thm2_training, "FEW", ("oscillating", "kink"))
    batches = [
        batch | {"seeds": [0], "dims": [2] if batch["targets"] == ["waves_2d"] else [2, 8]}
        for batch in thm2_training._by_projection(Run())
    ]
    patch.setattr(thm2_training, "_by_projection", lambda run: batches)


limit = about("thm2.limit", few_batches)


def fewer_adam(patch):
    """Two targets, one seed, and of the widest heads fewer dimensions and steps."""
    patch.setattr(thm2_training, "FEW", ("kink", "oscillating"))
    batches = [batch | {"seeds": [0]} for batch in thm2_training._by_adam(Run())]
    batches = [
        batch | {"dims": [2, 4, 8], "method": batch["method"] | {"steps": 500}}
        if batch["width"] == yardsticks.WIDE
        else batch
        for batch in batches
    ]
    patch.setattr(thm2_training, "_by_adam", lambda run: batches)


adam = about("thm2.trained", fewer_adam, "slow")


def by(method):
    """All batches of thm2.trained by another method."""
    return attribute(
        thm2_training,
        "_by_adam",
        lambda f: lambda run: [batch | {"method": method} for batch in f(run)],
    )


def smaller_outputs(right):
    def state(self, ensemble, surfaces):
        found = right(self, ensemble, surfaces)
        return found._replace(sizes=0.9 * found.sizes)

    return state


RANDOM_START = "on the line, m = 16, random start: best/floor, d ≤ 8, largest"
PROJECTION = variable_projection.VariableProjection
TRAINING = [
    limit(
        "variable projection that does not move",
        attribute(PROJECTION, "_move", lambda f: lambda *a: None),
        "fast",
        RANDOM_START,
    ),
    limit(
        "output weights × 0.9",
        attribute(PROJECTION, "_state", smaller_outputs),
        "slow",
        RANDOM_START,
    ),
    limit(
        "the floor × 1.01",
        attribute(
            Yardstick,
            "row",
            lambda f: (
                lambda self, *a, **k: (lambda row: row | {"floor": 1.01 * row["floor"]})(
                    f(self, *a, **k)
                )
            ),
        ),
        "slow",
        "quadrature error",
    ),
    limit("the floor is 0", NO_FLOOR, "slow", APART),
    limit("errors × 0.9", ERRORS_TOO_SMALL, "slow", "(floor − error)"),
    adam(
        "variable projection in place of Adam",
        by({"kind": "VariableProjection", "steps": 20}),
        "fast",
        noticed="median trained/floor at d = 8, smallest",
    ),
    adam("Adam of one step", by({"kind": "Adam", "lr": 1e-2, "steps": 1})),
    adam("the floor is 0", NO_FLOOR, noticed=APART),
    adam(
        "rivals' errors × 100",
        attribute(
            thm2_training,
            "_rival_errors",
            lambda f: lambda *a: tuple(100 * error for error in f(*a)),
        ),
        noticed="worst constructive/trained",
    ),
]


# ---- what exp and softmax change


def few_signed(patch):
    patch.setattr(thm2_positive, "SIGNED", ("asymmetric",))
    patch.setattr(thm2_positive, "DIMS", (1, 8, 16))


positive = about("thm2.positive", few_signed, "slow")


def linked(module, change):
    """Heads by Adam, changed."""
    return attribute(module, "by_adam", lambda f: lambda *a, **k: [change(h) for h in f(*a, **k)])


def without_outputs(head):
    return replace(head, output_x=0 * head.output_x)


POSITIVE = [
    positive(
        "exp := the identity",
        attribute(thm2_positive, "through_exp", lambda f: lambda h: h),
        "fast",
        "κ* > 0",
    ),
    positive(
        "exp × 0.9",
        attribute(thm2_positive, "through_exp", lambda f: lambda h: lambda t, s: 0.9 * f(h)(t, s)),
        noticed="κ* > 0",
    ),
    positive(
        "the bound × 1.1",
        attribute(thm2_positive, "bounds", lambda f: lambda *a: tuple(1.1 * b for b in f(*a))),
    ),
    positive(
        "the bound × 0.9",
        attribute(thm2_positive, "bounds", lambda f: lambda *a: tuple(0.9 * b for b in f(*a))),
    ),
    positive("trained heads zero", linked(thm2_positive, without_outputs)),
    positive(
        "the positive part for the negative",
        attribute(
            thm2_positive, "negative_part", lambda f: lambda target: f(lambda t, s: -target(t, s))
        ),
    ),
]


def small_softmax(patch):
    patch.setattr(thm2_softmax, "NAMES", ("sine",))


softmax = about("thm2.softmax_factor", small_softmax, "slow")


SOFTMAX = [
    softmax(
        "heads zero",
        attribute(
            thm2_softmax,
            "trained",
            lambda f: (
                lambda run: {
                    key: {kind: without_outputs(head) for kind, head in both.items()}
                    for key, both in f(run).items()
                }
            ),
        ),
        "fast",
        "KL, largest",
    ),
    softmax(
        "heads that share a start",
        attribute(
            thm2_softmax,
            "by_adam",
            lambda f: lambda link, cells, **k: f(link, [(t, d, 0) for t, d, _ in cells], **k),
        ),
        noticed="seeds furthest apart",
    ),
    softmax(
        "RBF := EDP of q",
        attribute(thm2_softmax, "RBF", lambda f: lambda tau: thm2_softmax.EDP()),
        noticed="rows apart",
    ),
    softmax(
        "biases of the keys × 0.9",
        attribute(
            thm2_softmax,
            "rows_of_attention",
            lambda f: lambda q, k, kernel, bias, device: f(q, k, kernel, 0.9 * bias, device),
        ),
    ),
    softmax("attention × 0.9", scaled(thm2_softmax, "rows_of_attention", 0.9)),
    softmax(
        "divergences × 0.9",
        attribute(
            heads_through_links.LogResidual,
            "divergence",
            lambda f: property(lambda self: 0.9 * f.fget(self)),
        ),
    ),
]


@cache
def link_rows():
    """The rows of thm2.log_rank, trained once."""
    tails = {
        name: thm2_log_rank.Tails(thm2_log_rank.POSITIVE[name]) for name in thm2_log_rank.POSITIVE
    }
    return thm2_log_rank.limit_rows(Run(), tails) + thm2_log_rank.adam_rows(Run(), tails)


def trained_once(patch):
    """The heads, which these sabotages do not concern, trained once."""
    rows = link_rows()
    patch.setattr(
        thm2_log_rank, "limit_rows", lambda run, tails: [r for r in rows if r["kind"] == "limit"]
    )
    patch.setattr(
        thm2_log_rank, "adam_rows", lambda run, tails: [r for r in rows if r["kind"] == "Adam"]
    )


rank = about("thm2.log_rank", trained_once)


def rows(change):
    """Rows of the heads in the limit, changed."""
    return attribute(thm2_log_rank, "limit_rows", lambda f: lambda *a: [change(r) for r in f(*a)])


RANK = [
    rank("heads of one dimension more than told", rows(lambda r: r | {"d": r["d"] - 1})),
    rank(
        "errors × 20 through exp",
        rows(lambda r: r | {"error": 20 * r["error"]} if r["link"] == "exp" else r),
        noticed="bracket",
    ),
    rank(
        "errors of the logits × 0.9",
        rows(lambda r: r | {"logit_error": 0.9 * r["logit_error"]}),
        noticed="tail − error",
    ),
    rank(
        "means over targets in place of sources",
        attribute(
            thm2_log_rank,
            "centered",
            lambda f: (
                lambda surface: (
                    lambda t, s: (
                        surface(t, s)
                        - (
                            thm2_log_rank.MEASURE.x.weights
                            @ surface(thm2_log_rank.MEASURE.x.nodes, s)
                        )
                    )
                )
            ),
        ),
        "slow",
        "",
        None,
    ),
    rank(
        "log := the identity",
        attribute(thm2_log_rank, "logarithm", lambda f: lambda F: F),
        "slow",
        "",
        None,
    ),
    rank(
        "tails of d + 1",
        attribute(
            thm2_log_rank.Tails, "tail", lambda f: lambda self, link, d: f(self, link, d + 1)
        ),
        "slow",
        "",
        None,
    ),
]


# ---- finite data


@cache
def recorded():
    """The rows of the reference record."""
    return load_record("thm2.finite_data", REFERENCE).evidence.data


def as_recorded(patch):
    """The rows of the reference record, in place of the sweep: all that is trained."""
    patch.setattr(
        thm2_finite_data,
        "sweep",
        lambda *a: [{"rows": recorded()["rows"], "dtypes": recorded()["dtypes"]}],
    )


def finite(what, change, kind="fast", noticed=""):
    patch = attribute(
        thm2_finite_data,
        "sweep",
        lambda f: (
            lambda *a: [
                result | {"rows": [change(row) for row in result["rows"]]} for result in f(*a)
            ]
        ),
    )
    return Sabotage("thm2.finite_data", what, patch, kind, as_recorded, noticed)


def times(factor, *names):
    """Errors of some contestants multiplied."""
    return lambda row: (
        row
        if row["contestant"] not in names
        else row | {"errors": {kind: factor * error for kind, error in row["errors"].items()}}
    )


def useless(training):
    return Fit(lambda X, Y: np.full((len(X), len(Y)), 50.0), {}, 0.0, 1e12)


FINITE = [
    finite("recorded: ridge's errors × 2", times(2, "ridge"), noticed="attention/ridge, low end"),
    finite(
        "recorded: the nuclear norm's errors × 2",
        times(2, "nuclear norm"),
        "slow",
        noticed="attention/nuclear norm, low end",
    ),
    finite(
        "recorded: attention's errors × 0.5",
        times(0.5, "attention", "attention at d", "patient attention"),
    ),
    finite(
        "recorded: heads fitted to the limit × 0.1",
        times(0.1, "limit at d"),
        "slow",
    ),
    finite(
        "recorded: all errors zero",
        times(0, *("means", "ridge", "nuclear norm", "attention", "attention at d", "limit at d")),
        "slow",
    ),
    finite(
        "recorded: attention's FLOPs × 0.001",
        lambda r: r | {"flops": 0.001 * r["flops"]} if r["contestant"] == "attention" else r,
        noticed="FLOPs",
    ),
    finite(
        "recorded: heads of d = 1 as good as the chosen",
        lambda r: times(0.1, "attention at d")(r) if r["d"] == 1 else r,
        "slow",
    ),
    Sabotage(
        "thm2.finite_data",
        "ridge that predicts 50",
        lambda patch: patch.setitem(contestants.KERNEL_MACHINES, "ridge", useless),
        "slow",
        noticed="error of attention/ridge, low end",
    ),
]

SABOTAGES = (
    *LAYERS,
    *CERTIFIED,
    *SAMPLED,
    *TRAINING,
    *POSITIVE,
    *SOFTMAX,
    *RANK,
    *FINITE,
)
