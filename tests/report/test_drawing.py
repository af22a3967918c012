"""Drawings: what is added is what the template writes, escaped and rounded; texts are cut to their room."""

from __future__ import annotations

from support.markup import Reading, marks, read_svg, text_of

from dgkd_cache.report.drawing import Drawing, shortened, text_width
from dgkd_cache.report.palette import Style
from dgkd_cache.report.scales import linear

STYLE = Style(colour="s1", shape="square", dash="6 3")


def test_what_is_added_is_written() -> None:
    drawing = Drawing(width=300, height=200, title="A & B", text="<desc>", clip=(0, 0, 10, 10))
    drawing.x_axis(linear(0, 10, 40, 290), 10, 160, "epoch")
    drawing.y_axis(linear(50, 100, 160, 10), 40, 290, "accuracy")
    drawing.line([(40, 160), (290, 10)], STYLE, clipped=True)
    drawing.area([(40, 160), (290, 10), (290, 160)], "band s1")
    drawing.mark(165, 85, STYLE, tip='"half"')
    drawing.box(10, 30, 5, 20, "share")
    drawing.path("M0 0Z", "node")
    svg = read_svg(drawing)
    assert (svg.attrib["role"], svg.attrib["viewbox"]) == ("img", "0 0 300 200")
    assert [text_of(svg[0]), text_of(svg[1])] == ["A & B", "<desc>"]
    assert svg.attrib["aria-labelledby"].split() == [svg[0].attrib["id"], svg[1].attrib["id"]]
    reading = Reading(svg)
    ((x, y, tip),) = marks(svg)
    assert (round(reading.x(x), 2), round(reading.y(y), 2), tip) == (5, 75, '"half"')
    (line,) = reading.points("polyline", "s1")
    assert line.round(2).tolist() == [[0, 50], [10, 100]]
    (polyline,) = svg.iter("polyline")
    assert polyline.attrib["stroke-dasharray"] == "6 3"
    assert polyline.attrib["clip-path"] == f"url(#{next(svg.iter('clippath')).attrib['id']})"
    (box,) = (one for one in svg.iter("rect") if one.attrib.get("class") == "share")
    assert [box.attrib[key] for key in ("x", "y", "width", "height")] == ["5", "20", "5", "10"]


def test_a_label_that_does_not_fit_is_whole_in_its_tooltip() -> None:
    drawing = Drawing(width=100, height=20, title="", text="")
    drawing.label(0, 10, "a name that is too long", room=60)
    drawing.label(0, 10, "short", room=60)
    long, short = read_svg(drawing).iter("text")
    assert (long.text or "").endswith("…") and text_width(long.text or "") <= 60
    assert text_of(next(long.iter("title"))) == "a name that is too long"
    assert text_of(short) == "short" and not [*short.iter("title")]


def test_wide_letters_take_more_room() -> None:
    assert text_width("教師") > 1.7 * text_width("ab")
    assert shortened("教師教師教師", 40).startswith("教師") and len(shortened("教師教師教師", 40)) < 6
    assert shortened("abc", 0) == "…"


def test_labels_of_ticks_take_a_second_line_and_are_left_out_rather_than_covered() -> None:
    drawing = Drawing(width=300, height=200, title="", text="")
    assert drawing.tick_labels([(50, "10"), (200, "20")], 100) == 100
    assert drawing.tick_labels([(50, "a word"), (70, "another"), (80, "third"), (120, "fourth")], 150) == 163
    found = {text_of(one): float(one.attrib["y"]) for one in read_svg(drawing).iter("text")}
    assert found == {"10": 100, "20": 100, "a word": 150, "another": 163, "fourth": 150}
