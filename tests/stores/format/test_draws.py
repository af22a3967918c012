"""The record of a draw in a header: kept as it is, in version 1; anything else under that key is a setting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dgkd_stores import InvalidInput, StoreHeader, draw_name, split_draw_name
from dgkd_stores.format.draws import MAX_DRAW, draw_in, training_with_draw

RATES = {"blocks.0.dropout": "0.3", "head": "0"}


def test_a_header_of_a_draw_is_of_version_1_and_read_again(recipe: Any) -> None:
    stored = recipe().header
    assert (stored.guide.draw, stored.guide.called, stored.guide.dump_words) == (None, "ta1", "ta1")
    drawn = replace(stored, guide=stored.guide.of_draw(12, RATES))
    again = StoreHeader.from_dict(drawn.to_dict())
    assert again == drawn != stored and again.version == 1
    assert again.guide.training == {**stored.guide.training, "draw": {"number": 12, "rates": RATES}}
    assert (again.guide.draw, again.guide.called) == (12, "ta1.d12")
    assert again.guide.dump_words == "ta1 --draws 13"


@pytest.mark.parametrize(
    "setting",
    [
        None,
        "text",
        3,
        {},
        {"number": 1},
        {"number": 1, "rates": {}},
        {"number": 1, "rates": {"a": 0}},
        {"number": 1, "rates": {"a": "1.5"}},
        {"number": 1, "rates": ["0.5"]},
        {"number": True, "rates": RATES},
        {"number": -1, "rates": RATES},
        {"number": MAX_DRAW + 1, "rates": RATES},
        {"number": 1, "rates": RATES, "more": 1},
    ],
)
def test_everything_else_is_a_setting(setting: Any, recipe: Any) -> None:
    assert draw_in({"draw": setting}) is None
    guide = replace(recipe().header.guide, training={"draw": setting})
    assert guide.draw is None and guide.called == "ta1"


def test_a_draw_that_cannot_be_recorded_is_refused() -> None:
    for number, rates in ((-1, RATES), (MAX_DRAW + 1, RATES), (0, {}), (0, {"a": "2"}), ("0", RATES), (0, None)):
        with pytest.raises(InvalidInput, match="no record of a draw: expected a number from 0 to 4294967295"):
            training_with_draw({}, number, rates)
    with pytest.raises(InvalidInput, match="has the key 'draw'"):
        training_with_draw({"draw": 1}, 0, RATES)
    assert training_with_draw({"lr": "0.1"}, MAX_DRAW, RATES)["lr"] == "0.1"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ta1.d0", ("ta1", 0)),
        ("a-b_c.d17", ("a-b_c", 17)),
        ("ta1", ("ta1", None)),
        ("ta1.d", ("ta1.d", None)),
        ("ta1.d01", ("ta1.d01", None)),
        ("ta1.d4294967296", ("ta1.d4294967296", None)),
        ("TA1.d0", ("TA1.d0", None)),
        ("ta1.d0-0-2", ("ta1.d0-0-2", None)),
        ("ta1.d0\n", ("ta1.d0\n", None)),
    ],
)
def test_names_of_draws(text: str, parts: tuple[str, int | None]) -> None:
    assert split_draw_name(text) == parts
    if parts[1] is not None:
        assert draw_name(*parts) == text
