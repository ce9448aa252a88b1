"""From files to intervals for new drugs: the lines of README, in two processes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from csv_helpers import write_tables

PAGE = Path(__file__).parents[2] / "README.md"
(BLOCK,) = (
    block
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    if "save(" in block
)
TRAINING, LATER = BLOCK.split("# in another process, some day\n")
IMPORTS = "".join(re.findall(r"^(?:import|from) .*\n", BLOCK, re.MULTILINE))
TOLD = 'asked.to_frame(low=low, h=intervals.machine.predict(asked), high=high).to_csv("told.csv")'


def run(source, folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_fifteen_lines_lead_from_files_to_intervals_for_new_drugs(tmp_path):
    lines = [line for line in BLOCK.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 15
    z = write_tables(tmp_path)
    run(TRAINING, tmp_path)
    for name in ("affinities", "drugs"):  # the second process sees nothing of the training
        (tmp_path / f"{name}.csv").unlink()
    run(f"{IMPORTS}{LATER}\n{TOLD}", tmp_path)
    told, asked = pd.read_csv(tmp_path / "told.csv"), pd.read_csv(tmp_path / "asked.csv")
    assert told[["drug", "target"]].equals(asked)
    assert np.mean((told.h - z) ** 2) < 0.5 * np.var(z)
    assert 0.8 < np.mean((told.low <= z) & (z <= told.high)) < 1
    assert np.isfinite(told.high - told.low).all()
