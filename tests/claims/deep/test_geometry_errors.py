"""deep.geometry_errors: short trainings, made outcomes of the declared runs, what changes them."""

from functools import partial

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, results_edited, several, swept_once

from verify.claims.deep import geometry_errors as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import geometry_contest as study
from verify.studies.declared import digest
from verify.studies.geometry_contest import CONTESTANTS, DECLARED, TEACHERS

WIN = {"rank one": "rank-one descent", "orthogonal": "Muon", "sign vectors": "Lion"}
WIN |= {"few signs": "coordinate descent", "sign maps": "Muon"}
RANKED = ("rank-one descent", "normalized gradient", "Lion", "AdamW", "Muon", "coordinate descent")


def made(cell):
    """What a run might give: fewer errors where the norm suits, noise of its seed."""
    teacher, name, seeds = cell["teacher"], cell["optimizer"], cell["seeds"]
    place = [name == WIN[teacher], name == "normalized gradient"]
    mean = 0.1 if place[0] else 0.2 if place[1] and teacher == "rank one" else 0.3
    if teacher == "sign maps":
        mean = 0.2
    rng = np.random.default_rng([list(TEACHERS).index(teacher), RANKED.index(name)])
    noise = 0.01 * rng.normal(size=len(seeds))
    return {
        "declared": digest(DECLARED),
        "error": (mean + noise).tolist(),
        "least_error": (mean + noise - 0.01).tolist(),
        "effective_rank": (1 + RANKED.index(name) + noise).tolist(),
        "rank": [8] * len(seeds),
        "radius": [1.0] * len(seeds),
    }


def swept(run, work, cells, name):
    return [made(cell) for cell in cells]


results = partial(results_edited, module)
"""What runs gave, edited in place by a function of a cell and its result."""


def moved(teacher, name, key, by):
    """An optimizer's outcomes on a teacher moved."""

    def change(cell, result):
        if (cell["teacher"], cell["optimizer"]) == (teacher, name):
            result[key] = (np.asarray(result[key]) + by).tolist()

    return results(change)


def loud(cell, result):
    """Outcomes whose noise is as large as what tells them apart."""
    result["error"] = np.random.default_rng(1 + list(CONTESTANTS).index(cell["optimizer"])).normal(
        result["error"], 1.0
    )


in_full = several(
    constants(module, sweep=swept),
    constants(Run, pick=lambda self, quick, full: full),
    attribute(module, "cells", lambda right: lambda run: right(Run("full"))),
)
small = constants(module, COUNT=4, STEPS=100)
broken = Subject("deep.geometry_errors", in_full)
trained = Subject("deep.geometry_errors", several(small, swept_once(module)))
retrained = Subject("deep.geometry_errors", small)
SABOTAGES = [
    broken(
        "runs of another declaration",
        results(lambda c, r: r.update(declared="other")),
        noticed="another declaration",
    ),
    broken(
        "Muon no better on orthogonal teachers",
        moved("orthogonal", "Muon", "error", 0.2),
        noticed="orthogonal: error, normalized gradient − Muon, lower end",
    ),
    broken(
        "Lion better than gradients on rank one",
        moved("rank one", "Lion", "error", -0.2),
        noticed="rank one: error, Lion − normalized gradient",
    ),
    broken("noise as large as differences", results(loud), noticed="p by Holm"),
    broken(
        "ranks that norms do not order",
        moved("rank one", "Muon", "effective_rank", -3.0),
        noticed="effective rank of M, Muon − Lion",
    ),
    broken(
        "Lion ahead on maps of signs",
        moved("sign maps", "Lion", "error", -0.05),
        noticed="sign maps: error",
    ),
    trained(
        "gradients' outcomes for Muon's",
        results(lambda c, r: c["optimizer"] == "Muon" and r.update(error=[1.0] * 4)),
        noticed="orthogonal: error, normalized gradient − Muon",
    ),
    retrained(
        "Muon's optimizer for all",
        constants(study, CONTESTANTS=dict.fromkeys(CONTESTANTS, CONTESTANTS["Muon"])),
        noticed="rank one",
    ),
    retrained(
        "teachers of rank one for all",
        constants(study, TEACHERS=dict.fromkeys(TEACHERS, study.low_rank)),
        noticed="orthogonal: error, normalized gradient − Muon",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_small = retrained.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def test_a_full_run_is_what_was_declared():
    cells = module.cells(Run("full"))
    assert len(cells) == len(TEACHERS) * len(CONTESTANTS) == 30
    assert all(cell["seeds"] == DECLARED["seeds"] and cell["steps"] == 1000 for cell in cells)
    few = module.cells(Run(seed=1))
    assert {tuple(cell["seeds"]) for cell in few} == {tuple(range(508, 516))}


def test_seeds_share_their_pointers():
    one, start = study.drawn("orthogonal", [500])
    two, starts = study.drawn("orthogonal", [501, 500])
    np.testing.assert_array_equal(one[0].tokens[0], two[0].tokens[1])
    np.testing.assert_array_equal(one[2].keys[0], two[2].keys[1])
    np.testing.assert_array_equal(start[0], starts[1])


def test_the_radius_is_chosen_without_what_it_is_judged_by():
    cell = {"teacher": "orthogonal", "optimizer": "Muon", "seeds": [500, 501], "steps": 60}
    found = study.work(cell, "cpu")
    assert np.all(found["least_error"] <= found["error"])
    assert set(found["radius"]) <= set(CONTESTANTS["Muon"].radii)
