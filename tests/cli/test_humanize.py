"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from dgkd_cli.humanize import (
    amount_text,
    count_text,
    duration_text,
    files_text,
    percent_text,
    rate_text,
    share_number,
    size_text,
    with_numbers,
)


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (57_640_000, "57.6 MB"),
        (1_620_000_000, "1.62 GB"),
        (769 * 10**9, "769 GB"),
        (2 * 10**12, "2 TB"),
        (10**15, "1 PB"),
    ],
)
def test_sizes(nbytes: int, text: str) -> None:
    assert size_text(nbytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (3.21, "3.2 s"),
        (59.9, "59.9 s"),
        (59.96, "1 min 00 s"),
        (75, "1 min 15 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_other_numbers() -> None:
    assert count_text(1234567) == "1,234,567"
    assert files_text(146_008, 1) == "146 kB in 1 file" and files_text(0, 0) == "0 B in 0 files"
    assert percent_text("0.8812") == "88.12 %"
    assert percent_text(None) == "-"
    assert rate_text(12345.6, "samples") == "12,346 samples/s"
    assert rate_text(1.234, "views") == "1.23 views/s"


@pytest.mark.parametrize(
    ("share", "number"),
    [("0.8812", 0.8812), (1, 1.0), (None, None), ("", None), ("nan", None), ("1e999", None), ("many", None)],
)
def test_a_share_is_a_finite_number_or_nothing(share: str | float | None, number: float | None) -> None:
    assert share_number(share) == number
    assert (percent_text(share) == "-") == (number is None)


def test_accuracies_in_json_are_numbers() -> None:
    assert with_numbers({"a": "1", "accuracy": "0.5"}) == {"a": "1", "accuracy": 0.5}
    assert with_numbers({"accuracy": {"test": "0.25", "validation": ""}})["accuracy"] == {
        "test": 0.25,
        "validation": None,
    }


def test_an_amount_of_bytes_is_a_size() -> None:
    assert (amount_text(1437, "samples"), amount_text(57_640_000, "bytes")) == ("1,437 samples", "57.6 MB")
    assert rate_text(1_500_000.0, "bytes") == "1.5 MB/s"
