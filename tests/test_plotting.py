"""The style of figures, and what several of them draw in the same way."""

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from rkbs import plotting
from rkbs.plotting import heads, sheet

SIZES = [name for name in sheet._STYLE if "size" in name and name.split(".")[0] != "lines"]


def test_the_style_ends_with_its_context():
    before = mpl.rcParams["font.size"]
    with plotting.style():
        assert mpl.rcParams["font.size"] == 8
    assert mpl.rcParams["font.size"] == before


def test_the_style_is_installed_under_its_name():
    with mpl.style.context("rkbs.rkbs"):
        assert {name: mpl.rcParams[name] for name in sheet._STYLE} == sheet._STYLE


@pytest.mark.parametrize("name", [name for name in SIZES if name != "figure.figsize"])
def test_no_text_is_smaller_than_it_can_be_printed(name):
    assert sheet._STYLE[name] >= 7


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


def test_ranges_have_a_bar_over_all_and_a_marker_at_the_median():
    axes = Figure().add_subplot()
    plotting.ranges(axes, {"a": {2: [1.0, 5.0, 2.0], 1: [3.0]}, "b": {1: [0.0, 0.2]}}, least=0.1)
    bars = [[line[:, 1].tolist() for line in bar.get_segments()] for bar in axes.collections]
    assert bars == [[[3.0, 3.0], [1.0, 5.0]], [[0.1, 0.2]]]
    medians = [line.get_ydata().tolist() for line in axes.lines]
    assert medians == [[3.0, 2.0], [pytest.approx(0.15)]]
    assert axes.lines[1].get_markerfacecolor() == "white"


ROWS = [
    {"kernel": "uniform", "d": 2, "excess": 0.3, "interval": [0.2, 0.4]},
    {"kernel": "EDP", "d": 2, "excess": 0.0, "interval": [0.0, 0.0]},
    {"kernel": "uniform", "d": 16, "excess": 0.5, "interval": [0.4, 0.6]},
    {"kernel": "EDP", "d": 16, "excess": 0.0, "interval": [0.0, 0.0]},
]
ROWS = [
    row
    | {"features": 1 if row["kernel"] == "uniform" else None, "self_weight": 0.5 + row["d"] / 40}
    for row in ROWS
]


def test_kernels_stand_at_their_places_and_uniform_attention_is_a_line():
    axes = Figure().add_subplot()
    plotting.excess_by_kernel(axes, ROWS, lambda row: ("uniform", "EDP").index(row["kernel"]), 0.2)
    markers = [line for line in axes.lines if line.get_linestyle() == "None"]
    lines = [line for line in markers if len(line.get_xdata())]
    points = [(line.get_xdata()[0], line.get_ydata()[0], line.get_mfc()) for line in lines]
    assert [(round(x, 2), y) for x, y, _ in points] == [(-0.1, 0.3), (0.9, 0), (0.1, 0.5), (1.1, 0)]
    assert [face == "white" for *_, face in points] == [False, False, True, True]
    level = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() in ("--", ":")]
    assert level == [0.3, 0.5]
    assert [text.get_text() for text in axes.legend().get_texts()] == ["d = 2", "d = 16"]


def test_hypotheses_are_told_with_their_verdicts():
    rows = [
        {"name": "a − b", "kind": "differences", "mean": 2.0, "interval": [1.0, 3.0]},
        {"name": "a ≈ b", "kind": "equivalences", "mean": 2.0, "interval": [1.0, 3.0]},
        {"name": "c − b", "kind": "differences", "verdict": "missing"},
    ]
    rows[0] |= {"p": 1e-9, "verdict": "holds"}
    rows[1] |= {"p": 0.62, "verdict": "undecided"}
    axes = Figure().add_subplot()
    plotting.declared_differences(axes, rows, "points", margin=0.5)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["a − b\nas declared, p < 0.001", "a ≈ b\nundecided, p = 0.6"]
    assert axes.get_xlabel() == "points"
    assert axes.patches[0].get_extents().width > 0
    axes = Figure().add_subplot()
    plotting.declared_differences(axes, rows[2:], "points")
    assert not axes.axison
    assert "full run only" in axes.texts[0].get_text()


def boxes(axes):
    """Of the names, as they are printed, in points."""
    axes.figure.draw_without_rendering()
    extents = (Text.get_window_extent(text).extents for text in axes.texts)  # without the line
    return [extent * 72 / axes.figure.dpi for extent in extents]


def apart(first, second):
    return (
        min(first[2], second[2]) <= max(first[0], second[0]) + 0.5
        or min(first[3], second[3]) <= max(first[1], second[1]) + 0.5
    )


def test_names_of_one_point_stand_together_and_on_the_side_where_there_is_room():
    axes = Figure(figsize=(4, 3)).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = [(0.1, 0.5, "a"), (0.1, 0.501, "b"), (0.9, 0.5, "c"), (0.1, 0.9, "d")]
    plotting.name_points(axes, points)
    told = {text.get_text(): text.get_ha() for text in axes.texts}
    assert told == {"b, a": "left", "c": "right", "d": "left"}


@pytest.mark.parametrize("seed", range(5))
def test_names_lie_upon_no_point_and_no_name(seed):
    rng = np.random.default_rng(seed)
    axes = Figure(figsize=(4, 3)).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    cells = np.stack(np.meshgrid(np.linspace(0.1, 0.5, 4), np.linspace(0.2, 0.45, 4)), -1)
    spread = cells.reshape(-1, 2) + rng.uniform(-0.02, 0.02, (16, 2))
    stacked = [[0.95, y] for y in 0.3 + 0.06 * np.arange(6)]
    points = np.concatenate([spread, stacked])
    plotting.name_points(axes, [(x, y, f"K{k}") for k, (x, y) in enumerate(points)])
    found = boxes(axes)
    assert len(found) == len(points)
    assert all(apart(a, b) for k, a in enumerate(found) for b in found[:k])
    places = axes.transData.transform(points) * 72 / axes.figure.dpi
    assert all(apart(a, [*(place - 3), *(place + 3)]) for a in found for place in places)
    inside = axes.bbox.extents * 72 / axes.figure.dpi
    assert all((box[:2] >= inside[:2] - 1).all() for box in found)
    assert all((box[2:] <= inside[2:] + 1).all() for box in found)


def test_names_of_points_in_corners_stay_inside():
    axes = Figure(figsize=(4, 3)).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    ends = (0.01, 0.99)
    plotting.name_points(axes, [(x, y, "capped EDP") for x in ends for y in ends])
    inside = axes.bbox.extents * 72 / axes.figure.dpi
    for box in boxes(axes):
        assert (box[:2] >= inside[:2] - 1).all()
        assert (box[2:] <= inside[2:] + 1).all()


def test_names_of_a_column_are_nearest_to_their_own_points_or_led_there():
    axes = Figure(figsize=(4, 3)).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = np.stack([np.full(8, 0.95), 0.2 + 0.05 * np.arange(8)], 1)
    plotting.name_points(axes, [(x, y, f"{k}") for k, (x, y) in enumerate(points)])
    found = boxes(axes)
    assert len(found) == len(points)
    assert all(apart(one, other) for k, one in enumerate(found) for other in found[:k])
    places = axes.transData.transform(points) * 72 / axes.figure.dpi
    for text, box in zip(axes.texts, found, strict=True):
        if text.arrow_patch is None:
            away = np.maximum(np.maximum(box[:2] - places, places - box[2:]), 0)
            assert np.hypot(*away.T).argmin() == int(text.get_text())


def test_predictors_stand_beside_each_other_and_infinity_is_the_right_end():
    ranks = {"s": (-0.9, -1, -0.8), "D": (0.25, 0, 0.5)}
    data = {"kernels": ROWS, "rank_correlations": {"2": ranks, "16": ranks}}
    figure = Figure()
    plotting.against_predictors(figure, data, ("s", "D"), "excess")
    left, right = figure.axes
    assert left.get_xlabel() == "self-weight\n(rank correlation −0.90 at d = 2, −0.90 at d = 16)"
    assert "0.25 at d = 2" in right.get_xlabel()
    assert [label.get_text() for label in right.get_xticklabels()] == ["1", "∞"]
    assert list(right.get_xticks()) == [1, 8]
    assert {text.get_text() for axis in figure.axes for text in axis.texts} == {"uniform", "EDP"}


def test_learning_curves_are_above_those_of_one_kernel():
    figure = Figure()
    curves = [
        {"kernel": kernel, "d": d, "loss": [2.0 + excess, 1.0 + excess / d]}
        for kernel, excess in (("EDP", 0.0), ("uniform", 0.5))
        for d in (2, 16)
    ]
    plotting.learning_curves(figure, curves, ("uniform", "T2", "EDP"), "EDP", "loss")
    assert [axis.get_title() for axis in figure.axes] == [
        "in training, d = 2",
        "in training, d = 16",
    ]
    for d, axis in zip((2, 16), figure.axes, strict=True):
        drawn = {line.get_label(): line for line in axis.lines}
        assert "T2" not in drawn
        np.testing.assert_allclose(drawn["uniform"].get_ydata(), [0.5, 0.5 / d])
        np.testing.assert_allclose(drawn["uniform"].get_xdata(), [0.25, 0.75])


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
    apart = heads._apart(["encoder.blocks.0.attention", "decoder.blocks.0.cross"])
    assert apart == ["encoder.attention", "decoder.cross"]
    assert heads._apart(["a.b", "a"]) == ["a.b", "a"]
    with pytest.raises(ValueError, match="such as share; no head has 'ratio'"):
        plotting.audit_map(axes, rows, "ratio")
