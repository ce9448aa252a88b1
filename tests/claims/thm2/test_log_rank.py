"""thm2.log_rank: its verdict, what changes it, and the tails and ranks that d pays for."""

from functools import cache

import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, fewer_steps, returned, several

from rkbs.approximation import Quadrature, constructive_head
from verify.claims.thm2 import log_rank as module
from verify.claims.thm2.log_rank import RANKS, Tails
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies.positive_heads import POSITIVE, logarithm


@cache
def rows_of_heads():
    """In the limit and by Adam, trained once."""
    tails = {name: Tails(POSITIVE[name]) for name in POSITIVE}
    return module.limit_rows(Run(), tails), module.adam_rows(Run(), tails)


# Fewer dimensions, narrower heads and fewer steps.
FEW = several(
    constants(module, DIMS=(1, 2, 3, 4, 6)),
    attribute(module, "to_the_limit", lambda f: lambda *a, **k: f(*a, **k, width=16, steps=20)),
    fewer_steps(module, 250, lr=3e-2),
)


def trained_once(patch):
    """The heads, which most of these sabotages do not concern, trained once."""
    FEW(patch)
    limit, adam = rows_of_heads()
    patch.setattr(module, "limit_rows", lambda run, tails: limit)
    patch.setattr(module, "adam_rows", lambda run, tails: adam)


def rows(change):
    """Rows of the heads in the limit, changed."""
    return returned(module, "limit_rows", lambda found: [change(row) for row in found])


def centered_over_targets(surface):
    nodes, weights = module.MEASURE.x.nodes, module.MEASURE.x.weights
    return lambda t, s: surface(t, s) - weights @ surface(nodes, s)


broken = Subject("thm2.log_rank", trained_once)
retrained = Subject("thm2.log_rank", FEW, "slow")
SABOTAGES = [
    broken("heads of one dimension more than told", rows(lambda r: r | {"d": r["d"] - 1})),
    broken(
        "errors × 20 through exp",
        rows(lambda r: r | {"error": 20 * r["error"]} if r["link"] == "exp" else r),
        noticed="bracket",
    ),
    broken(
        "errors of the logits × 0.9",
        rows(lambda r: r | {"logit_error": 0.9 * r["logit_error"]}),
        noticed="tail − error",
    ),
    retrained(
        "means over targets in place of sources", constants(module, centered=centered_over_targets)
    ),
    retrained("log := the identity", constants(module, logarithm=lambda F: F)),
    retrained(
        "tails of d + 1",
        attribute(Tails, "tail", lambda f: lambda self, link, d: f(self, link, d + 1)),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def failed(checks):
    return [check.name for check in checks if not check.passed]


def test_ranks_by_determinants():
    t, s = ([fmpq(a + 2 * i, 20) for i in range(7)] for a in (1, 6))
    square = fmpq_mat([[(fmpq(3, 2) + x * y) ** 2 for y in s] for x in t])
    assert square.rank() == RANKS["square"]
    assert fmpq_mat([[1 + x * y / 2 for y in s] for x in t]).rank() == RANKS["affine"]
    with ctx.workprec(300):
        for kernel in (lambda x: 1 + x / 2, lambda x: (arb(3) / 2 + x) ** 2):
            logs = arb_mat([[kernel(arb(x * y)).log() for y in s] for x in t])
            assert not logs.det().contains(0)  # log κ* has rank 7 at least


@pytest.mark.parametrize("name", ["square", "row_factor"])
def test_tails_on_a_dense_grid(name):
    middles = (np.arange(500) + 0.5) / 250 - 1
    logs = np.log(POSITIVE[name](middles, middles)) / 500
    tails = Tails(POSITIVE[name])
    for link, table in (("exp", logs), ("softmax", logs - logs.mean(1, keepdims=True))):
        values = np.linalg.svd(table, compute_uv=False)
        for d in (0, 1, 2):
            dense = np.linalg.norm(values[d:])
            assert tails.tail(link, d) == pytest.approx(dense, rel=1e-4, abs=1e-12)


def test_row_means_save_one_dimension_at_most():
    tails = Tails(POSITIVE["row_factor"])
    assert tails.tail("exp", 2) > 0.1
    assert max(tails.tail("exp", 3), tails.tail("softmax", 2)) <= tails.rounding("exp")
    assert max(tails.saved(d) for d in range(8)) <= 1
    other = Tails(POSITIVE["row_factor"])
    other.singular_values["softmax"] = other.singular_values["exp"][2:]  # as if two were saved
    assert other.saved(1) > 1


def test_means_over_targets_do_not_help(monkeypatch):
    monkeypatch.setattr(module, "centered", centered_over_targets)
    assert Tails(POSITIVE["row_factor"]).tail("softmax", 2) > 1e-3


@pytest.mark.parametrize("link", ["exp", "softmax"])
def test_a_head_of_more_dimensions_than_told_is_noticed(link):
    tails = {"square": Tails(POSITIVE["square"])}
    surface = logarithm(POSITIVE["square"])
    if link == "softmax":
        surface = module.centered(surface)
    head = constructive_head(surface, 4, 32, quadrature=Quadrature.gauss_legendre(48))
    rows = broken.evidence().data["rows"]
    for told, failures in ((4, 0), (2, 2)):
        row = module.head_row(tails["square"], head.head, told, link, kind="other")
        assert len(failed(module._law_checks([*rows, row], tails))) == failures
