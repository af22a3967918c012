"""Ranges of views on the command line: A:B, and what is none."""

from __future__ import annotations

from typing import Any

import click
import pytest

from dgkd_cli.view_range import number_pair, view_range

NONE: Any = None


def test_a_range_of_views() -> None:
    assert view_range(NONE, NONE, "2:40") == range(2, 40) and view_range(NONE, NONE, None) is None
    assert number_pair("0/4", "/", "a share") == (0, 4)


@pytest.mark.parametrize("text", ["", "3", "3:3", "4:3", "-1:3", "0:3:1", "0 :3", "a:b", "0:1234567890", "٣:٤"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected A:B with A < B, as 0:40, found"):
        view_range(NONE, NONE, text)
