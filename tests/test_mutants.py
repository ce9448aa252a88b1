"""The mutation run: which mutants there are, that they stay the same, that verdicts are kept."""

import ast
import textwrap

import pytest
from mutants import report, runner
from mutants.__main__ import draw, settled
from mutants.operators import mutants, mutated
from mutants.plan import MODULES, ROOT, sample_size, suite

SOURCE = textwrap.dedent(
    '''
    """A text."""
    from __future__ import annotations

    LIMIT: int = 3

    def f(x, y, n: int = 2):
        """Another."""
        if not x < y and n > 0:
            raise ValueError(f"{x + 1} is wrong")
        total = x @ y.T
        total += np.maximum(x, 1)
        show(total, n)
        return total[1:n] if n else -total

    def g(x):
        return x + 1
    '''
)
LINES = textwrap.dedent(SOURCE).splitlines()


def changes(source=SOURCE):
    return {mutant.change for mutant in mutants("toy.py", source)}


def test_faults_of_all_kinds_are_made():
    assert changes() >= {
        "3  →  4", "2  →  -2", "x < y  →  x <= y", "x < y  →  x >= y", "not x < y  →  x < y",
        "not x < y and n > 0  →  not x < y or n > 0", "not x < y and n > 0  →  n > 0",
        "x @ y.T  →  y.T @ x", "y.T  →  y", "np.maximum(x, 1)  →  np.minimum(x, 1)",
        "total += np.maximum(x, 1)  →  total -= np.maximum(x, 1)", "show(total, n)  →  pass",
        "total += np.maximum(x, 1)  →  pass", "show(total, n)  →  show(n, total)",
        "1:n  →  :n", "1:n  →  1:", "1:n  →  1:n + 1", "x + 1  →  x - 1", "x + 1  →  x",
        "x + 1  →  1",
        "total[1:n] if n else -total  →  -total", "-total  →  total",
        "not x < y and n > 0  →  not (not x < y and n > 0)",
    }  # fmt: skip


def test_texts_and_annotations_are_left_alone():
    found = mutants("toy.py", SOURCE)
    assert not any("text" in m.change or "Another" in m.change or "int" in m.change for m in found)
    inside = [m for m in found if m.line.startswith("raise")]
    assert [m.change.partition("  →  ")[2] for m in inside] == ["pass"]  # nothing of what it says


def test_every_mutant_is_another_program():
    original = ast.dump(ast.parse(SOURCE))
    for mutant in mutants("toy.py", SOURCE):
        text = mutated(SOURCE, mutant)
        compile(text, "toy.py", "exec")
        assert ast.dump(ast.parse(text)) != original, mutant


def test_ids_are_distinct_and_survive_edits_elsewhere():
    before = {m.id for m in mutants("toy.py", SOURCE) if m.where == "f"}
    assert len({m.id for m in mutants("toy.py", SOURCE)}) == len(mutants("toy.py", SOURCE))
    edited = "# A comment.\n\n" + SOURCE.replace("x + 1\n", "2 * x + 5\n").replace("= 3", "= 7")
    assert edited.count("2 * x + 5") == 1
    assert {m.id for m in mutants("toy.py", edited) if m.where == "f"} == before


def test_all_of_what_is_to_be_covered_is():
    folders = [ROOT / "rkbs" / name for name in ("solvers", "machines")]
    files = {
        str(file.relative_to(ROOT / "rkbs"))
        for folder in folders
        for file in folder.rglob("*.py")
        if file.name != "__init__.py"
    }
    assert files < set(MODULES)
    assert all((ROOT / name).is_file() for module in MODULES for name in suite(module))
    assert sum(map(sample_size, MODULES)) >= 150


def test_a_seed_draws_the_same_mutants():
    sample, size = draw("approximation/_cells.py", 0, 1.0)
    assert len(sample) == sample_size("approximation/_cells.py") < size
    assert sample == draw("approximation/_cells.py", 0, 1.0)[0]
    assert sample[:3] == draw("approximation/_cells.py", 0, 3 / len(sample))[0]
    assert sample != draw("approximation/_cells.py", 1, 1.0)[0]


def test_what_was_judged_is_still_there_and_has_a_reason():
    there = {
        report.key(mutant)
        for module in MODULES
        for mutant in mutants(module, (ROOT / "rkbs" / module).read_text())
    }
    for entry, why in report.judged().items():
        assert entry in there, f"this line is gone: judge its mutants anew: {entry}"
        assert len(why) > 20


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "RECORDS", tmp_path / "records")
    return tmp_path / "records"


def test_verdicts_are_kept_for_the_sources_they_were_found_on(records, monkeypatch):
    mutant = draw("approximation/spectrum.py", 0, 1.0)[0][0]
    assert runner.known(mutant) is None
    killer = suite("approximation/spectrum.py")[0] + "::test_x"
    digest = runner.digest("approximation/spectrum.py", killer)
    runner.record(runner.Verdict(mutant.id, "killed", killer, 1.0, digest))
    assert settled(mutant).by == killer
    assert [file.name for file in records.iterdir()] == [f"{mutant.id}.json"]
    runner.record(runner.Verdict(mutant.id, "survived", "", 1.0, digest))
    assert settled(mutant) is None  # a survivor is one of all tests, of which this is no digest
    (records / f"{mutant.id}.json").write_text('{"id": "half')
    assert runner.known(mutant) is None


def test_the_page_counts_and_lists():
    sample, size = draw("approximation/spectrum.py", 0, 1.0)
    verdicts = {m.id: runner.Verdict(m.id, "killed", "a", 1.0, "") for m in sample}
    verdicts[sample[0].id] = runner.Verdict(sample[0].id, "survived", "", 1.0, "")
    text, left = report.page({"approximation/spectrum.py": (sample, size)}, verdicts, 0)
    assert left == [sample[0]]
    assert f"**{len(sample) - 1} of {len(sample)} mutants" in text
    assert f"| {size} | {len(sample)} | {len(sample) - 1} | 0 | 1 | 0 |" in text
    assert sample[0].change in text
    verdicts[sample[1].id] = None
    text, _ = report.page({"approximation/spectrum.py": (sample, size)}, verdicts, 0)
    assert f"| {size} | {len(sample)} | {len(sample) - 2} | 0 | 1 | 1 |" in text


TOY = """
def double(x):
    n = 0
    while n < 2 * x:
        n += 1
    return n
"""
CONFTEST = "from hypothesis import settings\nsettings.register_profile('rkbs')\n"


def test_a_mutant_is_run_in_its_copy_and_noticed(tmp_path, monkeypatch):
    """The test passes on the source, and fails on mutants, one of which never ends."""
    monkeypatch.setattr(runner, "_HEAVY", ["pytest", "hypothesis"])
    monkeypatch.setattr(runner, "RECORDS", tmp_path / "records")
    (tmp_path / "rkbs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "rkbs" / "__init__.py").write_text("")
    (tmp_path / "rkbs" / "toy.py").write_text(TOY)
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
    (tmp_path / "tests" / "test_toy.py").write_text(
        "from rkbs.toy import double\n\ndef test_double():\n    assert double(3) == 6\n"
    )
    monkeypatch.setattr(runner, "suite", lambda module: ["tests/test_toy.py"])
    monkeypatch.setattr(runner, "digest", lambda *arguments: "")
    assert runner.run(tmp_path, ["tests/test_toy.py"], 60) == ("survived", "")
    by_change = {m.change: m for m in mutants("toy.py", TOY)}
    found = runner.judge(by_change["n < 2 * x  →  n <= 2 * x"], tmp_path, 60)
    assert (found.status, found.by) == ("killed", "tests/test_toy.py::test_double")
    assert runner.judge(by_change["n += 1  →  pass"], tmp_path, 1).status == "timeout"
    assert (tmp_path / "rkbs" / "toy.py").read_text() == TOY
