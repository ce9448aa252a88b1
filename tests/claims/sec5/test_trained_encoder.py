"""sec5.trained_encoder: its verdict on made outcomes of the declared cuts, and what changes it."""

from functools import partial

import numpy as np
import pytest
from sabotage import Subject, is_noticed, missed
from sabotage.patches import attribute, constants, results_with, returned, several

from verify.claims.sec5 import trained_encoder as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies.encoder import DECLARED, declared_hash

LEAST = 8
"""The order from which on made outcomes lose nothing."""
LOSS = {0: 0.08, 2: 0.05, 4: 0.03, 6: 0.02}
"""Of accuracy, by order."""
TESTED = 1800


def made_cosines(order, count, seed=0):
    """Sentence by sentence: 1e-4 from 1 at ``LEAST``, ten times as far for each lower order."""
    noise = np.random.default_rng([seed, order + 2]).uniform(0.5, 1.5, count)
    return (1 - np.minimum(1e-4 * 10.0 ** ((LEAST - order) / 2) * noise, 1)).tolist()


def made_correct(lost, seed=0):
    """1440 sentences of 1800 less those that are lost, of other ones 3 gained and 3 missed."""
    found = np.r_[np.ones(1440, int), np.zeros(360, int)]
    found[:3], found[-3:] = (0, 1) if lost else (1, 0)
    found[100 : 100 + round(lost * TESTED)] = 0
    return found.tolist()


def made(cell):
    """What a cell might give."""
    found = {"declared": declared_hash()}
    if cell["what"] == "cut":
        late = 2 * (cell["mode"] == "as they stand")
        found |= {"cosines": made_cosines(cell["order"] - late, 50), "least": 1.0}
        found |= {"turned": 0.01 * (cell["order"] % 2)}
        if cell["probe"]:
            found["correct"] = made_correct(LOSS.get(cell["order"], 0.0))
    elif cell["what"] == "layer":
        found["cosines"] = [made_cosines(order + 2, 20) for order in cell["orders"]]
    else:
        lost = {"exact": 0.0, "cut": 0.02}.get(cell["of"], 0.05)
        found["correct"] = made_correct(lost)
    return found


def swept(run, work, cells, name):
    return [made(cell) for cell in cells]


PREDICTED = {name: said for name, said in DECLARED["predicted"].items() if name.startswith("by")}
APART = {"exact": 1e-7, "cut at 4": 1e-7, "TaylorEDP(4)": 1e-7}
made_runs = constants(
    module,
    sweep=swept,
    lacking=lambda: "",
    computed_anew=lambda count: dict(APART),
    of_logits=lambda count, whole: ([], PREDICTED if whole else {}),
)
in_full = several(made_runs, constants(Run, pick=lambda self, quick, full: full))


results = partial(results_with, module)
"""What runs gave, changed where a function of a cell and its result has something to say."""


def of(change, **where):
    """The results of some cells, changed."""
    return results(lambda c, r: change(c, r) if where.items() <= c.items() else None)


def cosines_of(other):
    """The cosines of another order."""
    return lambda c, r: {"cosines": made_cosines(other(c["order"]), 50)}


def accuracy_by(lost):
    return lambda c, r: {"correct": made_correct(lost)} if "correct" in r else None


broken = Subject("sec5.trained_encoder", in_full)
computed = Subject("sec5.trained_encoder", kind="slow")


def in_encoder(name, wrong):
    """A patch of what computes with the encoder itself, which loads torch."""

    def patch(monkeypatch):
        from verify.studies import encoder_cut

        attribute(encoder_cut, name, wrong)(monkeypatch)

    return patch


def rolled(order, vectors, cuts):
    """Vectors of the highest order beside those of other sentences."""
    return vectors.roll(int(order == 16), 0), cuts


SABOTAGES = [
    broken(
        "cosines of orders 16 and 0 exchanged",
        of(cosines_of(lambda n: {0: 16, 16: 0}.get(n, n)), what="cut", text="sst", mode="centered"),
        noticed="order 8",
    ),
    broken(
        "cosines of Multi30k lost at order 16 alone",
        of(cosines_of(lambda n: 2), what="cut", text="multi30k", order=16, mode="centered"),
        noticed="order 14",
    ),
    broken(
        "the probe's answers of order 16 are another order's",
        of(accuracy_by(0.08), what="cut", text="sst", order=16),
        noticed="order 14",
    ),
    broken(
        "half of the answers of order 16 shuffled",
        of(
            lambda c, r: {"correct": np.random.default_rng(0).permutation(r["correct"]).tolist()},
            what="cut",
            text="sst",
            order=16,
        ),
        noticed="accuracy",
    ),
    broken(
        "a cut of another declaration",
        of(lambda c, r: {"declared": "another"}, what="cut", order=3, text="multi30k"),
        noticed="another declaration",
    ),
    broken(
        "another encoder than numpy's",
        returned(module, "computed_anew", lambda found: found | {"exact": 1e-4}),
        noticed="exact: vectors",
    ),
    broken(
        "another cut than numpy's",
        returned(module, "computed_anew", lambda found: found | {"cut at 4": np.nan}),
        noticed="cut at 4: vectors",
    ),
    broken(
        "another kernel of the library than numpy's",
        returned(module, "computed_anew", lambda found: found | {"TaylorEDP(4)": 1e-3}),
        noticed="TaylorEDP(4): vectors",
    ),
    broken(
        "the bag of tokens as good as the encoder",
        of(lambda c, r: {"correct": made_correct(0.0)}, what="probe", of="bag of tokens"),
        noticed="baseline",
    ),
    broken(
        "orders that the logits do not predict",
        returned(
            module,
            "of_logits",
            lambda found: (found[0], PREDICTED | {"by the largest logit": {}}),
        ),
        noticed="predict other orders",
    ),
    computed(
        "exp in place of the cut series",
        in_encoder("series", lambda right: lambda a, order: a.exp()),
        noticed="cut at 4: vectors",
    ),
    computed(
        "the cubic term of the series left out",
        in_encoder("series", lambda right: lambda a, N: right(a, N) - (a**3 / 6 if N > 2 else 0)),
        noticed="cut at 4: vectors",
    ),
    computed(
        "vectors of cuts beside those of other sentences",
        in_encoder("cut_vectors", lambda right: lambda *a, **k: rolled(a[3], *right(*a, **k))),
        noticed="order 12",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def found_with(monkeypatch, *patches):
    for patch in (in_full, *patches):
        patch(monkeypatch)
    return module.trained_encoder(Run())


def test_the_condition_tells_the_least_order_that_is_kept():
    found = broken.evidence()
    assert found.condition == (
        "the series is cut below order 8, of logits less their row's mean; as they stand, kept: "
        "cosine, sst from order 12 on; accuracy from order 8 on; cosine, multi30k from order 10 on"
    )
    assert found.data["least"]["centered"] == {
        "all": 8,
        "cosine, sst": 8,
        "accuracy": 8,
        "cosine, multi30k": 8,
    }
    assert [row["least"] for row in found.data["layers"]] == [6] * 6
    assert {check.name.split(":")[0] for check in found.counterexamples} == {
        f"order {order}" for order in range(8, 17, 2)
    }
    assert len(found.counterexamples) == 5 * 4


def test_an_order_that_is_undecided_is_told_and_is_no_part_of_the_condition(monkeypatch):
    at = {"what": "cut", "order": 6}
    near = of(lambda c, r: {"cosines": made_cosines(8, 50)}, text="multi30k", **at)
    wide = {"cosines": [0.99] + [1.0] * 9, "correct": made_correct(0.0)}
    found = found_with(monkeypatch, near, of(lambda c, r: wide, text="sst", **at))
    assert found.verdict is Verdict.HOLDS_IF, missed(found)
    assert "less their row's mean, undecided: order 6; as they stand" in found.condition
    assert not any("order 6" in check.name for check in found.checks)


def test_what_no_order_keeps_as_it_stands_is_told(monkeypatch):
    patch = of(cosines_of(lambda n: 4), what="cut", text="sst", mode="as they stand")
    found = found_with(monkeypatch, patch)
    assert found.verdict is Verdict.HOLDS_IF, missed(found)
    assert "as they stand, kept: cosine, sst by no order up to 16; accuracy" in found.condition


def test_it_can_hold(monkeypatch):
    """Where each cut loses something, if only on one text."""
    patch = of(cosines_of(lambda n: min(n, 4)), what="cut", text="multi30k")
    found = found_with(monkeypatch, patch)
    assert found.verdict is Verdict.HOLDS, missed(found)
    assert found.data["least"]["centered"]["all"] is None
    assert found.data["least"]["centered"]["cosine, sst"] == 8


def test_it_can_fail(monkeypatch):
    """Where uniform attention loses nothing: there is no condition then."""
    near, right = made_cosines(16, 50), made_correct(0.0)
    patch = of(lambda c, r: {"cosines": near} | {n: right for n in r if n == "correct"}, what="cut")
    found = found_with(monkeypatch, patch)
    assert found.verdict is Verdict.FAILS, missed(found)
    assert found.condition == ""


def test_a_gain_of_more_than_the_margin_is_not_nothing(monkeypatch):
    more = np.r_[np.ones(1500, int), np.zeros(300, int)].tolist()
    patch = of(lambda c, r: {"correct": more}, what="cut", text="sst", order=12)
    found = found_with(monkeypatch, patch)
    assert found.data["least"]["centered"]["all"] == 14


def test_a_quick_run_has_cosines_of_other_sentences(monkeypatch):
    made_runs(monkeypatch)
    found = module.trained_encoder(Run())
    assert found.verdict is Verdict.HOLDS_IF, missed(found)
    assert found.data["probes"] == found.data["predicted"] == {}
    assert {row["accuracy"] for row in found.data["rows"]} == {None}
    assert not any("accuracy" in c.name for c in (*found.checks, *found.counterexamples))


def test_it_is_skipped_where_something_is_missing(monkeypatch):
    monkeypatch.setattr(module, "lacking", lambda: "no model.safetensors in data")
    found = module.trained_encoder(Run())
    assert found.verdict is Verdict.SKIPPED
    assert found.skipped == "no model.safetensors in data"


def test_numpy_judges_the_encoder_and_the_librarys_kernel(tmp_path, monkeypatch):
    """On a small encoder: near it is, and far where the folder's weights are others."""
    bert_helpers = pytest.importorskip("bert_helpers")
    from rkbs.transformer import load_encoder, pretrained
    from verify.studies import encoder_cut

    path = bert_helpers.write(tmp_path / "model")
    mine = load_encoder(path)
    monkeypatch.setattr(pretrained, "minilm_folder", lambda: path)
    monkeypatch.setattr(encoder_cut, "encoder", lambda: mine)
    monkeypatch.setattr(encoder_cut, "sentences", lambda *where: bert_helpers.SENTENCES[:2])
    found = module.computed_anew(2)
    assert set(found) == set(APART)
    assert max(found.values()) < module.ROUNDING
    exact = mine.encode(bert_helpers.SENTENCES)
    bert_helpers.write(path, weights=bert_helpers.tensors(seed=1))
    assert min(module.computed_anew(2).values()) > module.ROUNDING
    assert (mine.encode(bert_helpers.SENTENCES) == exact).all()  # it is as it was
