"""sec5.infinite_dimension: its verdict, what changes it, and the arrangements in exact terms."""

import math
from functools import cache

import numpy as np
import pytest
from flint import arb, ctx
from sabotage import Subject, is_noticed
from sabotage.patches import constants, returned, several

from rkbs.data.gdsc import DataNotFoundError
from verify.claims.sec5 import infinite_dimension as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run
from verify.studies import text
from verify.studies.declared import digest
from verify.studies.text import DECLARED


@cache
def recorded():
    """The accuracies of the reference record."""
    return load_record("sec5.infinite_dimension", REFERENCE).evidence.data["accuracy"]


def as_recorded(patch):
    """Trained heads as recorded, and no figure: the laws alone are computed."""
    patch.setattr(module, "recalled", lambda run: {k: list(v) for k, v in recorded().items()})
    patch.setattr(module, "shown", list)


def accuracy(name, change):
    """Accuracies of one contestant, changed."""
    return returned(
        module, "recalled", lambda found: found | {name: [change(a) for a in found[name]]}
    )


broken = Subject("sec5.infinite_dimension", as_recorded)
SABOTAGES = [
    broken("EDP at a tenth of the temperature", returned(module, "by_edp", lambda s: s / 10)),
    broken(
        "L2 judged by T2",
        constants(module, FORMULAS=module.FORMULAS | {"L2": module.taylor(2)}),
        noticed="L2 distance: keys",
    ),
    broken("ranks short by one", returned(module, "rank", lambda r: r - 1), noticed="exact rank"),
    broken(
        "T2 judged by the distance",
        constants(module, FORMULAS=module.FORMULAS | {"T2": module.apart}),
        noticed="T2: keys",
    ),
    broken("T16 recalls nine of ten", accuracy("T16", lambda a: 0.9 * a), noticed="T16, 16"),
    broken("L2 recalls as T2", accuracy("L2", lambda a: a + 0.2), noticed="L2, best head"),
    broken("capped EDP as EDP", accuracy("capped ±1", lambda a: 1.0), noticed="capped"),
    broken("features that do not tell", returned(module, "by_features", lambda s: 1 / 16)),
]

ON_TEXT = [0.014, 0.022, 0.010, 0.019, 0.016]
with_text = Subject(
    "sec5.infinite_dimension", several(as_recorded, constants(module, on_text=lambda run: ON_TEXT))
)
SABOTAGES += [
    with_text(
        "L2 as good as the quadratic kernel on the text",
        returned(module, "on_text", lambda x: [value - 0.016 for value in x]),
        noticed="a text, d = 16",
    )
]
test_sabotage = is_noticed(SABOTAGES)


def test_the_text_is_told_where_it_was_computed():
    assert "nor on a text" not in broken.evidence().condition
    found = with_text.evidence()
    assert found.verdict is Verdict.HOLDS_IF
    assert "nor on a text" in found.condition
    assert found.data["text"] == ON_TEXT


def test_differences_on_the_text_are_those_of_the_declared_runs(monkeypatch):
    asked = []

    def sweep(run, work, cells, name):
        asked.extend(cells)
        return [
            {
                "declared": digest(DECLARED),
                "complete": True,
                "outcome": {"L2": 4.0, "quadratic": 3.5}[cell["kernel"]] + cell["seed"],
                "batches": f"{cell['seed']}",
            }
            for cell in cells
        ]

    monkeypatch.setattr(module, "sweep", sweep)
    monkeypatch.setattr(text, "encoded", lambda: None)
    assert module.on_text(Run()) == []
    assert asked == []
    assert module.on_text(Run("full")) == [0.5] * 5
    assert {(cell["kernel"], cell["d"]) for cell in asked} == {("L2", 16), ("quadratic", 16)}

    def missing():
        raise DataNotFoundError("no data set")

    monkeypatch.setattr(text, "encoded", missing)
    assert module.on_text(Run("full")) == []


def test_verdict():
    assert broken.evidence().verdict is Verdict.HOLDS_IF


@pytest.mark.parametrize("n", [7, 46])
def test_edp_on_a_circle_in_balls(n):
    with ctx.workprec(200):
        turn = 2 * arb.pi() / n
        beta = 8 / (1 - turn.cos())
        total = sum(((beta * ((turn * j).cos() - 1)).exp() for j in range(n)), arb(0))
        assert abs(1 / total - module.by_edp(n)) < 1e-9


def test_formulas_are_those_of_the_kernels():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 5, 3))
    a = np.array([[math.fsum(x * y) / math.sqrt(3) for y in k] for x in q])
    assert module.taylor(2)(q, k) == pytest.approx(1 + a + a * a / 2)
    assert module.apart(q, k)[1, 2] == pytest.approx(math.dist(q[1], k[2]))
    assert module.exponential(q, k) == pytest.approx(np.exp(a - a.max(1)[:, None]))


def test_every_pair_is_trained_on_the_same_budget(monkeypatch):
    pytest.importorskip("torch")
    seen = []

    def sweep(run, work, cells, name):
        seen.extend(cells)
        return [{"found": [{"accuracy": [k / 10]}]} for k in range(len(cells))]

    monkeypatch.setattr(module, "sweep", sweep)
    names = [*module.RIVALS, *module.RIVALS.values()]
    assert module.recalled(Run()) == {name: [k / 10] for k, name in enumerate(names)}
    assert [cell.pop("kernel") for cell in seen] == names
    assert all(cell == seen[0] for cell in seen)
    assert (seen[0]["d"], seen[0]["sizes"]) == (2, [module.KEYS])
