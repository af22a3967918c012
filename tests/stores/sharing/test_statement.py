"""The signed line: five keys, canonical, one way to write it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from stores.support.small_store import SmallStore

from dgkd_stores.sharing.statement import Statement

HERE = timezone(timedelta(hours=9))
STATEMENT = Statement.of(SmallStore().header, "5" * 64, datetime(2026, 11, 26, 23, 30, 5, 999, tzinfo=HERE))


def test_it_has_the_digests_of_the_header_and_the_date_in_utc() -> None:
    header = SmallStore().header
    assert json.loads(STATEMENT.message) == {
        "seal": "5" * 64,
        "guide": header.guide.weights_digest,
        "data": header.dataset.digest,
        "plan": header.plan_digest,
        "date": "2026-11-26T14:30:05Z",
    }
    assert STATEMENT.message.count(b"\n") == 1 and STATEMENT.message.endswith(b"}\n")
    assert Statement.parse(STATEMENT.message) == STATEMENT


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b"[]\n",
        b"[" * 100000,
        STATEMENT.message[:-1],
        STATEMENT.message + b"\n",
        STATEMENT.message.replace(b",", b", "),
        STATEMENT.message.replace(b"5" * 64, b"5" * 63),
        STATEMENT.message.replace(b'"' + b"5" * 64 + b'"', b"5"),
        STATEMENT.message.replace(b"2026-11-26T", b"26 November 2026 "),
        STATEMENT.message.replace(b"{", b'{"more":"x",'),
        STATEMENT.message.replace(b'"seal"', b'"data"'),
    ],
)
def test_any_other_text_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError):
        Statement.parse(message)


def test_the_date_makes_no_difference() -> None:
    header = SmallStore().header
    later = Statement.of(header, "5" * 64, datetime(2030, 1, 1, tzinfo=UTC))
    assert STATEMENT.first_difference(later) is None
    other = Statement.of(header, "6" * 64, datetime(2030, 1, 1, tzinfo=UTC))
    assert STATEMENT.first_difference(other) == ("seal", "5" * 64, "6" * 64)
