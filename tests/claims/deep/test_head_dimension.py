"""deep.head_dimension: a small network, made results of the declared ones, and what changes it."""

import copy
from dataclasses import replace

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, returned, several, swept_once

from verify.claims.deep import head_dimension as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import deep_alone, deep_growth, surface_heads
from verify.studies.declared import digest
from verify.studies.deep_alone import grow_alone
from verify.studies.deep_growth import DECLARED, grow
from verify.studies.deep_heads import Head
from verify.studies.deep_training import DECLARED as TRAINING
from verify.studies.deep_training import train


def small(patch):
    """One head, fewer examples and steps, one surface at few dimensions."""
    patch.setattr(module, "QUICK", ((1, 1, 1),))
    model = {"d_model": 6, "d_ff": 4, "noise": 0.25, "examples": {"counting": 12}}
    patch.setitem(TRAINING, "model", model)
    patch.setitem(TRAINING, "adam", {"steps": 300, "rate": 1e-2})


KNOWN = {}


def trained_once(patch):
    """The network before it is grown is trained once."""

    def sweep(run, work, cells, name):
        if work is not train:
            return [work(copy.deepcopy(one), "cpu") for one in cells]
        for one in cells:
            if repr(one) not in KNOWN:
                KNOWN[repr(one)] = work(one, "cpu")
        return [copy.deepcopy(KNOWN[repr(one)]) for one in cells]

    patch.setattr(module, "sweep", sweep)


# ---- made results of the declared runs


def head(ratio, rank, dimension):
    return {
        "layer": 0,
        "head": 0,
        "ratio": ratio,
        "rank": rank,
        "dimension": dimension,
        "grown rank": rank + (ratio > 1),
        "grown ratio": 0.5,
        "spectrum": [1.0, ratio, 0.1],
        "grown spectrum": [1.0, 1.0, 0.1],
        "slope": 1.001 * (1 - ratio),
        "least drawn": 0.9,
    }


def made_grown():
    heads = [head(1.5, 1, 1), head(0.7, 1, 1), head(0.4, 1, 2), head(0.0, 0, 2), head(1.01, 2, 2)]
    return {
        "declared": digest(DECLARED),
        "before": 0.7,
        "after": 0.69,
        "off": 1e-8,
        "heads": heads,
    }


def made(run, work, cells, name):
    if work is train:
        return [{"off": 1e-8, "x": [0.0]} for _ in cells]
    if work is grow:
        return [made_grown() for _ in cells]
    ratios = [made_grown()["heads"][number % 3] for number in range(len(cells))]
    return [one | {"off": 1e-8, "gain": 0.0} for one in ratios]


def made_surface(name, d, seed):
    enough = d > 3
    return {
        "surface": name,
        "dimension": d,
        "rank": min(d, 3),
        "ratio": 0.8 if enough else 2.0,
        "gap": 1e-9 if enough else 0.1,
        "excess": 1e-12 if enough else 0.01,
    }


in_full = several(
    constants(module, sweep=made, certified=made_surface),
    constants(Run, pick=lambda self, quick, full: full),
)


def grown(change, of=grow):
    """What growing gave, changed in place."""

    def wrong(right):
        def sweep(run, work, cells, name):
            found = copy.deepcopy(right(run, work, cells, name))
            if work is of:
                for result in found:
                    change(result)
            return found

        return sweep

    return attribute(module, "sweep", wrong)


def heads(number, **values):
    names = {name.replace("_", " "): value for name, value in values.items()}
    return grown(lambda result: result["heads"][number].update(names))


def surface(enough, **values):
    return returned(
        module, "certified", lambda row: row | (values if (row["ratio"] <= 1) == enough else {})
    )


def late(right):
    return lambda *given: [
        result | ({"off": 1e-5} if number > 18 else {}) if "x" in result else result
        for number, result in enumerate(right(*given))
    ]


def turned(right):
    """Another direction than the singular vectors."""

    def beyond(self):
        u, sigma, v = right.func(self)
        return np.roll(u, 1), sigma, v

    return property(beyond)


def of_other_labels(right):
    def points(name, seed):
        X, Y, z = right(name, seed)
        return X, Y, z.T.reshape(z.shape)

    return points


def stronger(found):
    return {where: replace(one, pull=1.1 * one.pull) for where, one in found.items()}


subject = Subject("deep.head_dimension", in_full)
trained = Subject("deep.head_dimension", several(small, trained_once))
swept = Subject("deep.head_dimension", several(small, swept_once(module)))
SABOTAGES = [
    trained(
        "growth along another direction",
        attribute(Head, "beyond", turned),
        noticed="slope/−(σ − λ) − 1",
    ),
    trained(
        "C a tenth larger",
        returned(deep_growth, "heads_of", stronger),
        noticed="slope/−(σ − λ) − 1",
    ),
    trained(
        "no training after growth of a head alone",
        constants(deep_alone, settle=lambda network, x, *plan: x),
        noticed="alone: heads that do what was told",
    ),
    trained(
        "no training after growth",
        constants(deep_growth, settle=lambda network, x, *plan: x),
        noticed="heads that do what was told",
    ),
    swept(
        "a bound with half of the decay",
        attribute(
            surface_heads,
            "SchattenProblem",
            lambda f: lambda *a, alpha, **k: f(*a, alpha=alpha / 2, **k),
        ),
        noticed="surfaces: gap of heads with σ ≤ λ",
    ),
    swept(
        "a head of another surface",
        attribute(
            surface_heads,
            "trained",
            lambda f: lambda X, Y, z, *more: (*f(X[::-1], Y, z, *more)[:2], f(X, Y, z, *more)[2]),
        ),
        noticed="surfaces: ",
    ),
    subject(
        "a run of another declaration",
        grown(lambda result: result.update(declared="other")),
        noticed="another declaration",
    ),
    subject("networks that are not at rest", attribute(module, "sweep", late), noticed="networks"),
    subject(
        "a dimension that costs", grown(lambda r: r.update(after=0.71)), noticed="objective grown"
    ),
    subject("slopes off by a tenth", heads(0, slope=-0.55), noticed="slope/−(σ − λ) − 1"),
    subject("a steeper direction", heads(1, least_drawn=-0.2), noticed="drawn directions"),
    subject("a starved head that stays", heads(0, grown_rank=1), noticed="heads that do what"),
    subject("a head that grows untold", heads(2, grown_rank=2), noticed="share, lower end"),
    subject(
        "starved heads that stay when they alone may grow",
        grown(lambda r: r.update({"grown rank": r["rank"]}), grow_alone),
        noticed="alone: heads that do what",
    ),
    subject(
        "one head in three that stays alone",
        grown(lambda r: r["ratio"] > 1 and r.update({"grown rank": r["rank"]}), grow_alone),
        noticed="alone: share, lower end",
    ),
    subject("an idle head that grows", heads(3, grown_rank=1), noticed="idle heads"),
    subject("no starved heads", heads(0, ratio=0.5, slope=0.5, grown_rank=1), noticed="starved"),
    subject(
        "heads that full rank tells better",
        grown(lambda r: r["heads"][1].update({"grown rank": 2})),
        noticed="told right, less those by full rank",
    ),
    subject("a bound that is not met", surface(True, gap=1e-4), noticed="gap of heads with σ ≤ λ"),
    subject("an optimum that is not met", surface(True, excess=1e-4), noticed="over the solver's"),
    subject("starved heads at the bound", surface(False, gap=0.0), noticed="gap of starved heads"),
    subject("starved heads at the optimum", surface(False, excess=0.0), noticed="solver's − 1, le"),
]


test_verdict = trained.ends_in(Verdict.HOLDS)
test_holds_of_made_results = subject.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_the_table_counts_each_head_once():
    found = module.table(made_grown()["heads"])
    assert found == {
        "starved": {"grew": 1, "stayed": 0},
        "enough": {"grew": 0, "stayed": 2},
        "undecided": {"grew": 1, "stayed": 0},
        "idle": {"grew": 0, "stayed": 1},
    }
    assert module.by_full_rank(made_grown()["heads"]) == (2, 3)
