"""Reads a page as a browser would, with the standard library's parser, and the SVG in it in units of its data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from dgkd_cache.report.drawing import Drawing
from dgkd_cache.report.page import template

__all__ = ["AXIS", "Reading", "marks", "read_page", "read_svg", "table_texts", "text_of"]

AXIS = 0.03
"""Points within which a position is read back: positions have two decimals, and names of ticks are rounded."""

_VOID = {"meta", "link", "br", "img", "input", "hr"}


class _Tree(HTMLParser):
    """Builds elements; a tag that closes another one than the last opened is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute of {tag} twice"
        element = SubElement(self.open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        last = self.open[-1]
        if len(last):
            last[-1].tail = (last[-1].tail or "") + data
        else:
            last.text = (last.text or "") + data


def read_page(text: str) -> Element:
    """Returns the elements of a page, all of which are closed in order."""
    tree = _Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == [tree.root], f"<{tree.open[-1].tag}> is not closed"
    return tree.root


def text_of(element: Element) -> str:
    """Returns all text in an element, white space as one space."""
    return " ".join("".join(element.itertext()).split())


def table_texts(table: Element) -> list[list[str]]:
    """Returns the texts of a table by row, the head first."""
    return [[text_of(cell) for cell in row] for row in table.iter("tr")]


class Reading:
    """An SVG: positions become data by its ticks alone, of which each axis has at least two."""

    def __init__(self, svg: Element) -> None:
        self.svg = svg

    def axis(self, name: str) -> tuple[float, float]:
        """Returns the offset and factor from positions to data of the axis x or y."""
        ticks = [
            (float(one.attrib[name]) - (4 if name == "y" else 0), _number(text_of(one)))
            for one in self.svg.iter("text")
            if {"tick", name} <= {*one.attrib.get("class", "").split()}
        ]
        at, values = map(np.array, zip(*ticks, strict=True))
        factor, offset = np.polyfit(at, values, 1)
        assert np.allclose(offset + factor * at, values, atol=1e-2 * np.ptp(values)), "ticks are not on a line"
        return float(offset), float(factor)

    def x(self, position: float) -> float:
        """Returns the data at a horizontal position."""
        offset, factor = self.axis("x")
        return offset + factor * position

    def y(self, position: float) -> float:
        """Returns the data at a vertical position."""
        offset, factor = self.axis("y")
        return offset + factor * position

    def points(self, tag: str, css: str) -> Iterator[np.ndarray]:
        """Yields the points (N, 2), in data, of each polyline or polygon of a class."""
        for one in self.svg.iter(tag):
            if css in one.attrib["class"].split():
                pairs = [pair.split(",") for pair in one.attrib["points"].split()]
                yield np.array([(self.x(float(x)), self.y(float(y))) for x, y in pairs])

    def lines(self, css: str) -> list[tuple[float, float, float, float]]:
        """Returns the positions of all straight lines that have the classes."""
        found = [one for one in self.svg.iter("line") if {*css.split()} <= {*one.attrib["class"].split()}]
        return [tuple(float(one.attrib[key]) for key in ("x1", "y1", "x2", "y2")) for one in found]  # type: ignore[misc]  # four


def _number(text: str) -> float:
    unit = {"k": 1e3, "M": 1e6}.get(text[-1], 1.0)
    return float(text.rstrip("kM").replace("−", "-")) * unit


def marks(svg: Element, css: str = "mark") -> list[tuple[float, float, str]]:
    """Returns the positions of the markers that have the classes, and their tooltips."""
    found = []
    for one in svg.iter("g"):
        if {*css.split()} <= {*one.attrib.get("class", "").split()}:
            place = re.fullmatch(r"translate\((\S+) (\S+)\)", one.attrib["transform"])
            assert place
            found.append((float(place[1]), float(place[2]), text_of(one)))
    return found


def read_svg(drawing: Drawing) -> Element:
    """Returns the elements of a drawing as the page has them."""
    (svg,) = read_page(str(template("macros.html.j2").module.svg(drawing, "key")))  # type: ignore[attr-defined]  # a macro
    return svg
