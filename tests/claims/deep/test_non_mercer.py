"""deep.non_mercer: small trained models, made results of the declared ones, and what changes it."""

import copy
from dataclasses import replace

import numpy as np
from sabotage import Subject, is_noticed, missed
from sabotage.patches import attribute, constants, results_edited, returned, several, swept_once

from rkbs.transformer import auditing
from rkbs.transformer.heads import structure as structures
from rkbs.transformer.heads.records import Record
from verify.claims.deep import non_mercer as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import gram_ascent, head_measures, trained_forms
from verify.studies.declared import digest
from verify.studies.trained_forms import DECLARED

TINY = {"d_model": 24, "heads": 3, "layers": 1, "sentences": 160}
TINY |= {"steps": 60, "lr": 1e-2, "warmup": 10}


def tiny(short=False, seed=0):
    return [{"kind": kind, "seed": 100 + seed, **TINY} for kind in ("causal", "tied")]


WEIGHTS = {}


def trained_once(patch):
    """A model is trained once: sabotages of what is measured start from the same weights."""
    right = head_measures.train

    def train(model, batches, loss, recipe):
        if (key := repr(model)) not in WEIGHTS:
            right(model, batches, loss, recipe)
            WEIGHTS[key] = copy.deepcopy(model.state_dict())
        model.load_state_dict(WEIGHTS[key])

    patch.setattr(head_measures, "train", train)


small = several(
    constants(trained_forms, configurations=tiny),
    constants(gram_ascent, COUNTS=(2, 3, 8)),
    trained_once,
)


# ---- made results of the declared runs


def row(kind, head, seed=0):
    """A head as the study might measure it."""
    rng = np.random.default_rng([seed, head, len(kind)])
    tied, d = kind == "tied", 32 if kind == "trained encoder" else 16
    told = {
        "effective_rank": 0.8 * d,
        "antisymmetric_share": 0.0 if tied else 0.3 + 0.2 * rng.random(),
        "weighted_effective_rank": 0.6 * d,
        "weighted_negative_mass": 0.0 if tied else 0.3,
        "positive": d,
        "negative": 0 if tied else d,
        "exchanged": 0.0 if tied else 0.1 + 0.1 * rng.random(),
        "largest_exchange": -0.5 if tied else 4.0,
        "is_mercer": tied,
    }
    before = told | {
        "effective_rank": 0.9 * d,
        "antisymmetric_share": 0.5,
        "weighted_negative_mass": 0.5,
        "exchanged": 0.5,
    }
    points = {
        "points": None if tied else 2,
        "ratio": -1e-16 if tied else -0.9,
        "at two points": 0.0 if tied else -0.9,
        "exactly negative": not tied,
        "audit error": 1e-14,
        "turned": {"antisymmetric_share": [0.49, 0.02], "negative_mass": [0.5, 0.02]},
    }
    return {"kind": kind, "layer": "l", "head": head, "dimension": d, "trained": told} | (
        points | ({} if kind == "trained encoder" else {"untrained": before})
    )


def made(cell):
    declared = {"declared": digest(DECLARED)}
    if cell["kind"] == "trained encoder":
        return declared | {"heads": [row(cell["kind"], h) for h in range(72)], "lacking": ""}
    kinds = ["encoder", "decoder"] if cell["kind"] == "translator" else [cell["kind"]]
    heads = [row(kind, h, cell["seed"]) for kind in kinds for h in range(8)]
    return declared | {"seed": cell["seed"], "heads": heads, "before": 5.0, "after": 1.0}


def swept(run, work, cells, name):
    return [made(cell) for cell in cells]


in_full = several(
    constants(module, sweep=swept), constants(Run, pick=lambda self, quick, full: full)
)


def results(change):
    """What runs gave, changed in place."""
    return results_edited(module, lambda cell, result: change(result))


def heads(kinds, change):
    """The first head of some kinds in each result, changed."""

    def first(result):
        mine = [one for one in result["heads"] if one["kind"] in kinds]
        for one in mine[:1]:
            change(one)

    return results(first)


def told(**values):
    return lambda one: one["trained"].update(values)


UNTIED = ("causal", "encoder", "decoder")
ENCODER = ("trained encoder",)
broken = Subject("deep.non_mercer", in_full)
trained = Subject("deep.non_mercer", several(small, swept_once(module)))
retrained = Subject("deep.non_mercer", small)
SABOTAGES = [
    broken(
        "a run of another declaration",
        results(lambda r: r.update(declared="other")),
        noticed="another declaration",
    ),
    broken(
        "models that have not learned",
        results(lambda r: "after" in r and r.update(after=4.0)),
        noticed="error after training",
    ),
    broken(
        "a Mercer head", heads(UNTIED, told(is_mercer=True)), noticed="untied: heads that are M"
    ),
    broken(
        "a head not known", heads(UNTIED, told(is_mercer=None)), noticed="untied: heads that are"
    ),
    broken(
        "a head with a negative direction less",
        heads(UNTIED, told(negative=15)),
        noticed="without d positive and d negative",
    ),
    broken(
        "a head of which no two inputs show it",
        heads(UNTIED, told(exchanged=0.0)),
        noticed="untied: heads of which no two inputs",
    ),
    broken(
        "two inputs that favor each other by nothing",
        heads(ENCODER, told(largest_exchange=0.0)),
        noticed="trained encoder: λ_min/λ_max of two inputs",
    ),
    broken(
        "three points", heads(UNTIED, lambda h: h.update(points=3)), noticed="fewest points found"
    ),
    broken(
        "no points", heads(ENCODER, lambda h: h.update(points=None)), noticed="fewest points found"
    ),
    broken(
        "an ascent that ends above its start",
        heads(UNTIED, lambda h: h.update(ratio=-0.8)),
        noticed="that of two points along v",
    ),
    broken(
        "two points that do not show it exactly",
        heads(ENCODER, lambda h: h.update({"exactly negative": False})),
        noticed="trained encoder: heads whose two points",
    ),
    broken(
        "a tied head with inputs that show it",
        heads(("tied",), told(exchanged=0.01)),
        noticed="tied: heads of which two points or inputs",
    ),
    broken(
        "a tied head with a negative eigenvalue",
        heads(("tied",), lambda h: h.update(ratio=-1e-11)),
        noticed="2 to 64 points",
    ),
    broken(
        "ranks that training does not change",
        results(lambda r: [h["trained"].update(effective_rank=99.0) for h in r["heads"]]),
        noticed="training lowers the effective rank",
    ),
    broken(
        "ranks that inputs do not change",
        results(lambda r: [h["trained"].update(weighted_effective_rank=99.0) for h in r["heads"]]),
        noticed="covariance lowers the effective rank",
    ),
    broken("an encoder of 71 heads", results(lambda r: _cut(r)), noticed="trained encoder: heads"),
    broken(
        "a large share", heads(ENCODER, told(antisymmetric_share=0.9)), noticed="share, largest"
    ),
    broken("a small share", heads(ENCODER, told(antisymmetric_share=0.01)), noticed="share, least"),
    broken(
        "an encoder whose inputs are exchanged as at random",
        results(
            lambda r: [
                h["trained"].update(exchanged=0.5) for h in r["heads"] if h["kind"] in ENCODER
            ]
        ),
        noticed="exchanged pairs, mean",
    ),
    trained(
        "tied heads for untied ones",
        results(lambda r: _named(r, "tied", "causal")),
        noticed="untied: heads that are Mercer",
    ),
    trained(
        "untied heads for tied ones",
        heads(("causal",), lambda one: one.update(kind="tied")),
        noticed="tied: heads that are not Mercer",
    ),
    retrained(
        "W_Q = W_K in all models",
        attribute(head_measures, "TransformerConfig", lambda right: _tied(right, True)),
        noticed="untied: heads that are Mercer",
    ),
    retrained(
        "W_Q ≠ W_K in the tied model",
        attribute(head_measures, "TransformerConfig", lambda right: _tied(right, False)),
        noticed="tied: heads that are not Mercer",
    ),
    retrained(
        "no training",
        constants(head_measures, train=lambda *a: None),
        noticed="error after training",
    ),
    retrained(
        "S for M in the audit",
        returned(structures, "form_within", lambda core: (core + core.T) / 2),
        noticed="audit − M itself",
    ),
    retrained(
        "the covariance of the inputs is the identity",
        returned(auditing, "covariance_root", lambda root: np.eye(len(root))),
        noticed="covariance lowers the effective rank",
    ),
    retrained(
        "pairs counted where they are not exchanged",
        attribute(Record, "_count_exchanged", lambda right: _others(right)),
        noticed="tied: heads of which two points or inputs",
    ),
    retrained(
        "an ascent that finds nothing",
        returned(head_measures, "fewest", lambda found: replace(found, n=None)),
        noticed="fewest points found",
    ),
    retrained(
        "the ascent of −M",
        attribute(head_measures, "fewest", lambda right: lambda f, *a: right(-f, *a)),
        noticed="of 2 to 64 points",
    ),
    retrained(
        "hᵀMh with the other sign",
        attribute(head_measures, "dot", lambda right: lambda q, k: -right(q, k)),
        noticed="whose two points do not show it exactly",
    ),
    retrained(
        "W_Q in place of the turned W_K",
        attribute(
            head_measures,
            "turned_at_random",
            lambda right: lambda q, k, count, rng: {"antisymmetric_share": [0.0, 0.0]},
        ),
        noticed="turned at random",
    ),
]


def _cut(result):
    if result["heads"][0]["kind"] in ENCODER:
        result["heads"].pop()


def _named(result, old, new):
    for one in result["heads"]:
        one["kind"] = new if one["kind"] == old else one["kind"]


def _tied(right, tie):
    return lambda **options: right(**options | {"tie_query_key": tie})


def _others(right):
    def count(self, products, seen):
        right(self, -products, seen)

    return count


test_verdict = broken.ends_in(Verdict.HOLDS)
test_small_models = retrained.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_declared_differences_are_judged():
    rows = broken.evidence().data["differences"]
    assert [entry["verdict"] for entry in rows][:3] == ["holds"] * 3
    assert rows[3]["verdict"] in ("undecided", "holds", "reversed")
    cells = [{"kind": kind, "seed": s} for s in range(5) for kind in DECLARED["kinds"]]
    other = [made(cell) for cell in cells]
    for result in other:
        for one in result["heads"]:
            one["trained"]["exchanged"] = 0.7 + 0.001 * result["seed"]
            one["trained"]["weighted_negative_mass"] = 0.5 + 0.01 * (-1) ** result["seed"]
    verdicts = [entry["verdict"] for entry in module.judged(other)]
    assert verdicts[:3] == ["holds", "undecided", "reversed"]


def test_a_quick_run_judges_no_difference():
    assert retrained.evidence().data["differences"] == []


def test_what_the_encoder_lacks_is_told(monkeypatch):
    in_full(monkeypatch)
    lacking = {"declared": digest(DECLARED), "heads": [], "lacking": "no weights in data"}
    change = results(lambda r: "after" in r or (r.clear(), r.update(lacking)))
    change(monkeypatch)
    found = module.non_mercer(Run())
    assert found.verdict is Verdict.HOLDS, missed(found)
    assert found.data["trained encoder"] == "no weights in data"
    assert not [check for check in found.checks if "trained encoder" in check.name]


def test_batches_have_no_padding():
    rows = {"source": [[1, 2], [1, 2, 3], [4, 5]], "target": [[1], [2], [3]]}
    batches = head_measures.of_one_length(rows)
    assert [batch["source"].tolist() for batch in batches] == [[[1, 2], [4, 5]], [[1, 2, 3]]]
    assert [batch["target"].tolist() for batch in batches] == [[[1], [3]], [[2]]]


def test_a_head_turned_at_random_keeps_the_sizes_of_its_maps():
    rng = np.random.default_rng(0)
    query, key = rng.normal(size=(3, 30)), rng.normal(size=(3, 30))
    found = head_measures.turned_at_random(query, key, 300, rng)
    mean, deviation = found["antisymmetric_share"]
    assert abs(mean - (1 - 1 / 30) / 2) < 4 * deviation / 300**0.5
    tied = head_measures.turned_at_random(query, query, 50, rng)
    assert tied["antisymmetric_share"][0] > 0.3  # a tied head, turned, is as any


def test_an_encoder_that_is_not_here_is_told(monkeypatch):
    monkeypatch.setattr(head_measures, "load_encoder", _missing)
    found = head_measures.of_encoder(5, 2)
    assert found == {"heads": [], "lacking": "no config.json in nowhere"}


def _missing():
    raise FileNotFoundError("no config.json in nowhere")
