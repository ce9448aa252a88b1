"""deep.pruning: two models trained briefly, made results of the declared ones, and breaks."""

import copy
from dataclasses import replace

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, results_edited, returned, several

from rkbs.transformer import resizing
from rkbs.transformer.heads.records import Record
from verify.claims.deep import pruning as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import head_contests, resized_heads
from verify.studies.declared import digest
from verify.studies.resized_again import AGAIN
from verify.studies.resized_heads import DECLARED

WEIGHTS = {}


def trained_once(patch):
    """A model is trained once: sabotages of what is made of it start from the same weights."""
    right = head_contests.trained_model

    def trained_model(cell, declared):
        if (key := cell["for"]) not in WEIGHTS:
            fewer = declared | {"coupled": declared["coupled"] | {"steps": 80}}
            WEIGHTS[key] = right(cell, fewer)
        return copy.deepcopy(WEIGHTS[key])

    patch.setattr(head_contests, "trained_model", trained_model)


def tiny(short=False, seed=0):
    own = {"task": "reversal", "training": "coupled", "seed": 100, "iterations": 100}
    return [{"for": purpose, **own, "after growing": [20]} for purpose in ("cut", "grow")]


small = several(
    constants(resized_heads, configurations=tiny),
    constants(head_contests, continued=lambda *a: None),  # no check of two models is about it
    trained_once,
)


# ---- made results of the declared runs


def made(cell, declared):
    """A model as the study might measure it; the first is not at rest, and loses by its cut."""
    rng = np.random.default_rng([cell["seed"], *map(ord, cell["task"] + cell["training"])])
    coupled = cell["training"] == "coupled"
    far = coupled and (cell["task"], cell["seed"]) == ("counting", 0)
    found = {
        "declared": declared,
        "before": 2.0,
        "after": 0.4,
        "rest": 0.5 if far else 1e-3,
        **cell,
    }
    if cell["for"] == "cut":
        free = {"audit": 0.02 if far else 1e-5}
        free |= dict.fromkeys(("SVD over heads", "weighted SVD over heads"), 1e-5)
        dear = {way: 0.1 + rng.random() for way in ("even SVD", "rows by size", "ranks shuffled")}
        losses = {
            f"cut, slack {slack}": {"total": 5, "entries by size": 1e-5, **free, **dear}
            for slack in DECLARED["slack"][cell["training"]]
        }
        ranks = [2, 0, 1, 1] if coupled else [8, 8, 7, 8]
        return found | {"ranks": ranks, "dimension": 8, "losses": losses}
    ways = ("audit", "every head", "random directions", "every head, random directions", "none")
    values = {way: 0.4 + 1e-4 * k * (1 + rng.random()) for k, way in enumerate(ways)}
    found |= {"grown": [0, 0, 1, 2], "losses": {"grow, 20": values, "grow, 100": values}}
    return found | ({"apart": 1e-14, "slope": -0.1, "predicted": -0.1} if coupled else {})


def swept(run, work, cells, name):
    declared = digest(AGAIN if name.endswith("again") else DECLARED)
    return [made(cell, declared) for cell in cells]


in_full = several(
    constants(module, sweep=swept),
    constants(Run, pick=lambda self, quick, full: full),
)


def results(change):
    """What runs gave, changed in place."""
    return results_edited(module, lambda cell, result: change(result))


def losses(training, where, **values):
    """Losses of ways at one size of the change, with spaces for underscores."""
    named = {name.replace("_", " "): value for name, value in values.items()}

    def change(result):
        if result["training"] == training and where in result["losses"]:
            result["losses"][where].update(named)

    return results(change)


def of_seed(seed, **values):
    """Losses of the coupled models of a seed, cut to their certified ranks."""

    def change(result):
        if result["seed"] == seed and result["training"] == "coupled" and "ranks" in result:
            result["losses"][COUPLED].update(values)

    return results(change)


def swapped(where, one, other):
    def change(result):
        table = result["losses"].get(where)
        if table:
            table[one], table[other] = table[other], table[one]

    return results(change)


def negated(rows):
    return [replace(row, key=-row.key) for row in rows]


def other_batch(right):
    """Coefficients at other inputs than those of the loss: of keys in the reverse order."""

    def differentiate(self, call, gradient):
        right(self, call._replace(y=call.y.flip(0)), gradient)

    return differentiate


COUPLED, ADAMW = "cut, slack 0", "cut, slack -4"
broken = Subject("deep.pruning", in_full)
measured = Subject("deep.pruning", small)
SABOTAGES = [
    broken(
        "a run of another declaration",
        results(lambda r: r.update(declared="other")),
        noticed="another declaration",
    ),
    broken(
        "models that have not learned",
        results(lambda r: r.update(after=1.9)),
        noticed="loss after training",
    ),
    broken(
        "a slope that is not as it was said",
        results(lambda r: "slope" in r and r.update(slope=-0.09)),
        noticed="slope in a²",
    ),
    broken(
        "an audit of other ratios",
        results(lambda r: "apart" in r and r.update(apart=1e-6)),
        noticed="of the audit and of the rows",
    ),
    broken(
        "a cut at rest that is not free",
        of_seed(1, audit=0.02),
        noticed="at rest, cut to certified ranks",
    ),
    broken(
        "a new cut at rest that is not free",
        of_seed(5, audit=0.02),
        noticed="again, at rest, cut to certified ranks",
    ),
    broken(
        "a cut that is free short of rest, too",
        of_seed(0, audit=1e-5),
        noticed="not all at rest",
    ),
    broken(
        "no new model at rest",
        results(lambda r: r["seed"] > 3 and r.update(rest=0.2)),
        noticed="again, at rest",
    ),
    broken(
        "the audit's losses and those of even ranks, exchanged",
        swapped(COUPLED, "audit", "even SVD"),
        noticed="even SVD",
    ),
    broken(
        "shuffled ranks that are as good",
        losses("coupled", COUPLED, ranks_shuffled=1e-5),
        noticed="ranks shuffled",
    ),
    broken(
        "growth that is far better by the audit",
        losses("coupled", "grow, 20", audit=0.3),
        noticed="grow, 20: audit − random directions",
    ),
    broken(
        "SVD over heads that loses more than the audit",
        losses("coupled", COUPLED, SVD_over_heads=0.05),
        noticed="audit − SVD over heads",
    ),
    broken(
        "entries that lose more than the audit",
        losses("coupled", COUPLED, entries_by_size=0.05),
        noticed="audit − entries by size",
    ),
    broken(
        "an audit that is better after AdamW",
        losses("AdamW", ADAMW, weighted_SVD_over_heads=0.05),
        noticed="AdamW: cut, slack -4: audit − weighted",
    ),
    broken(
        "an audit that certifies less of AdamW's heads",
        results(lambda r: r["training"] == "AdamW" and "ranks" in r and r.update(ranks=[4] * 4)),
        noticed="certified rank by d",
    ),
    measured(
        "certified ranks in another order of heads",
        returned(head_contests, "certified_ranks", lambda ranks: ranks[::-1]),
        noticed="cut to certified ranks",
    ),
    measured(
        "v against u",
        returned(head_contests, "growth_rows", negated),
        noticed="slope in a²",
    ),
    measured(
        "coefficients of inputs of other examples",
        attribute(Record, "differentiate", other_batch),
        noticed="slope in a²",
    ),
    measured(
        "R with the singular vectors of M in it",
        attribute(resizing, "_outside", lambda right: lambda query, key, C: C),
        kind="slow",
        noticed="of the audit and of the rows",
    ),
    measured(
        "cuts that leave nothing of a head",
        attribute(resizing, "truncated", lambda right: lambda q, k, rank: (q[:0], k[:0])),
        kind="slow",
        noticed="cut to certified ranks",
    ),
    measured(
        "another scale of logits in grown heads",
        attribute(
            resizing, "_widen", lambda right: lambda maps, more: _other_scale(right, maps, more)
        ),
        kind="slow",
        noticed="slope in a²",
    ),
]


def _other_scale(right, maps, more):
    gain = maps.module.attend.gain.clone()
    right(maps, more)
    maps.module.attend.gain.copy_(gain)


test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_small_models = measured.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def test_declared_comparisons_are_judged():
    rows = broken.evidence().data["comparisons"]
    assert len(rows) == 12
    told = {row["name"]: row["verdict"] for row in rows}
    assert told["coupled: cut, slack 0: even SVD"] == "holds"
    assert told["AdamW: grow, 20: random directions"] == "holds"
    again = broken.evidence().data["comparisons again"]
    assert [(row["verdict"], row["of"]) for row in again] == [("holds", 12)] * 3


def test_a_quick_run_judges_no_comparison():
    assert measured.evidence().data["comparisons"] == []


def test_a_record_keeps_rises_and_falls():
    found = broken.evidence().data
    assert len(found["models"]) == 48
    assert len(found["again"]) == 12
    for model in found["models"]:
        assert {len(x) for x in model["losses"].values()} == {len(found["ways"][model["for"]])}
    grown = next(model for model in found["models"] if model["for"] == "grow")
    assert max(grown["losses"]["grow, 20"]) < 0
