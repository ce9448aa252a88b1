"""Real input, kinase binding: DeepDTA's folds, new drugs and new targets, beside LightGBM."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from rkbs.data.davis import DAVIS_SOURCE, load_davis
from rkbs.data.gdsc import DataNotFoundError
from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest
from verify.harness.ledger import claim
from verify.harness.paths import ROOT
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.drug_response import BY_HAND, GAP, KKT
from verify.studies.kinase_binding import IDENTITY, MEANS, work
from verify.studies.kinase_splits import COLD, KNOWN, PARTS, SEEDS

LIGHTGBM = ROOT / "benchmarks" / "davis.json"
"""What ``benchmarks/davis.py`` found on the same splits: a record, not part of a run."""
PUBLISHED = {
    "KronRLS": {"mse": 0.379, "c_index": 0.871},
    "SimBoost": {"mse": 0.282, "c_index": 0.872},
    "DeepDTA": {"mse": 0.261, "c_index": 0.878},
}
"""On the same test list, as Öztürk et al. (2018) have them: nothing here decides by them."""
MSE, C_INDEX = 0.16, 0.915
"""What was asked of the test list, before this was written: a pilot by hand had 0.155 and 0.918
(published machines 0.261 and 0.878), of which a thirtieth is left for choices that are not by hand.
"""
AHEAD = 2
"""Of the three cold settings, those in which more than chance must be between LightGBM and us."""
APART = {
    KNOWN: ("pairs",),
    "new drugs": ("drugs",),
    "new targets": ("sequences",),
    "both new": ("drugs", "sequences"),
}
"""What no training pair may have in common with those that are predicted."""
CHOSEN, TREES = "chosen of these", "LightGBM"
_LEVEL = 0.05


def recorded() -> dict[str, Any]:
    """LightGBM's record: by split its scores, and the circumstances beside."""
    return json.loads(LIGHTGBM.read_text(encoding="utf-8"))


def interval(values: Sequence[float], parts: int = PARTS) -> tuple[float, float]:
    """The t interval of a mean over splits that train on much the same.

    Its variance has 1/k + n_test/n_train in place of 1/k (Nadeau & Bengio 2003), of which a
    ``parts``-th is left out; without bounds where there is one split.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return -math.inf, math.inf
    error = x.std(ddof=1) * math.sqrt(1 / len(x) + 1 / (parts - 1))
    half = float(stdtrit(len(x) - 1, 1 - _LEVEL / 2) * error)
    return float(x.mean() - half), float(x.mean() + half)


def scored(run: Run, trees: dict[str, Any]) -> list[dict[str, Any]]:
    """Each split with the scores of all contestants, those of the choice and of LightGBM too."""
    quick = run.profile == "quick"
    cells = [
        {"setting": setting, "seed": seed, "quick": quick}
        for seed in range(run.pick(quick=1, full=SEEDS))
        for setting in COLD
    ]
    cells.append({"setting": KNOWN, "seed": 0, "quick": quick})
    rows, by_split = [], {row["split"]: row for row in trees["found"]}
    for cell, result in zip(cells, sweep(run, work, cells, "data.davis"), strict=True):
        found = result["found"] | {CHOSEN: result["found"][result["chosen"]]}
        if result["split"] in by_split:
            found[TREES] = by_split[result["split"]]
        rows.append(cell | result | {"found": found})
    return rows


def of(rows: list[dict[str, Any]], setting: str, name: str, score: str = "mse") -> np.ndarray:
    """A contestant's scores by split; NaN where it has none."""
    found = (row["found"].get(name, {}) for row in rows if row["setting"] == setting)
    return np.array([one.get(score, math.nan) for one in found])


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the splits of a setting, with their intervals."""
    kept = []
    for setting in (KNOWN, *COLD):
        names = next(row["found"] for row in rows if row["setting"] == setting)
        for name in names:
            scores = {score: of(rows, setting, name, score) for score in ("mse", "c_index")}
            kept.append(
                {"setting": setting, "predictor": name}
                | {score: float(values.mean()) for score, values in scores.items()}
                | {f"{score} interval": interval(values) for score, values in scores.items()}
            )
    return kept


def told(row: dict[str, Any]) -> dict[str, Any]:
    """What a record keeps of a split: the choice, and every contestant's error."""
    kept = {name: row[name] for name in ("setting", "seed", "split", "chosen")}
    return kept | {"mse": {name: drawn(one["mse"]) for name, one in row["found"].items()}}


def _soundness(rows: list[dict[str, Any]]) -> list[Check]:
    """Every fit is certified by hand, nothing is fitted that is predicted, and splits are one."""
    fits = [
        one | {"ridge": name.startswith("ridge")}
        for row in rows
        for name, one in row["found"].items()
        if "residual" in one
    ]
    gaps = [one for one in fits if not one["ridge"]]
    residuals = [one for one in fits if one["ridge"]]
    common = (row["shared"][kind] for row in rows for kind in APART[row["setting"]])
    lacking = sum(TREES not in row["found"] for row in rows)
    return [
        Check("worst duality gap of the nuclear norm", greatest(gaps, key="residual"), "<=", GAP),
        Check(
            "worst residual of the ridge equation", greatest(residuals, key="residual"), "<=", KKT
        ),
        Check("worst prediction against Σ A k_X k_Y", greatest(fits, key="by_hand"), "<=", BY_HAND),
        Check("what is new and was fitted", greatest(*common), "==", 0),
        Check("splits that LightGBM's record does not have", lacking, "==", 0),
    ]


def _known(rows: list[dict[str, Any]]) -> list[Check]:
    error, order = (of(rows, KNOWN, CHOSEN, score).item() for score in ("mse", "c_index"))
    ahead = of(rows, KNOWN, TREES).item() - error
    return [
        Check("test list: MSE", error, "<=", MSE),
        Check("test list: C-index", order, ">=", C_INDEX),
        Check(f"test list: MSE of {TREES} less ours", ahead, ">", 0),
    ]


def _cold(run: Run, rows: list[dict[str, Any]]) -> tuple[list[Check], list[dict[str, Any]]]:
    checks, margins = [], []
    for setting in COLD:
        ours = of(rows, setting, CHOSEN)
        for other in (MEANS, *([IDENTITY] if run.profile == "full" else [])):
            margin = float((of(rows, setting, other) - ours).mean())
            checks.append(Check(f"{setting}: MSE of {other} less ours", margin, ">", 0))
        margin = of(rows, setting, TREES) - ours
        low, high = interval(margin)
        margins.append({"setting": setting, "mean": float(margin.mean()), "low": low, "high": high})
    # One split has no interval: there the sign is all that is asked.
    sign = "low" if run.profile == "full" else "mean"
    ahead = sum(margin[sign] > 0 for margin in margins)
    checks.append(Check(f"cold settings in which we are ahead of {TREES}", ahead, ">=", AHEAD))
    return checks, margins


@claim(
    title="Kinase binding: known pairs, new drugs, new targets",
    origin="ours",
    finding={
        Verdict.HOLDS: "Low rank with the published similarities beats published machines on "
        "DeepDTA's test list, and LightGBM on it, on new drugs and on new targets."
    },
    statement="On the kinase data of Davis et al. (68 drugs × 442 targets) a machine of this "
    "library, every choice made inside the training pairs, has a C-index of 0.915 at least and a "
    "mean squared error of 0.16 at most on DeepDTA's test list; of new drugs, of new targets and "
    "of both it predicts better than what sees no features, and beyond chance better than LightGBM "
    "in at least two of the three.",
    source="Theory §3, reading C; data of Davis et al. 2011, folds of Öztürk et al. 2018",
    method="Contestants are shrunken means, the nuclear norm with identity kernels, and ridge and "
    "the nuclear norm with the published similarities, drugs' to a power entry by entry, beside an "
    "identity, with weights given or learned by alignment in each fit. Kernels, weights, α and "
    "then the contestant are chosen by the mean squared error in inner folds: DeepDTA's five "
    "training parts, or thirds of the drugs, of the targets, or nine blocks of both. No contestant "
    "holds a response of the pairs to predict. Cold splits leave out a fifth of the drugs, of the "
    "targets (equal rows of their similarity together, 384 of 442) or of both, ten times; t "
    "intervals over them are corrected for overlap (Nadeau & Bengio 2003). LightGBM's scores are "
    "the record of benchmarks/davis.py on the same splits: similarities to the training objects, "
    "means where known, 30 settings chosen in the same inner folds. Every final fit is certified "
    "again from its coefficients alone.",
    scope="one data set, whose cold candidates were tried out on it before; pK_d, 70 % of them at "
    "the floor of 5. Published scores are of the same test list by other choices. Quick: DeepDTA's "
    "list and one split of each cold setting, two choices by one inner fold; full: ten splits, 16 "
    "choices of kernels",
)
def davis(run: Run) -> Evidence:
    """DeepDTA's test list, and ten cold splits of each kind."""
    try:
        load_davis()
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    trees = recorded()
    rows = scored(run, trees)
    cold, margins = _cold(run, rows)
    data = {
        "table": table(rows),
        "margins": margins,
        "splits": [told(row) for row in rows],
        "published": PUBLISHED,
        "lightgbm": {name: value for name, value in trees.items() if name != "found"},
        "source": DAVIS_SOURCE,
    }
    return Evidence(checks=(*_soundness(rows), *_known(rows), *cold), data=data)
