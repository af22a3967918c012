"""A record from elsewhere: each field of a real one, changed to what it cannot be."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from dgkd_cache.study.record_fields import first_wrong_field

STUDY = Path(__file__).parents[2] / "docs" / "study"
RECORDS = sorted(STUDY.glob("*/records/*.json"))


def test_the_committed_records_are_right() -> None:
    assert RECORDS
    assert {first_wrong_field(json.loads(path.read_text())) for path in RECORDS} == {None}


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("test", "top1"), "0.7", "test.top1 of a record: input should be a valid number"),
        (("test", "top1"), 1.5, "test.top1 of a record: input should be less than or equal to 1"),
        (("test", "nll"), None, "test.nll of a record"),
        (("test", "bins", 0, "samples"), -1, "test.bins.0.samples of a record"),
        (("test", "class_accuracy", 3), [], "test.class_accuracy.3"),
        (("epochs", 2, "test_accuracy"), "high", "epochs.2.test_accuracy"),
        (("cost", "epochs"), 1.5, "cost.epochs of a record: input should be a valid integer"),
        (("guide_runs",), "teacher", "guide_runs of a record: input should be a valid list"),
        (("run",), 3, "run of a record: input should be a valid string"),
    ],
)
def test_a_field_of_another_kind_is_named(place: tuple[str | int, ...], value: object, expected: str) -> None:
    record = copy.deepcopy(json.loads(RECORDS[0].read_text()))
    part = record
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    wrong = first_wrong_field(record)
    assert wrong is not None and wrong[0].startswith(expected), wrong
    assert repr(value) == wrong[1]
    del part[place[-1]]
    required = not isinstance(place[-1], int) and place[0] != "epochs"
    assert (first_wrong_field(record) is not None) == required
