"""Colours, markers and line patterns of the variants: the same for a variant in every figure of a report.

The colours begin with those of Okabe and Ito 2008, "Color Universal Design", darkened for a white page and lightened
for a dark one until each has a contrast of 3 to 1 with it. Colour never stands alone: shape and pattern differ too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DARK", "LIGHT", "Style", "level_styles", "line_styles", "marker", "styles"]

LIGHT = {
    **{
        "page": "#ffffff",
        "panel": "#f6f7f9",
        "text": "#1c2230",
        "muted": "#555d6e",
        "line": "#d5d9e0",
        "grid": "#e8ebef",
    },
    **{"link": "#0b57a4", "focus": "#0b57a4", "good": "#00674d", "bad": "#a13300", "reference": "#4a4f57"},
    **{"s0": "#1c51ca", "s1": "#d37800", "s2": "#009a73", "s3": "#a368ac", "s4": "#90441c", "s5": "#2a86b0"},
    **{"s6": "#5b3fa8", "s7": "#6b7a00", "s8": "#c2407a", "s9": "#00626e", "s10": "#7b6a58"},
}
"""The CSS variables of the light theme."""

DARK = {
    **{
        "page": "#14171c",
        "panel": "#1c2027",
        "text": "#e6e9ee",
        "muted": "#a4adba",
        "line": "#3a414c",
        "grid": "#272d36",
    },
    **{"link": "#7fb8f0", "focus": "#7fb8f0", "good": "#4fc3a1", "bad": "#f0986a", "reference": "#cdd1d8"},
    **{"s0": "#428dff", "s1": "#f5784f", "s2": "#3ddc97", "s3": "#b578b6", "s4": "#f2d24b", "s5": "#7cc7ee"},
    **{"s6": "#a79cf0", "s7": "#b9c24a", "s8": "#f08ab8", "s9": "#5fbfc2", "s10": "#c7b09a"},
}
"""The CSS variables of the dark theme."""

_COLOURS = sum(name[0] == "s" and name[1:].isdigit() for name in LIGHT)
_SHAPES = ("square", "triangle", "diamond", "down", "circle")
_DASHES = ("", "6 3", "2 2", "8 3 2 3")


@dataclass(frozen=True, kw_only=True)
class Style:
    """The look of a variant: the CSS class of its colour, its marker, and the pattern of its line."""

    colour: str
    shape: str
    dash: str


def styles(variants: Sequence[str], reference: str) -> dict[str, Style]:
    """Returns the style of each variant, by its place in the study; the reference is grey."""
    found, others = {}, [name for name in variants if name != reference]
    for index, name in enumerate(others):
        dash = _DASHES[index // 3 % 4]
        found[name] = Style(colour=f"s{index % _COLOURS}", shape=_SHAPES[(index + index // 5) % 5], dash=dash)
    if reference in variants:
        found[reference] = Style(colour="reference", shape="circle", dash="")
    return found


def line_styles(count: int) -> list[Style]:
    """Returns the styles of lines that share a drawing: neighbours differ in colour, marker and pattern."""
    return [
        Style(colour=f"s{index % _COLOURS}", shape=_SHAPES[index % 5], dash=_DASHES[index % 4])
        for index in range(count)
    ]


def level_styles(count: int) -> list[Style]:
    """Returns the styles of what lines are compared with: grey and dashed, each with a marker of its own."""
    return [Style(colour="reference", shape=_SHAPES[4 - index % 5], dash="4 4") for index in range(count)]


def marker(shape: str, radius: float) -> str:
    """Returns the SVG path of a marker around 0, 0; all shapes have about the same area."""
    r = radius
    if shape == "circle":
        return f"M{-r:g} 0a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0Z"
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -1.25), (1.15, 0.8), (-1.15, 0.8)],
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "down": [(0, 1.25), (1.15, -0.8), (-1.15, -0.8)],
    }[shape]
    return "M" + "L".join(f"{x * r:.3g} {y * r:.3g}" for x, y in corners) + "Z"
