"""Charts of groups: where marks stand, which lines join them, and that nothing stands on its neighbour."""

from __future__ import annotations

import itertools

import pytest
from support.markup import Reading, marks, read_svg, text_of
from support.study_results import made_results

from dgkd_cache.report.drawing import text_width
from dgkd_cache.report.group_charts import GroupChart, Line, group_drawing
from dgkd_cache.report.palette import level_styles, line_styles
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.rows import NARROW, WIDE

KD = {"method": "kd"}
RESULTS = Results.model_validate(made_results({name: {**KD, "lr": index + 1} for index, name in enumerate("abcdefgh")}))
BLUE, ORANGE = line_styles(2)


def chart_of(*lines: Line, **settings: object) -> GroupChart:
    words = {"title": "title", "label": "label", "at": float, "tick": "{:g}".format, "words": "at {:g}".format}
    return GroupChart(lines=lines, **{**words, **settings})  # type: ignore[arg-type]  # of a chart


TWO = chart_of(
    Line(label="one", style=BLUE, points=(("a", 1), ("b", 2), ("c", 4)), beside="d"),
    Line(label="other", style=ORANGE, points=(("e", 1), ("f", 4))),
    beside="none at all",
)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_marks_stand_at_their_accuracy_and_side_by_side_around_their_value(width: float) -> None:
    svg = read_svg(group_drawing(RESULTS, TWO, width))
    reading = Reading(svg)
    at = {tip.partition(": ")[0]: (x, y) for x, y, tip in marks(svg) if "seed" not in tip}
    told = {"one, none at all": "d", "one, at 1": "a", "one, at 2": "b", "one, at 4": "c", "other, at 1": "e"}
    told["other, at 4"] = "f"
    assert at.keys() == told.keys()
    for words, name in told.items():
        mean = RESULTS.variants[name].test["top1"].mean
        assert reading.y(at[words][1]) == pytest.approx(100 * mean, abs=0.03)
    ticks = {text_of(one): float(one.attrib["x"]) for one in svg.iter("text") if one.attrib["class"] == "tick x middle"}
    assert [*ticks] == ["none at all", "1", "2", "4"]
    assert at["one, none at all"][0] == pytest.approx(ticks["none at all"]), "alone in its place"
    apart = at["other, at 1"][0] - at["one, at 1"][0]
    assert 4 < apart <= 16 and at["other, at 4"][0] - at["one, at 4"][0] == pytest.approx(apart, abs=0.02)
    for value in (1, 4):
        pair = [at[f"{label}, at {value}"][0] for label in ("one", "other")]
        assert sum(pair) / 2 == pytest.approx(ticks[str(value)], abs=0.02)
    assert at["one, at 2"][0] == pytest.approx(ticks["2"] - apart / 2, abs=0.02)
    assert ticks["2"] - ticks["1"] == pytest.approx((ticks["4"] - ticks["2"]) / 2, abs=0.02), "places as `at` says"


def test_a_line_joins_the_points_of_a_group_and_not_what_stands_beside_the_axis() -> None:
    svg = read_svg(group_drawing(RESULTS, TWO, WIDE))
    at = {tip.partition(": ")[0]: (x, y) for x, y, tip in marks(svg) if "seed" not in tip}
    for line in TWO.lines:
        (polyline,) = (one for one in svg.iter("polyline") if line.style.colour in one.attrib["class"].split())
        points = [tuple(map(float, pair.split(","))) for pair in polyline.attrib["points"].split()]
        assert points == [at[f"{line.label}, at {value:g}"] for _, value in line.points]
        assert polyline.attrib.get("stroke-dasharray", "") == line.style.dash


def test_single_runs_and_deviations_are_beside_the_mean() -> None:
    svg = read_svg(group_drawing(RESULTS, TWO, WIDE))
    reading = Reading(svg)
    dots = {tip.partition(":")[0]: y for _, y, tip in marks(svg, "mark run")}
    assert len(dots) == 6 * 5
    for name in "abcdef":
        for seed, run in RESULTS.students(name).items():
            assert reading.y(dots[f"{name}, seed {seed}"]) == pytest.approx(100 * run.test.top1, abs=0.03)
    ends = sorted(
        tuple(sorted((reading.y(y), reading.y(y2)))) for _, y, _, y2 in reading.lines(f"interval {BLUE.colour}")
    )
    expected = sorted(tuple(100 * end for end in RESULTS.variants[name].test["top1"].ends) for name in "abcd")
    assert len(ends) == 4
    for found, told in zip(ends, expected, strict=True):
        assert found == pytest.approx(told, abs=0.03)


def test_a_group_of_one_point_is_a_point() -> None:
    svg = read_svg(group_drawing(RESULTS, chart_of(Line(label="one", style=BLUE, points=(("a", 3),))), WIDE))
    assert not [*svg.iter("polyline")]
    assert [tip.partition(":")[0] for _, _, tip in marks(svg) if "seed" not in tip] == ["one, at 3"]


@pytest.mark.parametrize("crowded", [False, True], ids=["alone", "beside a group"])
def test_a_level_is_a_point_with_a_line_across(crowded: bool) -> None:
    lines = [Line(label="one", style=BLUE, points=(("a", 0 if crowded else 1), ("b", 4)))]
    levels = tuple((name, style, 0.0) for name, style in zip("gh", level_styles(2), strict=True))
    svg = read_svg(group_drawing(RESULTS, chart_of(*lines, levels=levels), WIDE))
    reading = Reading(svg)
    at = {tip.partition(": ")[0]: (x, y) for x, y, tip in marks(svg) if "seed" not in tip}
    across = [one.attrib for one in svg.iter("polyline") if "reference" in one.attrib["class"].split()]
    assert len(across) == 2 and all(one["stroke-dasharray"] for one in across)
    for name, one in zip("gh", across, strict=True):
        (x, y), (x2, y2) = (tuple(map(float, pair.split(","))) for pair in one["points"].split())
        assert y == y2 == at[name][1] and x < at[name][0] < x2 and x2 - x > 0.9 * (WIDE - 62)
        assert reading.y(y) == pytest.approx(100 * RESULTS.variants[name].test["top1"].mean, abs=0.03)
    places = [x for x, _ in at.values()]
    assert all(abs(one - other) > 3 for one, other in itertools.combinations(places, 2)), "no mark hides another"
    assert not crowded or max(at["g"][0], at["h"][0]) < at["one, at 0"][0]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_all_is_inside_and_no_label_covers_another(width: float, count: int) -> None:
    names = RESULTS.shown
    lines = [
        Line(label=str(index), style=style, points=tuple((names[(index + at) % 8], 2.0**at) for at in range(6)))
        for index, style in enumerate(line_styles(count))
    ]
    drawing = group_drawing(RESULTS, chart_of(*lines, tick="{:.3f} %".format), width)
    svg = read_svg(drawing)
    for x, y, _ in marks(svg):
        assert 40 <= x <= width - 8 and 26 <= y <= drawing.height - 40
    texts = [one for one in svg.iter("text") if "middle" in one.attrib["class"].split()]
    boxes = [(float(one.attrib["x"]), float(one.attrib["y"]), text_width(text_of(one)) / 2) for one in texts]
    for (x, y, half), (x2, y2, half2) in itertools.combinations(boxes, 2):
        assert abs(y - y2) >= 12 or abs(x - x2) >= half + half2, "texts cover each other"
    assert all(y <= drawing.height - 2 for _, y, _ in boxes)


def test_a_screen_reader_is_told_all_means() -> None:
    told = group_drawing(RESULTS, TWO, WIDE).text
    for name in "abcdef":
        assert f"{100 * RESULTS.variants[name].test['top1'].mean:.2f}" in told
    assert told.startswith("one: none at all ") and "; other: at 1 " in told
