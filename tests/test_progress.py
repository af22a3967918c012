"""Reports of work: a check of a store begins once and advances by what is new."""

from __future__ import annotations

from unittest.mock import call, create_autospec

import pytest

from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Progress, Silent, check_reporting, over_bytes


def test_bytes_done_are_told_as_steps() -> None:
    progress = create_autospec(Progress, instance=True)
    report = over_bytes(progress, "verify x")
    for done in (10, 25, 100):
        report(done, 100)
    assert progress.mock_calls == [
        call.start("verify x", total=100, unit="bytes"),
        call.advance(10),
        call.advance(15),
        call.advance(75),
    ]


def test_who_reports_nothing_still_takes_a_warning_for_a_line() -> None:
    lines: list[str] = []

    class Lines(Silent):
        def say(self, line: str) -> None:
            lines.append(line)

    Lines().warn("odd")
    assert lines == ["odd"]


def test_what_cannot_report_or_be_asked_is_refused() -> None:
    check_reporting("run", None)
    check_reporting("run", Silent(), lambda: True)
    for progress, stop, words in (
        (Silent, bool, "run: the argument 'progress' .*the methods start, advance, finish, say.*leave it out"),
        (print, bool, "found the function print"),
        (None, True, "run: the argument 'stop' .*found True .*write stop=lambda: False"),
    ):
        with pytest.raises(InvalidInput, match=words):
            check_reporting("run", progress, stop)
