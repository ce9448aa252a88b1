"""LightGBM on the splits of the claim ``data.davis``, whose record of it this writes.

Features are those of ``verify.studies.kinase_features``; settings are chosen by the mean squared
error over the inner folds of the split, those that rkbs chooses by.

Without arguments the first cold split is computed again, beside its record. ``--record`` computes
what the record lacks, split by split, and can be interrupted; delete the file to begin anew.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import platform
import time
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from rkbs.data import KinaseBinding, c_index, load_davis, mse
from verify.harness.paths import ROOT
from verify.harness.records import write_atomically
from verify.studies.kinase_features import features_of
from verify.studies.kinase_splits import (
    COLD,
    KNOWN,
    SEEDS,
    Cut,
    Split,
    cold,
    deepdta,
    digest,
    inner,
)

RECORD = ROOT / "benchmarks" / "davis.json"
FIXED = {
    "objective": "l2",
    "learning_rate": 0.1,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.1,
    "max_bin": 63,
    "feature_pre_filter": False,
    "seed": 0,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
GRID = {"num_leaves": (7, 31, 127), "min_data_in_leaf": (20, 200)}
_FEW, _MANY = (25, 50, 100, 200, 300), (50, 100, 200, 400, 800)
TREES = dict.fromkeys((KNOWN, *COLD), _FEW) | dict.fromkeys((KNOWN, "new targets"), _MANY)
"""Together 30 settings: trees are read off one fit. With known drugs more of them do better."""


def predictions(
    data: KinaseBinding, split: Split, cut: Cut, grid: list[dict[str, Any]], trees: Sequence[int]
) -> np.ndarray:
    """Of the test pairs of a cut, by the setting and the number of trees: (settings, trees, n)."""
    train, test = features_of(data, split, cut)
    table = lightgbm.Dataset(train, data.z.ravel()[cut.train], params=FIXED)
    fits = [lightgbm.train(FIXED | setting, table, max(trees)) for setting in grid]
    return np.array(
        [[fit.predict(test, num_iteration=n, num_threads=1) for n in trees] for fit in fits]
    )


def contest(data: KinaseBinding, split: Split) -> dict[str, Any]:
    """The setting of least error inside the training pairs, and its scores at the test pairs."""
    start, z, trees = time.process_time(), data.z.ravel(), TREES[split.setting]
    grid = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    squares = np.zeros((len(grid), len(trees)))
    for cut in inner(data, split):
        squares += ((predictions(data, split, cut, grid, trees) - z[cut.test]) ** 2).sum(-1)
    errors = squares / split.cut.train.sum()
    k, count = np.unravel_index(int(errors.argmin()), errors.shape)
    predicted = predictions(data, split, split.cut, [grid[k]], [trees[count]])[0, 0]
    return {
        "setting": split.setting,
        "seed": split.seed,
        "split": digest(data, split),
        "chosen": grid[k] | {"trees": trees[count]},
        "inner_mse": float(errors.min()),
        "mse": mse(z[split.cut.test], predicted),
        "c_index": c_index(z[split.cut.test], predicted),
        "seconds": round(time.process_time() - start, 1),
    }


def splits(data: KinaseBinding) -> list[Split]:
    """The cold ones seed by seed, then DeepDTA's."""
    return [*(cold(data, name, k) for k in range(SEEDS) for name in COLD), deepdta(data)]


def record(data: KinaseBinding) -> None:
    """Compute what the record lacks, and write it after each split."""
    known = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"found": []}
    circumstances = {
        "command": "python benchmarks/davis.py --record",
        "method": "gradient boosted trees (LightGBM)",
        "fixed": FIXED,
        "grid": GRID,
        "trees": TREES,
        "versions": {
            "lightgbm": lightgbm.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": platform.machine(),
        "date": datetime.date.today().isoformat(),
    }
    found = {row["split"]: row for row in known["found"]}
    for split in splits(data):
        if (key := digest(data, split)) in found:
            continue
        found[key] = contest(data, split)
        print(json.dumps(found[key]), flush=True)
        kept = circumstances | {"found": list(found.values())}
        write_atomically(RECORD, json.dumps(kept, indent=1) + "\n")


def main() -> None:
    """One split beside its record, or all of them into it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="compute what the record lacks")
    data = load_davis()
    if parser.parse_args().record:
        record(data)
        return
    rows = json.loads(RECORD.read_text(encoding="utf-8"))["found"]
    row = contest(data, splits(data)[0])
    before = next(one for one in rows if one["split"] == row["split"])
    for name in ("mse", "c_index", "seconds"):
        told = f"{name} {row[name]:.4f} ({before[name]:.4f} recorded)"
        print(f"{row['setting']}, seed {row['seed']}: {told}")


if __name__ == "__main__":
    main()
