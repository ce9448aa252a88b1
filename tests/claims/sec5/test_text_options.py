"""sec5.text_options: its verdict on made outcomes of the declared runs, and what changes it."""

from functools import partial

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import constants, results_with, several

from rkbs.data.gdsc import DataNotFoundError
from verify.claims.sec5 import text_options as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import text, text_options
from verify.studies.declared import digest
from verify.studies.text_options import DECLARED, OPTIONS

TIED = "W^Q = W^K"
EXCESS = {"EDP": 0.0, "uniform": 0.08, "L2": 0.05}
TURNED = {"EDP": 0.0, "uniform": 0.08, "L2": -0.01}
"""With tied maps, as in the runs of the record."""


def excess(kernel, option):
    return (TURNED if option == TIED else EXCESS)[kernel]


def made(cell):
    """What a run might give: 3.7, the kernel's excess, a part that a seed's runs share, noise."""
    option = cell.get("option")
    noise = np.random.default_rng([cell["seed"], len(cell["kernel"]), len(option or "")])
    return {
        "declared": digest(DECLARED if option else text.DECLARED),
        "complete": cell["steps"] is None,
        "outcome": 3.7
        + excess(cell["kernel"], option)
        + np.random.default_rng(cell["seed"]).normal(0, 0.2)
        + noise.normal(0, 5e-4),
        "judged": 1000,
        "batches": f"{cell['seed']}",
        "curve": [5.0, 4.0],
    }


results = partial(results_with, module)
"""What runs gave, changed where a function of a cell and its result has something to say."""


def of(change, **where):
    """The results of some cells, changed."""
    return results(lambda c, r: change(c, r) if where.items() <= c.items() else None)


made_runs = several(
    constants(module, sweep=lambda run, work, cells, name: [made(cell) for cell in cells]),
    constants(text, encoded=lambda: None),
)
broken = Subject(
    "sec5.text_options", several(made_runs, constants(Run, pick=lambda self, quick, full: full))
)
SABOTAGES = [
    *(
        broken(
            f"{option}: EDP as bad as uniform attention",
            of(lambda c, r: {"outcome": r["outcome"] + 0.08}, option=option, kernel="EDP"),
            noticed=option,
        )
        for option in OPTIONS
    ),
    broken(
        "EDP and L2 under each other's names",
        results(
            lambda c, r: {
                "outcome": made(
                    c | {"kernel": {"EDP": "L2", "L2": "EDP"}.get(c["kernel"], c["kernel"])}
                )["outcome"]
            }
        ),
    ),
    broken(
        "seeds of L2 exchanged, and their batches told as if they were not",
        of(
            lambda c, r: {"outcome": made(c | {"seed": (c["seed"] + 1) % 3})["outcome"]},
            kernel="L2",
        ),
        noticed="p, by Holm",
    ),
    broken(
        "batches of L2 are others",
        of(lambda c, r: {"batches": "other"}, kernel="L2"),
        noticed="different batches",
    ),
    broken("a run cut short", of(lambda c, r: {"complete": False}, seed=1), noticed="length"),
    broken(
        "another declaration",
        of(lambda c, r: {"declared": "x"}, option="d = 4"),
        noticed="declaration",
    ),
]
test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def test_each_difference_is_of_runs_of_its_own_option():
    told = broken.evidence().data["table"]
    assert [(row["worse"], row["better"], row["option"]) for row in told] == [
        (*two, option) for option in OPTIONS for two in DECLARED["differences"]
    ]
    for row in told:
        assert np.mean(row["differences"]) == pytest.approx(row["mean"])
        assert row["mean"] == pytest.approx(excess(row["worse"], row["option"]), abs=2e-3)
        assert row["interval"][0] < row["mean"] < row["interval"][1]


def test_the_runs_of_each_option():
    cells = text_options.configurations()
    assert len(cells) == 3 * (2 + 2 + 2 + 3)
    own = {cell["option"] for cell in cells if cell["kernel"] == "uniform"}
    assert own == set(text_options.EPOCHS) == {"3 epochs"}


def test_an_order_that_is_turned_around_limits_the_statement(monkeypatch):
    found = broken.evidence()
    assert found.condition == "not with W^Q = W^K"
    assert {check.name.split(":")[0] for check in found.counterexamples} == {"L2 − EDP, W^Q = W^K"}
    full = several(made_runs, constants(Run, pick=lambda self, quick, full: full))
    full(monkeypatch)
    worse = of(lambda c, r: {"outcome": r["outcome"] + 0.06}, option=TIED, kernel="L2")
    with monkeypatch.context() as patch:
        worse(patch)
        assert module.text_option_differences(Run()).verdict is Verdict.HOLDS
    of(lambda c, r: {"outcome": r["outcome"] - 0.1}, kernel="L2")(monkeypatch)
    assert module.text_option_differences(Run()).verdict is Verdict.FAILS


def test_a_quick_run_does_not_try(monkeypatch):
    made_runs(monkeypatch)
    found = module.text_option_differences(Run())
    assert "--profile full" in found.skipped


def test_it_is_skipped_where_the_text_is_missing(monkeypatch):
    def missing():
        raise DataNotFoundError("no data set 'multi30k' in data")

    monkeypatch.setattr(text, "encoded", missing)
    assert module.text_option_differences(Run()).verdict is Verdict.SKIPPED
