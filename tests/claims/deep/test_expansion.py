"""deep.expansion: a small trained network, made rows of the declared ones, and what changes it."""

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, results_edited, returned, several, swept_once

from verify.claims.deep import expansion as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.oracles.transformer import Plain
from verify.studies import deep_measures, deep_models, deep_training
from verify.studies.declared import digest
from verify.studies.deep_training import DECLARED, cell


def tiny(seed):
    kinds = {"plain": 1, "decoupled": 1, "practice": 1}
    return [cell(kind, "counting", 1, 1, d, 100 + seed) for kind, d in kinds.items()]


def small(patch):
    """One head, fewer examples and steps."""
    patch.setattr(module, "quick_cells", tiny)
    model = {"d_model": 6, "d_ff": 4, "noise": 0.25, "examples": {"counting": 12}}
    patch.setitem(DECLARED, "model", model)
    patch.setitem(DECLARED, "adam", {"steps": 300, "rate": 1e-2})
    patch.setitem(DECLARED, "learned", 0.5)
    patch.setattr(deep_training, "STEPS_OF_ADAMW", {"decoupled": 800, "practice": 300})
    patch.setattr(deep_training, "BATCH", 4)


# ---- made rows of the declared networks

RIGHT = {
    "rank": 1,
    "dimension": 2,
    "ratio": 0.8,
    "spectrum": np.array([1.0, 0.8]),
    "expansion": 1e-8,
    "query half": 1e-8,
    "key half": 1e-8,
    "best": 1e-8,
    "at 1.05 λ": 0.0476,
    "balance": 1e-9,
    "plain balance": 1e-9,
    "UᵀR": 1e-8,
    "RV": 1e-8,
    "on rank": 1e-8,
}
OFF = {"expansion": 0.9, "query half": 0.9, "key half": 0.9, "best": 0.8, "balance": 0.3}
OTHER = {
    "unequal": {"plain balance": 3.0},
    "query bias": {"expansion": 0.5, "key half": 0.5, "UᵀR": 0.5, "on rank": 0.1},
    "tied": OFF | {"tied": 1e-8, "tied ratio": 0.9},
    "rbf": OFF | {"query half": 1e-8, "key half with norms": 1e-8},
    "small eps": OFF,
    "decoupled": OFF,
    "practice": OFF,
}


def made_row(cell, result):
    kind = cell["kind"]
    head = RIGHT | {"layer": 0, "head": 0} | OTHER.get(kind, {})
    return {
        **cell,
        "off": 5.0 if kind in ("small eps", "decoupled", "practice") else 1e-8,
        "excess": 0.01,
        "heads": [head, {**head, "rank": 0}],
        "as two maps": [{**RIGHT, **OFF}] if kind in ("shared keys", "decayed query bias") else [],
    }


def made_check(cell, result):
    names = ("loss", "gradient", "coefficients", "audit's residual", "audit's ratio")
    return dict.fromkeys(names, 1e-13)


def swept(run, work, cells, name):
    return [{"declared": digest(DECLARED)} for _ in cells]


in_full = several(
    constants(module, sweep=swept, network_row=made_row, checked=made_check),
    constants(Run, pick=lambda self, quick, full: full),
)


def results(change):
    """What runs gave, changed in place by their kind."""
    return results_edited(module, lambda cell, result: change(cell["kind"], result))


def heads(kind, part="heads", **values):
    """All heads of a kind, with other numbers."""

    def change(row):
        if row["kind"] == kind:
            for head in row[part]:
                head.update(values)
        return row

    return returned(module, "network_row", change)


def rows(kind, **values):
    return returned(module, "network_row", lambda r: r | (values if r["kind"] == kind else {}))


def without_settling(patch):
    patch.setattr(deep_training, "settle", lambda network, x, *plan: x)


def scaled_slopes(found):
    loss, gradients, layers = found
    return loss, gradients, [(at, 1.0001 * slopes) for at, slopes in layers]


def shuffled(right):
    return lambda slopes, targets, sources, d: right(slopes, targets, np.roll(sources, 1, 0), d)


made = Subject("deep.expansion", in_full)
trained = Subject("deep.expansion", several(small, swept_once(module)))
retrained = Subject("deep.expansion", small, "slow")
SABOTAGES = [
    trained(
        "C of shuffled pairs",
        attribute(deep_measures, "pull", shuffled),
        noticed="all heads: expansion, largest",
    ),
    trained(
        "C a thousandth larger",
        returned(deep_measures, "pull", lambda C: 1.001 * C),
        noticed="all heads: expansion, largest",
    ),
    trained(
        "λ off by 5 %",
        returned(deep_measures, "decays_of", lambda both: tuple(1.05 * x for x in both)),
        noticed="all heads: expansion, largest",
    ),
    trained(
        "λ_Q for λ_K of another weight",
        returned(deep_measures, "decays_of", lambda both: (2 * both[0], both[1] / 2)),
        noticed="all heads: balance, largest",
    ),
    trained(
        "a backward pass off by 1e-4",
        returned(Plain, "gradient", scaled_slopes),
        noticed="coefficients: difference",
    ),
    trained(
        "an audit at another λ",
        attribute(deep_models, "audit", lambda f: lambda *a, decay: f(*a, decay=decay[0] * 1.01)),
        noticed="audit's ratio",
    ),
    trained(
        "labels that were not learned",
        results(lambda kind, r: kind == "plain" and r.update(loss=9.0)),
        noticed="loss − entropy",
    ),
    retrained(
        "training that stops after Adam", without_settling, noticed="networks whose gradient"
    ),
    made(
        "a run of another declaration",
        results(lambda kind, r: kind == "tied" and r.update(declared="other")),
        noticed="another declaration",
    ),
    made("networks that are not at rest", rows("plain", off=1e-5), noticed="whose gradient"),
    made("tied maps not at rest", rows("tied", off=1e-5), noticed="no network is at rest"),
    made("no head that is not 0", heads("plain", rank=0), noticed="all heads: expansion"),
    made("R within U", heads("plain", **{"UᵀR": 0.01}), noticed="all heads: UᵀR"),
    made("R within V", heads("plain", RV=0.01), noticed="all heads: RV"),
    made("another number than λ", heads("plain", **{"on rank": 0.01}), noticed="on rank"),
    made("any λ is right", heads("plain", **{"at 1.05 λ": 1e-8}), noticed="at 1.05 λ"),
    made(
        "unequal decays that balance plainly",
        heads("unequal", **{"plain balance": 1e-6}),
        noticed="unequal: plain balance",
    ),
    made("unequal decays off balance", heads("unequal", balance=0.1), noticed="unequal: balance"),
    made("a bias that breaks V", heads("query bias", RV=0.1), noticed="query bias: RV"),
    made(
        "a bias that breaks nothing", heads("query bias", **{"UᵀR": 0.0}), noticed="query bias: UᵀR"
    ),
    made(
        "a decayed bias that is no column",
        heads("decayed query bias", expansion=0.1),
        noticed="decayed query bias: expansion",
    ),
    made("tied maps without their form", heads("tied", tied=0.1), noticed="tied: λW − W(C + Cᵀ)"),
    made("tied maps as free ones", heads("tied", best=1e-8), noticed="tied, as free maps"),
    made(
        "shared keys, each head by itself",
        heads("shared keys", part="as two maps", best=1e-8),
        noticed="shared keys, as free maps",
    ),
    made(
        "keys of RBF without their norms",
        heads("rbf", **{"key half": 1e-8}),
        noticed="rbf: key half, largest",
    ),
    made("a cut off λ", heads("quartic", expansion=0.1), noticed="quartic: expansion"),
    made("maps alone off λ", heads("maps alone", expansion=0.1), noticed="maps alone: expansion"),
    made("a small ε that comes to rest", rows("small eps", off=1e-8), noticed="small ε"),
    made("AdamW that expands", heads("decoupled", best=1e-3), noticed="decoupled: best"),
    made("AdamW that balances", heads("decoupled", balance=1e-3), noticed="decoupled: balance"),
    made("practice at rest", heads("practice", best=1e-6), noticed="practice: least over largest"),
]

test_verdict = trained.ends_in(Verdict.HOLDS)
test_holds_of_made_rows = made.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_cells_are_different_and_have_every_kind():
    cells = [*deep_training.main_cells(), *deep_training.condition_cells()]
    assert len({repr(one) for one in cells}) == len(cells)
    assert {one["kind"] for one in cells} == {"plain", *deep_training.KINDS}


@pytest.mark.parametrize("kind", ["plain", "practice"])
def test_a_record_keeps_no_head_that_is_0(kind):
    kept = module.kept(made_row(cell(kind, "recall", 1, 2, 2, 0), {}))
    assert len(kept["heads"]) == 1
    assert len(kept["heads"][0]) == 1 + len(module.KEPT)
