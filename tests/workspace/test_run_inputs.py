"""The record of a run: what is found in it again."""

from __future__ import annotations

import pytest

from dgkd_cache.workspace.run_inputs import flatten, recorded_value


@pytest.mark.parametrize("value", ["bf16", False, True, 3, 0.5, None, [1, 2], "é"])
def test_a_recorded_value_is_found_again(value: object) -> None:
    assert recorded_value(flatten({"training": {"precision": value}, "other": 1}), "training.precision") == value


@pytest.mark.parametrize("text", ["", "bf16", "{"])
def test_what_was_edited_by_hand_or_never_recorded_is_none(text: str) -> None:
    assert recorded_value({"training.precision": text}, "training.precision") is None
    assert recorded_value({}, "training.precision") is None
