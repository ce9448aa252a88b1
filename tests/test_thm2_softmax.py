"""The claims on exp and softmax hold, and what they measure is told by other means."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from rkbs.approximation import TARGETS, Quadrature, constructive_head
from verify.claims.thm2 import log_rank as thm2_log_rank
from verify.claims.thm2 import positive as thm2_positive
from verify.claims.thm2 import softmax_factor as thm2_softmax
from verify.claims.thm2.log_rank import RANKS, Tails
from verify.harness.evidence import Check, Verdict
from verify.harness.run import Run
from verify.studies.positive_heads import POSITIVE, LogResidual, logarithm, on_line

SMALL = Quadrature.gauss_legendre(20)
PRODUCT = on_line("product", "$ts$", lambda t, s: t * s)


def _failed(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if not check.passed]


@pytest.fixture(scope="module")
def evidence():
    """Each claim's evidence, computed once."""
    claims = (thm2_positive.positive, thm2_softmax.softmax_factor, thm2_log_rank.log_rank)
    return {compute.__name__: compute(Run()) for compute in claims}


def test_verdicts(evidence):
    assert evidence["positive"].verdict is Verdict.HOLDS_IF
    assert evidence["softmax_factor"].verdict is Verdict.HOLDS
    assert evidence["log_rank"].verdict is Verdict.HOLDS


# The bound of positive functions


def test_bound_of_a_product():
    bound, sup = thm2_positive.bounds(PRODUCT, 201)
    assert bound == pytest.approx(1 / np.sqrt(18), rel=1e-12)  # ½ E t² E s² where ts < 0
    assert sup == 1


@pytest.mark.parametrize("name", thm2_positive.SIGNED)
def test_bound_on_a_dense_grid(name):
    middles = (np.arange(1000) + 0.5) / 500 - 1
    values = TARGETS[name](middles, middles)
    dense = np.sqrt((values[values < 0] ** 2).sum() / values.size)
    assert thm2_positive.bounds(TARGETS[name], 2)[0] == pytest.approx(dense, rel=1e-5)


@pytest.mark.parametrize("name", thm2_positive.SIGNED)
def test_no_positive_function_passes_the_bound(name):
    def positive_part(t, s):
        return np.maximum(TARGETS[name](t, s), 1e-300)

    def wild(t, s):
        return np.exp(rng.normal(scale=3, size=(len(t), len(s))))

    rng = np.random.default_rng(0)
    for function in (positive_part, wild):
        row = thm2_positive.measure(TARGETS[name], function, 1, 101)
        assert max(thm2_positive.deficits([row])) <= 1e-12
    nearest = thm2_positive.measure(TARGETS[name], positive_part, 1, 101)
    assert nearest["error"] == pytest.approx(nearest["bound"], rel=1e-12)


def test_a_linear_head_is_no_exp_head(evidence):
    rows = evidence["positive"].data["rows"]
    wrong = [{**row, "kind": "exp, cut"} if row["kind"] == "linear" else row for row in rows]
    wrong += [row for row in rows if row["kind"] == "linear"]
    names = _failed(thm2_positive._refutation(wrong))
    assert len(names) == 2
    assert all(name.startswith("e^h, signed κ*") for name in names)


def test_zeros_are_no_trained_heads(evidence):
    data = evidence["positive"].data
    zero = [
        {**row, "error": row["norm"]} if row["kind"] == "exp, trained" else row
        for row in data["rows"]
    ]
    assert len(_failed(thm2_positive._confirmation(zero, data["positive"]))) == 1


# The factor of each target


def _residual(factor: float, bias: float, rest: float) -> LogResidual:
    t, s = SMALL.x.nodes, SMALL.y.nodes.T
    r = factor * np.sin(5 * t) + bias * s**2 + rest * np.cos(3 * t * s)
    return LogResidual(r, logarithm(POSITIVE["sine"])(SMALL.x.nodes, SMALL.y.nodes), SMALL)


def test_factors_are_not_seen():
    plain, moved = _residual(0, 0, 0.1), _residual(7, 0, 0.1)
    for name in ("divergence", "spread", "variance", "recovery_error", "widest"):
        assert getattr(plain, name) == pytest.approx(getattr(moved, name), rel=1e-11), name
    assert moved.variation > 3
    assert _residual(7, 0, 0).divergence <= 1e-30


def test_biases_of_sources_are_seen():
    biased = _residual(7, 0.01, 0)
    assert biased.spread == pytest.approx(0.01 * np.sqrt(4 / 45), rel=1e-12)  # Var s² = 4/45
    assert biased.divergence > 1e-6


@pytest.mark.parametrize("size", [1e-9, 1e-4, 0.3])
def test_divergence_in_many_digits(size):
    residual = _residual(2, size, size)
    total = mpmath.mpf(0)
    with mpmath.workdps(50):
        for weight, r, log_target in zip(
            SMALL.x.weights, residual.r, residual.log_target, strict=True
        ):
            pairs = zip(SMALL.y.weights, log_target, strict=True)
            v = [mpmath.mpf(w) * mpmath.exp(mpmath.mpf(L)) for w, L in pairs]
            p = [x / mpmath.fsum(v) for x in v]
            r = [mpmath.mpf(x) for x in r]
            grown = mpmath.fsum(a * mpmath.exp(b) for a, b in zip(p, r, strict=True))
            total += weight * (mpmath.log(grown) - mpmath.fdot(p, r))
    assert residual.divergence == pytest.approx(float(total), rel=1e-5, abs=0)
    row = {name: getattr(residual, name) for name in ("divergence", "variance", "widest")}
    assert thm2_softmax.bracket_excess(row) <= 1
    assert thm2_softmax.bracket_excess({**row, "variance": 3 * row["variance"]}) > 1


def test_seeds_with_one_factor_are_noticed(evidence):
    rows = evidence["softmax_factor"].data["rows"]
    same = [{**row, "factor": np.sin(np.arange(9))} for row in rows]
    names = _failed(thm2_softmax._factor_checks(same))
    assert len(names) == 2
    assert all("c of the seeds furthest apart" in name for name in names)


@pytest.mark.parametrize("wrong", ["RBF", "ExponentiatedIntersection", "Laplace"])
def test_other_kernels_are_told_apart(wrong, monkeypatch):
    kernel = getattr(thm2_softmax, wrong)
    assert max(row["apart"] for row in thm2_softmax.hidden_differences(Run())) <= 1
    other = (lambda: thm2_softmax.EDP()) if wrong[0] == "E" else (lambda tau: kernel(tau * 1.0001))
    monkeypatch.setattr(thm2_softmax, wrong, other)
    assert max(row["apart"] for row in thm2_softmax.hidden_differences(Run())) > 1e3


# The ranks that d pays for


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
    other.values["softmax"] = other.values["exp"][2:]  # as if two were saved
    assert other.saved(1) > 1


def test_means_over_targets_do_not_help(monkeypatch):
    def centered(surface):
        nodes, weights = thm2_log_rank.MEASURE.x.nodes, thm2_log_rank.MEASURE.x.weights
        return lambda t, s: surface(t, s) - weights @ surface(nodes, s)

    monkeypatch.setattr(thm2_log_rank, "centered", centered)
    assert Tails(POSITIVE["row_factor"]).tail("softmax", 2) > 1e-3


@pytest.mark.parametrize("link", ["exp", "softmax"])
def test_a_head_of_more_dimensions_than_told_is_noticed(link, evidence):
    tails = {"square": Tails(POSITIVE["square"])}
    surface = logarithm(POSITIVE["square"])
    if link == "softmax":
        surface = thm2_log_rank.centered(surface)
    head = constructive_head(surface, 4, 32, quadrature=Quadrature.gauss_legendre(48))
    rows = evidence["log_rank"].data["rows"]
    for told, failures in ((4, 0), (2, 2)):
        row = thm2_log_rank.head_row(tails["square"], head.head, told, link, kind="other")
        assert len(_failed(thm2_log_rank._law_checks([*rows, row], tails))) == failures


def test_brackets_of_the_errors_bite(evidence):
    rows = evidence["log_rank"].data["rows"]
    tails = {"square": Tails(POSITIVE["square"])}
    wrong = [{**row, "error": row["error"] * 20} if row["link"] == "exp" else row for row in rows]
    assert any("bracket" in name for name in _failed(thm2_log_rank._law_checks(wrong, tails)))
    assert replace(evidence["log_rank"], checks=()).verdict is Verdict.UNCONFIRMED
