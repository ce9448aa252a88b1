"""The ends p = 1 and p = ∞: the claim's verdict, and that wrong segments and minimizers miss it."""

from dataclasses import replace

import numpy as np
import pytest
from flint import arb, fmpq

from verify import segments, thm1_exponents, thm1_separable_gap
from verify.ledger import Run, Verdict

PASSING = {"starts": 20, "spread": 0.0, "DualNewton": 0.0}


@pytest.fixture
def no_starts(monkeypatch):
    """Leave the random starts and features out, which the mutant does not concern."""
    monkeypatch.setattr(thm1_exponents, "spread", lambda case, p, seed: PASSING)
    closed = {p: np.zeros(20) for both in thm1_separable_gap.FAR for p in both}
    monkeypatch.setattr(thm1_exponents, "gaps_far_from_two", lambda seed: closed)


def missed(run=None):
    evidence = thm1_exponents.exponents(run or Run())
    names = [c.name for c in (*evidence.checks, *evidence.counterexamples) if not c.passed]
    assert (evidence.verdict is Verdict.UNCONFIRMED) == bool(names)
    return " | ".join(names)


def test_holds_if():
    evidence = thm1_exponents.exponents(Run())
    assert evidence.verdict is Verdict.HOLDS_IF
    assert evidence.condition == "1 < p < ∞"


def longer(found):
    start, end = found.ends
    return replace(
        found, ends=(start, [b + (b - a) / 100 for a, b in zip(start, end, strict=True)])
    )


def point(found):
    return replace(found, ends=(found.ends[0], found.ends[0]))


WRONG_SEGMENTS = {
    "longer by 1 %": (longer, "balls"),
    "a point": (point, "length"),
    "another dual point": (lambda s: replace(s, gamma=s.gamma * (1 + arb("1e-12"))), "balls"),
    "another g": (lambda s: replace(s, u=[2 * value for value in s.u]), "balls"),
}


@pytest.mark.parametrize(("change", "noticed"), WRONG_SEGMENTS.values(), ids=WRONG_SEGMENTS)
@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero):RuntimeWarning")
def test_segments_that_are_none(change, noticed, monkeypatch, no_starts):
    right = thm1_exponents.segment
    monkeypatch.setattr(thm1_exponents, "segment", lambda case: change(right(case)))
    assert noticed in missed()


def test_points_whose_features_do_not_tie(monkeypatch, no_starts):
    tie = segments.CASES["tie, p = 1"]
    moved = replace(tie, targets=(tie.targets[0], (fmpq(3, 4), fmpq(11, 8))))
    monkeypatch.setitem(segments.CASES, "tie, p = 1", moved)
    assert "worst |primal − dual| on the segments, balls" in missed()


def test_another_point_of_the_segment_is_not_the_limit(monkeypatch, no_starts):
    right = thm1_exponents.limit_point
    monkeypatch.setattr(thm1_exponents, "limit_point", lambda *args: right(*args) + 0.01)
    assert "order of convergence" in missed()


@pytest.mark.parametrize("factor", [1 + 1e-6, np.nan])
def test_wrong_minimizers(factor, monkeypatch, no_starts):
    right = thm1_exponents.minimizers

    def wrong(case):
        for problem, v, u, c in right(case):
            yield problem, v * factor, u, c

    monkeypatch.setattr(thm1_exponents, "minimizers", wrong)
    assert "worst residual" in missed()


def test_minimizers_that_depend_on_the_start(monkeypatch):
    right = thm1_exponents.whole_space_minimizer
    monkeypatch.setattr(thm1_exponents, "STARTS", 2)

    def wrong(problem, rng):
        v, u, residual = right(problem, rng)
        return v * (1 + 1e-6 * rng.random()), u, residual

    monkeypatch.setattr(thm1_exponents, "whole_space_minimizer", wrong)
    assert "worst spread" in missed()


@pytest.mark.parametrize(("p", "name"), [(10.0, "p = 1.1, 10"), (1.05, "p = 1.05, 20")])
def test_gaps_that_stay_open_on_random_features(p, name):
    gaps = {q: np.full(20, 1e-11) for both in thm1_separable_gap.FAR for q in both}
    assert all(check.passed for check in thm1_separable_gap.far_checks(gaps))
    gaps[p] = np.where(np.arange(20) < 3, 0, 1e-8)
    gaps[20.0 if p < 2 else p][5:] = 1e-8
    missing = [c.name for c in thm1_separable_gap.far_checks(gaps) if not c.passed]
    assert len(missing) == 1
    assert name in missing[0]


def test_an_expansion_that_is_the_only_member(monkeypatch, no_starts):
    """Vectors of the span in place of the other members of the subdifferential."""
    cases = {case.p: case.problem(2.0).phi_x.sum(0) for case in segments.CASES.values()}
    monkeypatch.setattr(thm1_exponents, "unlike_expansion", lambda v, p: cases[p])
    assert "their least distance from the span" in missed()


def test_a_vector_that_is_no_member_of_the_subdifferential(monkeypatch, no_starts):
    right = thm1_exponents.unlike_expansion
    monkeypatch.setattr(thm1_exponents, "unlike_expansion", lambda v, p: (1 + 1e-9) * right(v, p))
    assert missed() == "other members of ∂‖f‖: worst error"


def test_exponents_that_are_not_refused(monkeypatch, no_starts):
    monkeypatch.setattr(thm1_exponents, "RKBSPair", lambda *args: None)
    assert missed() == "exponents 1 and ∞ that rkbs refuses"


def test_a_norm_with_the_wrong_exponent(monkeypatch, no_starts):
    right = segments.norm
    monkeypatch.setattr(segments, "norm", lambda v, p: right(v, p * 1.01))
    assert missed()
