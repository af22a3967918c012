"""Colours: contrast as WCAG 2 computes it, and difference as people see it who lack a kind of cone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dgkd_cache.report.palette import DARK, LIGHT, level_styles, line_styles, marker, styles

TEXTS = ("text", "muted", "link", "good", "bad")
"""The variables that colour text, on `page` and on `panel`."""
THEMES = {"light": LIGHT, "dark": DARK}
SERIES = [name for name in LIGHT if name == "reference" or (name[0] == "s" and name[1:].isdigit())]

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0: what is left of linear RGB.
CONES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "none lacking": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}


def linear_rgb(colour: str) -> np.ndarray:
    values = np.array([int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((float(linear_rgb(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB, at the white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb.clip(0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_formula_gives_the_published_extremes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_texts_have_a_contrast_of_four_and_a_half(theme: str) -> None:
    colours = THEMES[theme]
    for text, ground in itertools.product(TEXTS, ("page", "panel")):
        assert contrast(colours[text], colours[ground]) >= 4.5, f"{text} on {ground}"
    assert contrast(colours["page"], colours["text"]) >= 4.5, "the pressed button"


@pytest.mark.parametrize("theme", THEMES)
def test_marks_and_the_focus_have_a_contrast_of_three(theme: str) -> None:
    colours = THEMES[theme]
    for name in [*SERIES, "focus"]:
        assert contrast(colours[name], colours["page"]) >= 3, name


@pytest.mark.parametrize("lacking", CONES)
@pytest.mark.parametrize("theme", THEMES)
def test_the_first_colours_differ_for_everybody(theme: str, lacking: str) -> None:
    """20 units of L*a*b* are many times what is just noticed; of more variants shape and pattern tell too."""
    seen = {name: lab(np.array(CONES[lacking]) @ linear_rgb(THEMES[theme][name])) for name in SERIES[:6]}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 20, f"{one} and {other}"


def test_both_themes_have_the_same_variables() -> None:
    assert LIGHT.keys() == DARK.keys() and len(SERIES) == 12


def test_styles_differ_and_keep_to_their_variants() -> None:
    names = [f"v{index}" for index in range(12)]
    found = styles(names, "v3")
    assert len({(one.colour, one.shape) for one in found.values()}) == 12
    assert found["v3"].colour == "reference"
    assert [found[name].shape for name in ("v0", "v1", "v2", "v4", "v5")] == [
        "square",
        "triangle",
        "diamond",
        "down",
        "circle",
    ]
    assert styles(names[:8], "v3")["v7"] == found["v7"], "more variants change nothing of the first ones"
    assert len({(one.colour, one.shape, one.dash) for one in styles([str(i) for i in range(50)], "0").values()}) == 50


def test_markers_are_closed_paths() -> None:
    assert all(marker(shape, 4)[0] == "M" and marker(shape, 4)[-1] == "Z" for shape in ("circle", "square", "down"))


def test_lines_of_one_drawing_differ_in_all_three() -> None:
    lines, levels = line_styles(4), level_styles(2)
    for part in ("colour", "shape", "dash"):
        assert len({getattr(one, part) for one in lines}) == 4
    assert len({(one.colour, one.shape, one.dash) for one in line_styles(40)}) == 40
    assert not {(one.shape, one.dash) for one in lines} & {(one.shape, one.dash) for one in levels}
    assert {one.colour for one in levels} == {"reference"} and len({one.shape for one in levels}) == 2
