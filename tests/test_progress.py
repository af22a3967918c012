"""Reports of work: a check of a store begins once and advances by what is new."""

from __future__ import annotations

from unittest.mock import call, create_autospec

import pytest

from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import PrintProgress, Progress, Silent, check_reporting, counted


def test_bytes_done_are_told_as_steps() -> None:
    progress = create_autospec(Progress, instance=True)
    report = counted(progress, "verify x")
    for done in (10, 25, 100):
        report(done, 100)
    assert progress.mock_calls == [
        call.start("verify x", total=100, unit="bytes"),
        call.advance(10),
        call.advance(15),
        call.advance(75),
    ]


def test_what_is_done_again_is_taken_back_and_begins_nothing() -> None:
    progress = create_autospec(Progress, instance=True)
    report = counted(progress, "pull x", unit="views")
    for done in (0, 4, 0, 10):
        report(done, 10)
    assert progress.mock_calls == [
        call.start("pull x", total=10, unit="views"),
        *map(call.advance, (0, 4, -4, 10)),
    ]


def test_lines_are_printed_for_tenths_of_the_outer_task(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PrintProgress()
    progress.start("train ta1", total=40, unit="steps", amount="2 epochs of 20 steps", done=10)
    progress.advance(1)
    progress.advance(1, "loss 0.5")
    progress.start("evaluate", total=2, unit="samples")
    progress.advance(2)
    progress.finish("accuracy 0.25")
    progress.advance(28)
    progress.finish("loss 0.25")
    progress.finish()
    progress.warn("odd")
    progress.start("dump ta1", total=2, unit="samples")
    assert capsys.readouterr().out.splitlines() == [
        "train ta1: 2 epochs of 20 steps, 10 of them done before",
        "train ta1: 30 %, loss 0.5",
        "train ta1: done, loss 0.25",
        "odd",
        "dump ta1: 2 samples",
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
