"""The style of figures, and what several of them draw in the same way."""

import matplotlib as mpl
import matplotlib.style
import pytest
from matplotlib.figure import Figure

from rkbs import plotting

SIZES = [name for name in plotting._STYLE if "size" in name and name.split(".")[0] != "lines"]


def test_the_style_ends_with_its_context():
    before = mpl.rcParams["font.size"]
    with plotting.style():
        assert mpl.rcParams["font.size"] == 8
    assert mpl.rcParams["font.size"] == before


def test_the_style_is_installed_under_its_name():
    with mpl.style.context("rkbs.rkbs"):
        assert {name: mpl.rcParams[name] for name in plotting._STYLE} == plotting._STYLE


@pytest.mark.parametrize("name", [name for name in SIZES if name != "figure.figsize"])
def test_no_text_is_smaller_than_it_can_be_printed(name):
    assert plotting._STYLE[name] >= 7


def test_every_name_looks_different():
    names = [*range(len(plotting.COLORS))]
    looks = plotting.looks([*names, 0])
    assert list(looks) == names
    assert len({tuple(look.values()) for look in looks.values()}) == len(names)
    assert len(set(plotting.COLORS)) == len(set(plotting.MARKERS)) == len(names)
    with pytest.raises(ValueError, match=r"8 colors, got 9 names: \[0, 1,"):
        plotting.looks([*names, "one more"])


def test_there_are_the_ticks_that_were_asked_for():
    axes = Figure().add_subplot()
    axes.set_xscale("log")
    plotting.set_ticks(axes.xaxis, (1.25, 2, 4))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1.25", "2", "4"]
    assert list(axes.get_xticks(minor=True)) == []


def test_names_of_points_that_coincide_stand_in_one_line():
    axes = Figure(figsize=(4, 4)).add_subplot(xlim=(0, 1), ylim=(0, 1))
    plotting.name_points(axes, {"a": (0.1, 0.5), "b": (0.11, 0.5), "c": (0.9, 0.5)})
    told = {text.get_text(): text.get_ha() for text in axes.texts}
    assert told == {"a, b": "left", "c": "right"}


def test_ranges_have_a_bar_over_all_and_a_marker_at_the_median():
    axes = Figure().add_subplot()
    plotting.ranges(axes, {"a": {2: [1.0, 5.0, 2.0], 1: [3.0]}, "b": {1: [0.0, 0.2]}}, least=0.1)
    bars = [[line[:, 1].tolist() for line in bar.get_segments()] for bar in axes.collections]
    assert bars == [[[3.0, 3.0], [1.0, 5.0]], [[0.1, 0.2]]]
    medians = [line.get_ydata().tolist() for line in axes.lines]
    assert medians == [[3.0, 2.0], [pytest.approx(0.15)]]
    assert axes.lines[1].get_markerfacecolor() == "white"


def test_an_audit_is_a_cell_a_head():
    rows = [
        {"layer": f"model.layers.{k}.attention", "head": h, "share": 0.1 * k + h, "reason": ""}
        for k in range(2)
        for h in range(3)
    ]
    rows[4]["share"] = None
    axes = Figure().add_subplot()
    image = plotting.audit_map(axes, rows, "share", vmin=0, vmax=2)
    cells = image.get_array()
    assert cells.shape == (2, 3)
    assert cells.mask.tolist() == [[False] * 3, [False, True, False]]
    assert cells[1].compressed().tolist() == [0.1, 2.1]
    assert image.get_clim() == (0, 2)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1"]
    apart = plotting._apart(["encoder.blocks.0.attention", "decoder.blocks.0.cross"])
    assert apart == ["encoder.attention", "decoder.cross"]
    assert plotting._apart(["a.b", "a"]) == ["a.b", "a"]
    with pytest.raises(ValueError, match="such as share; no head has 'ratio'"):
        plotting.audit_map(axes, rows, "ratio")
