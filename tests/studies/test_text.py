"""The study on text: what was declared, that runs are pairs, and verdicts that can change."""

import copy
import math

import numpy as np
import pytest
from optional import module, torch

from rkbs.data.gdsc import DataNotFoundError
from verify.studies import text
from verify.studies.declared import digest
from verify.studies.findings import differences, judged, outcomes, rivals, unpaired
from verify.studies.text import (
    DECLARED,
    configurations,
    pilots,
    predictors,
    work,
)

transformer_helpers = module("transformer_helpers")


def test_the_hash_is_of_everything_that_was_declared(monkeypatch):
    before = digest(DECLARED)
    for name, other in (("margin", 0.006), ("seeds", [0]), ("recipe", {}), ("differences", [])):
        monkeypatch.setitem(DECLARED, name, other)
        assert digest(DECLARED) != before
        monkeypatch.undo()
    weights = copy.deepcopy(DECLARED["self_weight"])
    weights["2"]["8"]["EDP"] += 0.01
    monkeypatch.setitem(DECLARED, "self_weight", weights)
    assert digest(DECLARED) != before


def test_predictors_are_what_was_declared():
    """Of those that are quick to compute."""
    names = ("uniform", "T2", "quadratic", "L2")
    weights, sizes = predictors({name: text.KERNELS[name] for name in names})
    for d in ("2", "16"):
        assert sizes[d] == {name: DECLARED["feature_dim"][d][name] for name in names}
        for c, found in weights[d].items():
            declared = DECLARED["self_weight"][d][c]
            assert found == pytest.approx({k: declared[k] for k in names}, rel=2e-3)
    assert set(weights["2"]) == set(DECLARED["self_weight"]["2"])


def test_the_matrix_is_all_of_it():
    cells = configurations()
    assert len({(c["kernel"], c["d"], c["seed"]) for c in cells}) == len(cells) == 60
    named = {
        name
        for kind in ("differences", "equivalences")
        for *two, _ in DECLARED[kind]
        for name in two
    }
    assert named <= set(DECLARED["kernels"]) == set(text.KERNELS)
    few = configurations([7], steps=3, kernels=["L2"], dims=[16])
    assert few == [{"kernel": "L2", "d": 16, "seed": 7, "steps": 3}]


def test_the_pilots_are_of_what_is_said_to_be_equal_and_of_other_seeds():
    cells = [(c["kernel"], c["d"], c["seed"]) for c in pilots()]
    kernels = {name for *two, _ in DECLARED["equivalences"] for name in two}
    assert sorted(cells) == sorted((k, 16, s) for k in kernels for s in DECLARED["pilot_seeds"])
    assert not set(DECLARED["pilot_seeds"]) & set(DECLARED["seeds"])
    assert all(cell["steps"] is None for cell in pilots())


@pytest.fixture
def small(monkeypatch):
    rows = transformer_helpers.sentences()
    vocab = 1 + max(map(max, rows))
    monkeypatch.setattr(text, "encoded", lambda: (rows[:32], rows[32:], vocab))
    return rows


def test_runs_of_a_seed_are_pairs_and_repeat(small):
    torch.zeros(1)  # skipped where it is not installed
    cells = [{"kernel": k, "d": 2, "seed": s, "steps": None} for k in ("EDP", "L2") for s in (0, 1)]
    results = [work(cell, "cpu") for cell in cells]
    assert results[0] == work(cells[0], "cpu")
    assert len({result["outcome"] for result in results}) == 4
    assert {result["judged"] for result in results} == {sum(len(row) - 1 for row in small[32:])}
    found = outcomes(DECLARED, cells, results)  # which asks for the same batches
    assert differences(found, "L2", "EDP", 2) == [
        results[2]["outcome"] - results[0]["outcome"],
        results[3]["outcome"] - results[1]["outcome"],
    ]
    assert unpaired(cells, results) == []
    results[3]["batches"] = results[2]["batches"]
    assert unpaired(cells, results) == [1]
    with pytest.raises(ValueError, match=r"different batches of seeds \[1\]: they are no pairs"):
        outcomes(DECLARED, cells, results)


def test_what_was_not_declared_does_not_count(small):
    torch.zeros(1)
    short = {"kernel": "EDP", "d": 2, "seed": 0, "steps": 1}
    result = work(short, "cpu")
    assert not result["complete"]
    assert outcomes(DECLARED, [short], [result]) == {}
    assert outcomes(DECLARED, [short], [result], complete=False) == {
        ("EDP", 2): {0: result["outcome"]}
    }
    assert outcomes(DECLARED, [short], [result | {"declared": "another"}], complete=False) == {}
    whole = result | {"complete": True}
    assert outcomes(DECLARED, [short], [whole]) == {("EDP", 2): {0: result["outcome"]}}
    assert outcomes(DECLARED, [short], [whole | {"declared": "another"}]) == {}


def test_without_the_data_it_says_where_it_was_looked_for(monkeypatch, tmp_path):
    torch.zeros(1)
    monkeypatch.setenv("RKBS_DATA", str(tmp_path))
    text.encoded.cache_clear()
    with pytest.raises(DataNotFoundError, match=r"no data set 'multi30k' in .*RKBS_DATA"):
        work(configurations()[0], "cpu")


EXCESS = {"EDP": 0.0, "uniform": 0.05, "T2": 0.02, "T4": 0.0005, "quadratic": 0.001, "L2": 0.03}


def made(noise=0.001, seeds=5, excess=EXCESS, seed=0):
    """NLL 3.7 plus the kernel's excess, a part that the runs of a seed share, and noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.2, seeds)
    return {
        (name, d): dict(enumerate(3.7 + excess[name] + shared + rng.normal(0, noise, seeds)))
        for name in DECLARED["kernels"]
        for d in DECLARED["head_dims"]
    }


def verdicts(found, pilot=None):
    return [
        row["verdict"]
        for row in judged(DECLARED, found, made(seeds=2, seed=1) if pilot is None else pilot)
    ]


def test_clear_effects_are_found():
    rows = judged(DECLARED, made(), made(seeds=2, seed=1))
    kinds = [row["verdict"] for row in rows]
    # T4 and EDP at d = 2 differ by half the noise.
    assert kinds == ["holds"] * 5 + ["undecided"] + ["holds"] * 2
    first = rows[0]
    assert first["name"] == "uniform − EDP, d = 16"
    assert first["interval"][0] < 0.05 < first["interval"][1]
    assert max(first["interval"]) - min(first["interval"]) < 0.01


def test_sabotage_changes_the_verdicts():
    honest = verdicts(made())
    swapped = dict(EXCESS) | {"EDP": EXCESS["uniform"], "uniform": EXCESS["EDP"]}
    assert verdicts(made(excess=swapped))[:2] == ["reversed"] * 2
    rng = np.random.default_rng(0)
    unpaired = {
        key: dict(zip(runs, rng.permutation([*runs.values()]).tolist(), strict=True))
        for key, runs in made().items()
    }
    assert verdicts(unpaired) != honest
    assert "holds" not in verdicts(unpaired)
    same = dict.fromkeys(EXCESS, 0.0)
    assert "holds" not in verdicts(made(excess=same))[:6]


def test_equivalence_needs_its_power_and_its_seeds():
    noisy = made(seeds=2, noise=0.02, seed=3)
    assert verdicts(made(), noisy)[-2:] == ["undecided"] * 2
    assert verdicts(made(), {})[-2:] == ["undecided"] * 2  # no pilot, no power
    few = {key: {0: runs[0]} for key, runs in made().items()}
    assert verdicts(few) == ["missing"] * 8
    near = dict(EXCESS) | {"T4": 0.0055, "quadratic": -0.0055}
    assert verdicts(made(excess=near))[-2:] == ["undecided"] * 2
    different = dict(EXCESS) | {"T4": 0.02, "quadratic": -0.02}
    assert verdicts(made(excess=different))[-2:] == ["different"] * 2
    assert verdicts(made(excess=different), noisy)[-2:] == ["different"] * 2


def test_rivals_rank_kernels():
    found = rivals(DECLARED, made(), 2)
    weights = DECLARED["self_weight"]["2"]["8"]
    right = dict(zip(weights, [-w / 10 for w in weights.values()], strict=True))
    exact = rivals(DECLARED, made(noise=1e-6, excess=right), 2)
    assert exact["self-weight, logits ±8"] == pytest.approx((-1.0, -1.0, -1.0))
    assert exact["feature dimension"][0] > -0.9
    assert set(found) == {"feature dimension", *(f"self-weight, logits ±{c}" for c in (4, 8, 16))}
    assert all(low <= high and math.isfinite(middle) for middle, low, high in found.values())
    assert rivals(DECLARED, {("EDP", 2): {0: 3.0}}, 2) == {}
