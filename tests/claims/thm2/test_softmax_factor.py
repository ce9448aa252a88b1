"""thm2.softmax_factor: its verdict, what changes it; seeds and kernels that are told apart."""

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import (
    attribute,
    constants,
    fewer_steps,
    returned,
    scaled,
    several,
    without_outputs,
)

from verify.claims.thm2 import softmax_factor as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies.positive_heads import LogResidual

FEW = several(constants(module, NAMES=("sine",)), fewer_steps(module, 300))
broken = Subject("thm2.softmax_factor", FEW, "slow")
SABOTAGES = [
    broken(
        "heads zero",
        returned(
            module,
            "trained",
            lambda found: {
                key: {kind: without_outputs(head) for kind, head in both.items()}
                for key, both in found.items()
            },
        ),
        "fast",
        "KL, largest",
    ),
    broken(
        "heads that share a start",
        attribute(
            module,
            "by_adam",
            lambda f: lambda link, cells, **k: f(link, [(t, d, 0) for t, d, _ in cells], **k),
        ),
        noticed="seeds furthest apart",
    ),
    broken(
        "RBF := EDP of q", constants(module, RBF=lambda tau: module.EDP()), noticed="rows apart"
    ),
    broken(
        "biases of the keys × 0.9",
        attribute(
            module,
            "rows_of_attention",
            lambda f: lambda q, k, kernel, bias, device: f(q, k, kernel, 0.9 * bias, device),
        ),
    ),
    broken("attention × 0.9", scaled(module, "rows_of_attention", 0.9)),
    broken(
        "divergences × 0.9",
        attribute(LogResidual, "divergence", lambda f: property(lambda self: 0.9 * f.fget(self))),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_seeds_with_one_factor_are_noticed():
    rows = broken.evidence().data["rows"]
    same = [{**row, "factor": np.sin(np.arange(9))} for row in rows]
    names = [check.name for check in module._factor_checks(same) if not check.passed]
    assert len(names) == 2
    assert all("c of the seeds furthest apart" in name for name in names)


@pytest.mark.parametrize("wrong", ["RBF", "ExponentiatedIntersection", "Laplace"])
def test_other_kernels_are_told_apart(wrong, monkeypatch):
    kernel = getattr(module, wrong)
    assert max(row["apart"] for row in module.hidden_differences(Run())) <= 1
    other = (lambda: module.EDP()) if wrong[0] == "E" else (lambda tau: kernel(tau * 1.0001))
    monkeypatch.setattr(module, wrong, other)
    assert max(row["apart"] for row in module.hidden_differences(Run())) > 1e3
