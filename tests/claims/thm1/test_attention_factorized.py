"""thm1.attention_factorized: its verdict, what changes it, and its bound of heads by their rank."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, returned, several

from rkbs.attention.heads import linear
from rkbs.terms.margin_losses import Logistic
from rkbs.terms.residual_losses import Squared
from verify.claims.thm1 import attention_factorized as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run

HEADS = {}
"""Trained heads by problem, α, d and steps."""


def trained_once(right):
    """``train_linear_heads`` in fewer and larger steps, once for each problem."""

    def train(phi_x, phi_y, pairs, z, alpha, d, *, steps, **how):
        key = (z.tobytes(), alpha, d, steps)
        if key not in HEADS:
            steps = min(steps, 400)
            HEADS[key] = right(phi_x, phi_y, pairs, z, alpha, d, steps=steps, lr=0.2, **how)
        return HEADS[key]

    return train


# Two problems, and no d above the rank.
FEW = several(
    constants(
        module,
        QUICK=((Squared(), True, 0.03), (Squared(), True, 0.1)),
        dimensions=lambda rank: list(range(1, rank + 1)),
    ),
    attribute(linear, "train_linear_heads", trained_once),
)


@cache
def stuck(d):
    """The counterexample."""
    with pytest.MonkeyPatch.context() as patch:
        FEW(patch)
        return module.local_minimum(Run(), d)


def few_heads(patch):
    """The counterexample, which most of the sabotages do not concern, computed once."""
    found = {d: stuck(d) for d in (1, 2)}
    FEW(patch)
    patch.setattr(module, "local_minimum", lambda run, d: found[d])


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

    return attribute(linear, "train_linear_heads", wrong)


def weights(change):
    """Trained heads with W^Q changed, and what is said of their objectives left."""
    return returned(
        linear, "train_linear_heads", lambda found: replace(found, query=change(found.query))
    )


broken = Subject("thm1.attention_factorized", few_heads, "slow")
SABOTAGES = [
    broken(
        "heads of d − 1 rows",
        trained(d=lambda d: max(d - 1, 1)),
        "fast",
        "d ≥ rank: worst relative excess",
    ),
    broken("heads of d + 2 rows", trained(d=lambda d: d + 2), noticed="d < rank: least excess"),
    broken(
        "weight decay × 1.05",
        trained(alpha=lambda a: 1.05 * a),
        noticed="d ≥ rank: worst relative excess",
    ),
    broken(
        "weight decay × 0.95",
        trained(alpha=lambda a: 0.95 * a),
        noticed="convex bound above a trained objective",
    ),
    broken(
        "20 steps",
        trained(steps=lambda steps: 20),
        "fast",
        "d ≥ rank: worst gap by the head itself",
    ),
    broken(
        "W^Q × 0.9", weights(lambda W: 0.9 * W), "fast", "d ≥ rank: worst gap by the head itself"
    ),
    broken("W^Q zero", weights(lambda W: 0 * W), "fast"),
    broken(
        "a counterexample that is none",
        constants(module, local_minimum=lambda run, d: stuck(2)),
        "fast",
        "d = 1: largest excess",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=repr)
def test_the_rank_bound_is_below_heads_of_that_rank(loss):
    """Of heads near the convex solution, cut to d rows, and of the best of them by rescaling."""
    setting = module.Setting([0, 0], loss, True)
    problem = setting.problem.with_alpha(0.03 * setting.threshold)
    solution = module.solve(problem, module.ADMM(tol=1e-10))
    U, sigma, Vt = np.linalg.svd(solution.value.M)
    for d in (1, solution.stats["rank"] - 1):
        bound = module.rank_bound(problem, solution.value.M, d)
        cut = (U[:, :d] * sigma[:d]) @ Vt[:d]
        above = [problem.objective(t * cut) for t in (0.8, 1.0, 1.2)]
        assert 0 < bound <= min(above) - solution.certificate.dual
    assert module.rank_bound(problem, solution.value.M, len(sigma)) == 0
