"""sec5.depth: its verdict, and what changes it."""

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, returned, swept_once

from rkbs.kernels import EDP, RBF, KeyNormBias
from verify.claims.sec5 import depth as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.oracles import halfspace
from verify.studies import key_norm

trained_once = swept_once(module)


def few_cells(patch):
    """Three heads of EDP in the plane and on the line, and of each control."""
    right = module.configurations

    def fewer(run):
        cells = right(run)
        return [c | {"starts": min(c["starts"], 24 if c["kernel"] == "EDP" else 3)} for c in cells]

    patch.setattr(module, "configurations", fewer)


def found(change):
    """What the searches found, changed."""
    return returned(module, "searched", lambda rows: [row | change(row) for row in rows])


NO_BIAS = constants(KeyNormBias, _bias=lambda self, x, y: 0 * (y * y).sum(-1)[..., None, :])

broken = Subject("sec5.depth", trained_once)
retrained = Subject("sec5.depth", few_cells, "slow")
SABOTAGES = [
    broken(
        "self-weights × 1.1 in the plane",
        found(lambda r: {"product": 1.1 * r["product"]} if r["d"] == 2 else {}),
        noticed="d = 2",
    ),
    broken(
        "one key more above ½",
        found(lambda r: {"at_most": r["at_most"] + 1}),
        noticed="R, largest",
    ),
    broken(
        "depth counted from one side for all",
        attribute(module, "line_depth", lambda f: lambda name, i, n: n - i + 1),
        noticed="Σ",
    ),
    broken(
        "controls that are EDP",
        returned(
            module,
            "searched",
            lambda rows: [
                rows[1] | {"kernel": r["kernel"]} if r["d"] == 1 and _free(r) else r for r in rows
            ],
        ),
        noticed="controls",
    ),
    broken("no bias in attention", NO_BIAS, noticed="attention"),
    broken(
        "no bias in balls",
        attribute(
            halfspace,
            "value",
            lambda f: lambda kernel, q, k: f(getattr(kernel, "kernel", kernel), q, k),
        ),
        noticed="balls",
    ),
    broken(
        "queries τq instead of 2τq",
        attribute(
            key_norm, "scaled_points", lambda f: lambda points, factor: f(points, factor / 2)
        ),
        noticed="balls",
    ),
    retrained(
        "depths one larger",
        attribute(module, "depths", lambda f: lambda points: [1 + depth for depth in f(points)]),
        noticed="A_ii × depth",
    ),
    retrained(
        "RBF in place of EDP",
        constants(module, KERNELS=module.KERNELS | {"EDP": RBF()}),
        noticed="d = 1",
    ),
    retrained(
        "EDP without its bias as a control",
        constants(module, KERNELS=module.KERNELS | {"EDP, key-norm bias": EDP()}),
        noticed="controls",
    ),
    retrained(
        "self-weights of queries and keys that were not trained together",
        attribute(module, "self_weights", lambda f: lambda kernel, q, k: f(kernel, q, -k)),
    ),
]


def _free(row):
    return row["kernel"] in module.CONTROLS


test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_bounds_by_hand():
    assert module.trace_bound("EDP", 4) == 3
    assert abs(module.trace_bound("EDP", 12) - 4.9) < 1e-12
    assert module.trace_bound("EI", 3) == 1 + 1 / 2 + 1 / 3
    keys = np.array([[3.0], [-1.0], [0.5], [9.0]])
    assert module.line_depths("EI", keys) == [2, 4, 3, 1]
    assert module.line_depths("EDP", keys) == [2, 1, 2, 1]


def test_held_keys_stay():
    import torch

    from verify.studies.free_heads import geometric_mean, self_weights

    queries, keys = torch.randn(2, 3, 5, 2, dtype=torch.float64)
    ended, same = module._ascend_queries(EDP(), queries, keys, geometric_mean, 20, rate=0.1)
    assert same is keys
    before, after = (geometric_mean(self_weights(EDP(), q, keys)) for q in (queries, ended))
    assert bool((after > before).all())


def test_a_full_run_starts_from_two_hundred_heads_on_the_line():
    cells = module.configurations(Run("full"))
    line = [c for c in cells if (c["kernel"], c["d"]) == ("EDP", 1)]
    assert {c["n"] for c in line} == {4, 8, 12}
    assert min(c["starts"] for c in line) >= 200
    assert len(cells) == len({repr(cell) for cell in cells})
