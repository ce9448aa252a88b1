"""Figures draw what records hold, and compute nothing; every claim has one, or a reason."""

import ast
import re
import struct
import sys
from collections import defaultdict
from string import ascii_letters

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

from rkbs import plotting
from verify.harness.evidence import Check, Evidence
from verify.harness.figures import SCRIPTS, bound, figures_of, load_script, place
from verify.harness.ledger import load_claim, load_claims
from verify.harness.paths import REFERENCE, ROOT
from verify.harness.records import load_record
from verify.studies import rows

FIGURES = [f"{path.parent.name}.{path.stem}" for path in sorted(SCRIPTS.rglob("*.py"))]
ALLOWED = {
    "rkbs": {"plotting"},
    "verify.harness.evidence": {"Evidence"},
    "verify.harness.figures": {"bound"},
}
"""What a script may take from the project; of ``verify.studies.rows`` anything."""
LIBRARIES = ("numpy", "matplotlib")
HEAVY = ("svd", "eigh", "eigvalsh", "eig", "eigvals", "solve", "lstsq", "qr", "inv", "cholesky")
COMPUTING = ("approximation", "solvers", "spaces", "kernels", "attention", "machines")
NAMES = ("Theorem 1", "Proposition 1", "L2 distance", "p = 1", "p = 2", "f = g = 0", "t²/2")
"""Of what a caption may have digits: all other numbers are in the picture, from a record."""
WIDTHS = (plotting.COLUMN, plotting.PAGE)
POINTS = 7
"""The least size of text, as printed at these widths."""
LARGEST_PNG = 250_000


def imports(path):
    """(module, name) of every import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def computes(path):
    """The imports of a figure's script that are neither a library nor plotting nor evidence."""
    return [
        (module, name)
        for module, name in imports(path)
        if module.split(".")[0] not in (*LIBRARIES, *sys.stdlib_module_names)
        and module != "verify.studies.rows"
        and name not in ALLOWED.get(module, ())
    ]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_script_imports_plotting_and_evidence_only(figure):
    assert computes(place(SCRIPTS, figure, ".py")) == []


@pytest.mark.parametrize(
    "line",
    [
        "from rkbs.approximation import schmidt",
        "from verify.harness.ledger import load_claims",
        "from verify.harness.records import load_record",
        "import rkbs",
        "def draw(found):\n    from scipy.linalg import svd",
        "from verify.studies.yardsticks import Yardstick",
    ],
)
def test_a_script_that_computes_is_seen(line, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"import numpy as np\nfrom verify.harness.figures import bound\n{line}\n")
    assert len(computes(script)) == 1


def test_rows_know_nothing_but_dictionaries():
    found = {module.split(".")[0] for module, _ in imports(ROOT / "verify" / "studies" / "rows.py")}
    assert found <= sys.stdlib_module_names


def test_every_claim_has_a_figure_or_a_reason():
    claims = load_claims()
    scripts = set(FIGURES)
    assert scripts <= claims.keys()  # every script is a claim's
    assert set(figures_of(claims.values())) == scripts  # and the claim, or another, says so
    shown = {name: claim.shown_in for name, claim in claims.items() if claim.shown_in}
    unread = [name for name, figure in shown.items() if name not in load_script(figure).records]
    assert unread == []
    both = [name for name, claim in claims.items() if name in scripts and claim.figure != name]
    assert both == []  # a claim with a script of its own is not shown elsewhere


@pytest.mark.parametrize("figure", FIGURES)
def test_a_script_reads_its_own_record_and_says_what_to_see(figure):
    script = load_script(figure)
    assert figure in script.records
    assert set(script.records) <= load_claims().keys()
    assert 2 <= len(re.findall(r"\.(?: |$)", script.caption)) <= 4
    words = script.caption
    for name in NAMES:
        words = words.replace(name, "")
    assert not re.search(r"[0-9]", words)


@pytest.mark.parametrize("figure", FIGURES)
def test_what_was_drawn_is_there_and_of_its_width(figure):
    assert place(SCRIPTS, figure, ".pdf").read_bytes().startswith(b"%PDF")
    png = place(SCRIPTS, figure, ".png").read_bytes()
    (width,) = struct.unpack(">I", png[16:20])  # of the header
    assert width in [round(200 * inches) for inches in WIDTHS]
    assert len(png) <= LARGEST_PNG


def test_nothing_else_is_among_the_figures():
    kinds = defaultdict(set)
    for path in SCRIPTS.rglob("*.*"):
        if "__pycache__" not in path.parts:
            kinds[f"{path.parent.name}.{path.stem}"].add(path.suffix)
    assert kinds == {figure: {".py", ".pdf", ".png"} for figure in FIGURES}


class Logged(dict):
    """What was found, and which of it is looked at."""

    def __init__(self, found):
        super().__init__(found)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)

    def items(self):
        self.read |= self.keys()
        return super().items()


def refuse(*arguments, **options):
    raise AssertionError("a figure computes")


def sizes(text):
    """The sizes of all glyphs of a text, sub- and superscripts included."""
    if "$" not in text.get_text():
        return [text.get_fontsize()]
    parsed = MathTextParser("path").parse(text.get_text(), 72, text.get_fontproperties())
    return [size for _, size, *_ in parsed.glyphs]


def test_scripts_are_measured_and_larger_than_matplotlibs():
    with plotting.style():
        assert min(sizes(Text(0, 0, "$a^{-3}_l$"))) == pytest.approx(POINTS)
    assert min(sizes(Text(0, 0, "$b^{-3}_l$", fontsize=10))) == pytest.approx(7)


def labelled(kind, one, panels):
    """Whether an axis, "x" or "y", has a label: its own, or one in its row or column."""
    axis = getattr(one, f"{kind}axis")
    texts = [label.get_text() for label in axis.get_majorticklabels()]
    words = any(set(text) & set(ascii_letters) for text in texts if "$" not in text)
    if axis.get_label_text() or words or not any(texts):
        return True
    line = "rowspan" if kind == "y" else "colspan"
    mine = one.get_subplotspec()
    return any(
        getattr(each, f"get_{kind}label")()
        for each in panels
        if (spec := each.get_subplotspec()) and spec.get_gridspec() is mine.get_gridspec()
        if getattr(spec, line) == getattr(mine, line)
    )


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_drawn_from_its_records_alone_and_can_be_read(figure, monkeypatch):
    script = load_script(figure)
    records = {name: load_record(name, REFERENCE) for name in script.records}
    for name in HEAVY:
        monkeypatch.setattr(np.linalg, name, refuse)
    for name in COMPUTING:
        monkeypatch.setitem(sys.modules, f"rkbs.{name}", None)
    found = Logged({name: record.evidence for name, record in records.items()})
    try:
        with plotting.style():
            drawn = script.draw(found)
    except KeyError as error:
        if all(r.fingerprint == load_claim(name).fingerprint for name, r in records.items()):
            raise
        pytest.skip(f"the records are of other sources, and lack {error}")
    assert found.read == set(script.records)
    assert drawn.get_figwidth() in WIDTHS
    with plotting.style():
        drawn.draw_without_rendering()  # of which ticks get their labels
        texts = [text for text in drawn.findobj(Text) if text.get_text()]
        small = [text.get_text() for text in texts if min(sizes(text)) < POINTS - 1e-9]
    assert not small
    panels = [axes for axes in drawn.axes if axes.axison]
    assert panels
    assert all(labelled(kind, one, panels) for one in panels for kind in "xy")


def test_bounds_are_those_of_the_checks():
    evidence = Evidence((Check("a", 1, "<=", 2),), (Check("b", 1, "<", 3),), condition="c")
    assert (bound(evidence, "a"), bound(evidence, "b")) == (2, 3)
    with pytest.raises(KeyError, match="no check 'c'; there are 'a', 'b'"):
        bound(evidence, "c")


def test_the_excess_at_a_glance_by_hand():
    panel = {
        "curve": {"d": [1, 2], "floor": [0.5, 1e-9], "rounding": 1e-3},
        "heads": {"plain Adam": {1: [0.5, 2.0, 1.0], 2: [0.004]}},
    }
    assert rows.median_excess(panel, "plain Adam") == {1: 2.0, 2: pytest.approx(4.0)}
