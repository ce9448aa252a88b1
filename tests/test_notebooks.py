"""Notebooks run top to bottom, define nothing, and are committed with their outputs."""

import ast
import re
import warnings

import IPython.display
import matplotlib.pyplot as plt
import nbformat
import pytest
from IPython.display import Markdown

from verify.harness.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def sources(path):
    """The cells of code, and their texts without what only IPython reads."""
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    return code, [
        "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        for cell in code
    ]


def kept_text(cell):
    """What a cell printed and displayed, but for pictures."""
    shown = [
        out.get("text") or out.get("data", {}).get("text/markdown", "") for out in cell.outputs
    ]
    return "\n".join(shown)


def show(*shown):
    """In place of IPython's ``display``: prints texts, and draws nothing."""
    for each in shown:
        if isinstance(each, Markdown):
            print(each.data)


def alike(kept, fresh):
    """Whether two texts are the same but for seconds, and rounding: what is tiny, or one over it.

    Those may be any.
    """
    kept, fresh = (re.sub(r"\bin [\d.]+ s\b", "in … s", text) for text in (kept, fresh))
    pattern = r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?"
    numbers = [[float(number) for number in re.findall(pattern, text)] for text in (kept, fresh)]
    words = [re.sub(pattern, "#", text).split() for text in (kept, fresh)]
    return words[0] == words[1] and all(
        a == b or max(abs(a), abs(b)) < 1e-8 or min(abs(a), abs(b)) > 1e8 or abs(a / b - 1) < 1e-2
        for a, b in zip(*numbers, strict=True)
    )


@pytest.mark.parametrize(
    ("kept", "fresh", "same"),
    [
        ("error 4.4e-16, of 50", "error 2.2e-16, of 50", True),
        ("residual 9.9e-08", "residual 2e-9", False),
        ("residual 9.9e-09", "residual 2e-9", True),
        ("chosen α 0.1", "chosen α 1.0", False),
        ("1 of 50", "20 of 50", False),
        ("rank 3", "kept 3", False),
        ("RMSE 0.2011 ", "RMSE  0.2012", True),
        ("16 heads in 2.2 s", "16 heads in 6.9 s", True),
        ("16 heads in 2.2 s", "12 heads in 2.2 s", False),
    ],
)
def test_what_counts_as_the_same_output(kept, fresh, same):
    assert alike(kept, fresh) is same


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS] == [
        "01_attention_is_a_kernel.ipynb",
        "02_the_representer_theorem.ipynb",
        "03_how_much_head_dimension.ipynb",
        "04_what_can_attention_select.ipynb",
        "05_your_kernel_in_a_transformer.ipynb",
        "06_is_infinite_dimension_why.ipynb",
        "07_audit_a_trained_transformer.ipynb",
        "08_from_a_csv_to_new_drugs.ipynb",
    ]


def definitions(text):
    """What a cell defines, but for kernels: to write one is a story of its own."""
    lines = [
        line
        for line in ast.parse(text).body
        if not (isinstance(line, ast.ClassDef) and ast.unparse(line.bases[-1]).endswith("Kernel"))
    ]
    nodes = ast.walk(ast.Module(lines, []))
    return [node for node in nodes if isinstance(node, DEFINITIONS)]


@every_notebook
def test_defines_nothing_and_keeps_outputs(path):
    code, texts = sources(path)
    assert not any(map(definitions, texts))
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) >= len(code) - 1
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@every_notebook
def test_runs_from_top_to_bottom(path, monkeypatch, capsys):
    """In this process: a kernel would import everything anew, and is no part of what is told."""
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(IPython.display, "display", show)
    plt.switch_backend("agg")
    cells, texts = sources(path)
    names, drawn, told = {"__name__": "__main__"}, [], []
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for number, text in enumerate(texts, 1):
            exec(compile(text, f"{path.name}, cell {number}", "exec"), names)
            for figure in map(plt.figure, plt.get_fignums()):
                figure.draw_without_rendering()
                drawn.append(number)
            plt.close("all")
            told.append(capsys.readouterr().out)
    assert drawn
    assert any(told)
    for cell, text in zip(cells, told, strict=True):
        kept = kept_text(cell)
        assert alike(kept, text), f"{kept}\nis kept, and a fresh run prints\n{text}"
