"""The record of a run: what is found in it again."""

from __future__ import annotations

import pytest

from dgkd_cache.workspace.run_inputs import Change, changes, describe_changes, flatten, recorded_value


@pytest.mark.parametrize("value", ["bf16", False, True, 3, 0.5, None, [1, 2], "é"])
def test_a_recorded_value_is_found_again(value: object) -> None:
    assert recorded_value(flatten({"training": {"precision": value}, "other": 1}), "training.precision") == value


@pytest.mark.parametrize("text", ["", "bf16", "{"])
def test_what_was_edited_by_hand_or_never_recorded_is_none(text: str) -> None:
    assert recorded_value({"training.precision": text}, "training.precision") is None
    assert recorded_value({}, "training.precision") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("distillation.always", "[]", '["teacher"]'), 'distillation.always was [], is ["teacher"]'),
        (Change("the store's licence", '""', '"X"'), 'the store\'s licence was "", is "X"'),
        (Change("the store's views", "0 to 1", "0 to 2"), "the store's views were 0 to 1, are 0 to 2"),
        (Change("guides.ta1", f'"{"ab" * 32}"', f'"{"cd" * 32}"'), f"guides.ta1 was {'ab' * 8}, is {'cd' * 8}"),
        (Change("training.input_size", "null", "12"), "training.input_size was not set, is 12"),
        (Change("training.lr_steps", "0" * 61, "1"), f"training.lr_steps was {'0' * 60}..., is 1"),
    ],
)
def test_a_change_in_words(change: Change, words: str) -> None:
    """Values are those of dgkd.toml; of digests and long values there is the beginning."""
    assert str(change) == describe_changes([change]) == words


def test_a_reason_names_six_changes() -> None:
    found = changes(flatten({"a": list(range(9))}), flatten({f"b{number}": number for number in range(7)}))
    reason = describe_changes(found)
    assert reason.startswith("b0 was not set, is 0; b1 was") and reason.endswith("; b5 was not set, is 5; and 2 more")
