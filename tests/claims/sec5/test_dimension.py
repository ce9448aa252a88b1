"""sec5.dimension: its verdict, what changes it, and what the law does not say."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, in_short, returned, scaled, untrained

from rkbs.kernels.dot_product import EDP, TaylorEDP
from verify.claims.sec5 import dimension as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.oracles import weights


@cache
def trained():
    """All arrangements, and mixtures: trained once."""
    return list(module.arrangements(Run())), module.trained_mixtures(Run())


def once(patch):
    arrangements, mixtures = trained()
    patch.setattr(module, "arrangements", lambda run: arrangements)
    patch.setattr(module, "trained_mixtures", lambda run: mixtures)


def cut(found):
    return [replace(a, kernel=TaylorEDP(4)) if a.case == "EDP" else a for a in found]


broken = Subject("sec5.dimension", in_short({(24, 300): (6, 100)}, once))
SABOTAGES = [
    broken("self-weights × 1.2", scaled(weights, "own", 1.2), noticed="tr A − D"),
    broken(
        "every query sees its own key alone",
        returned(weights, "of_kernel", lambda A: 0 * A + np.eye(A.shape[-1])),
        noticed="R − D",
    ),
    broken(
        "D told one less",
        returned(module, "row_of", lambda row: row | {"D": row["D"] and row["D"] - 1}),
        noticed="tr A − D",
    ),
    broken(
        "the library's Taylor cuts := EDP",
        constants(TaylorEDP, formula=EDP.formula, log_formula=EDP.log_formula),
        noticed="plain sums",
    ),
    broken(
        "the library's D, one more",
        attribute(TaylorEDP, "feature_dim", lambda f: lambda self, d: f(self, d) + 1),
        noticed="the library's D",
    ),
    broken(
        "EDP := its Taylor cut of order 4", returned(module, "arrangements", cut), noticed="EDP"
    ),
    broken(
        "two equal heads of rank 2",
        constants(module, HEADS_OF_RANK_2=module.HEADS_OF_RANK_2[:1] * 2),
        noticed="their mean: R",
    ),
    broken(
        "a causal kernel that grows by the factor 2",
        constants(
            module, causal_weights=lambda n: [Fraction(2**i, 2 ** (i + 1) - 1) for i in range(n)]
        ),
        noticed="causal mask",
    ),
    Subject("sec5.dimension")("features that are not learned", untrained, "slow", "tr A/D"),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_heads_of_rank_2_are_rows_of_weights():
    heads = np.array(module.HEADS_OF_RANK_2)
    assert (heads >= 0).all()
    assert (heads.sum(-1) == 4).all()
    assert [np.linalg.matrix_rank(head) for head in heads] == [2, 2]
    assert (np.diag(heads.mean(0)) > 2).all()


@pytest.mark.parametrize("sizes", [(1,), (2, 5), (1, 1, 1)])
def test_groups(sizes):
    assert module.group_trace(sizes) == len(sizes)
    own = module.library_groups(sizes)
    assert own.sum() == pytest.approx(len(sizes), abs=1e-14)


def test_the_same_kernel_without_a_mask_selects_one_key():
    table = np.array([[3.0**j for j in range(12)]] * 12)
    A = weights.normalized(table)
    assert weights.selected(A) == 1
    assert weights.own(A).sum() == pytest.approx(1)
