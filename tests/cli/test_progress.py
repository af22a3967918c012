"""Progress: lines with rate and time left without a terminal, a bar with one, nothing if quiet."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from dgkd_cache.progress import Silent
from dgkd_cli.progress import COLOURS, BarProgress, LineProgress, open_progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_at_most_every_ten_seconds() -> None:
    out, clock = io.StringIO(), Clock()
    lines = LineProgress(out, clock=clock)
    lines.start("train ta1", total=1000, unit="samples", done=200)
    for _ in range(60):
        clock.now += 0.5
        lines.advance(10, figures="loss 1.25")
    lines.finish()
    assert out.getvalue().splitlines() == [
        "train ta1: 1,000 samples, 200 samples done before",
        "train ta1: 400/1,000 samples, 20 samples/s, 30.0 s left, loss 1.25",
        "train ta1: 600/1,000 samples, 20 samples/s, 20.0 s left, loss 1.25",
        "train ta1: 800/1,000 samples, 20 samples/s, 10.0 s left, loss 1.25",
        "train ta1: done in 30.0 s",
    ]


def test_seconds_of_preparation_count_for_the_time_and_not_for_the_rate() -> None:
    out, clock = io.StringIO(), Clock()
    bar = BarProgress(Console(file=out, force_terminal=True, width=120, color_system=None), clock=clock)
    for progress in (LineProgress(out, clock=clock), bar):
        progress.start("dump ta1", total=1000, unit="samples", seconds=3.9)
        clock.now += 20.0
        progress.advance(500)
        clock.now += 20.0
        progress.advance(500)
        progress.finish()
    assert out.getvalue().splitlines()[:3] == [
        "dump ta1: 1,000 samples",
        "dump ta1: 500/1,000 samples, 25 samples/s, 20.0 s left",
        "dump ta1: done in 43.9 s",
    ]
    assert "dump ta1: done in 43.9 s" in out.getvalue().splitlines()[-1]


def test_bytes_are_sizes() -> None:
    out, clock = io.StringIO(), Clock()
    lines = LineProgress(out, clock=clock)
    lines.start("verify ta1", total=4_000_000_000, unit="bytes")
    clock.now += 10
    lines.advance(1_500_000_000)
    lines.finish()
    assert out.getvalue().splitlines() == [
        "verify ta1: 4 GB",
        "verify ta1: 1.5 GB/4 GB, 150 MB/s, 16.7 s left",
        "verify ta1: done in 10.0 s",
    ]
    screen, clock = io.StringIO(), Clock()
    bar = BarProgress(Console(file=screen, force_terminal=True, width=120, color_system=None), clock=clock)
    bar.start("verify ta1", total=4_000_000, unit="bytes")
    bar.advance(1_500_000)
    bar.finish()
    assert "1.5 MB/4 MB" in screen.getvalue() and "1500000" not in screen.getvalue()


def test_two_pieces_of_work_after_each_other_are_counted_apart() -> None:
    out, clock = io.StringIO(), Clock()
    lines = LineProgress(out, clock=clock)
    for what in ("first", "second"):
        lines.start(what, total=10, unit="views")
        clock.now += 75
        lines.advance(10)
        lines.finish()
    lines.finish()
    assert out.getvalue().splitlines() == [
        "first: 10 views",
        "first: done in 1 min 15 s",
        "second: 10 views",
        "second: done in 1 min 15 s",
    ]


def test_no_terminal_means_lines_and_quiet_means_only_warnings() -> None:
    out = io.StringIO()
    with open_progress(quiet=False, stream=out) as progress:
        progress.say("one [bold]line[/bold]")
    assert out.getvalue() == "one [bold]line[/bold]\n"
    with open_progress(quiet=True, stream=out) as progress:
        assert isinstance(progress, Silent)
        progress.start("train", total=4, unit="samples")
        progress.say("done")
        progress.warn("all guides are dropped")
    assert out.getvalue().splitlines()[1:] == ["Warning: all guides are dropped"]


def test_a_bar_shows_rate_and_figures_and_leaves_the_terminal_as_it_was() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=120, color_system=None)
    bar = BarProgress(terminal)
    bar.start("train [ta1]", total=4, unit="samples")
    bar.advance(2, figures="loss 1.25")
    bar.say("a line with [markup] in it")
    bar.advance(1)
    bar.finish()
    text = out.getvalue()
    assert "train [ta1]" in text
    assert "3/4" in text and "loss 1.25" in text
    assert "a line with [markup] in it" in text
    assert "train [ta1]: done in 0.0 s" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is shown again"


def test_an_error_takes_the_bar_down() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    try:
        with open_progress(quiet=False, stream=out) as progress:
            assert isinstance(progress, BarProgress)
            progress.start("dump", total=4, unit="views")
            raise RuntimeError
    except RuntimeError:
        pass
    assert out.getvalue().count("\x1b[?25h") == 1


def test_a_task_within_another_is_part_of_it() -> None:
    out, clock = io.StringIO(), Clock()
    lines = LineProgress(out, clock=clock)
    lines.start("train ta1", total=100, unit="samples")
    lines.advance(50)
    for seconds in (1, 12):
        lines.start("evaluate ta1 on test", total=10, unit="samples")
        clock.now += seconds
        lines.advance(5)
        lines.advance(5)
        lines.finish()
    lines.say("ta1: epoch 1/2")
    clock.now += 10
    lines.advance(25)
    lines.finish("test accuracy 90.00 % of 10 samples")
    assert out.getvalue().splitlines() == [
        "train ta1: 100 samples",
        "evaluate ta1 on test: 5/10 samples, 0.417 samples/s, 12.0 s left",
        "ta1: epoch 1/2",
        "train ta1: 75/100 samples, 3.26 samples/s, 7.7 s left",
        "train ta1: done in 23.0 s, test accuracy 90.00 % of 10 samples",
    ]


def test_a_bar_comes_back_after_that_of_a_task_within() -> None:
    screen = io.StringIO()
    bar = BarProgress(Console(file=screen, force_terminal=True, width=80, color_system=None), clock=Clock())
    bar.start("train ta1", total=100, unit="samples")
    bar.advance(40, figures="epoch 2/3, step 4/12, loss 1.2345")
    bar.start("evaluate ta1 on test", total=10, unit="samples")
    bar.advance(10)
    time.sleep(0.15)  # rich draws ten times a second
    bar.finish()
    within = len(screen.getvalue())
    bar.advance(40)
    bar.finish("test accuracy 90.00 % of 10 samples")
    text = screen.getvalue()
    assert "evaluate ta1 on test" in text[:within] and "10/10" in text[:within]
    assert "evaluate ta1 on test: done" not in text, "the line of the task around it is enough"
    assert "80/100" in text[within:] and "epoch 2/3, step 4/12, loss 1.2345" in text[within:]
    assert "train ta1: done in 0.0 s, test accuracy 90.00 % of 10 samples" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "one bar for both"


def on_screen(output: str) -> list[str]:
    """Returns the lines that an output leaves on a terminal: erased are those that the cursor goes back to."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", output):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("A"):
            row -= int(part[2:-1])
        elif not part.startswith("\x1b") and part != "\r":
            lines[row] = part.rstrip()
    return [line for line in lines if line]


def test_no_line_is_erased_when_the_bar_of_a_task_within_goes() -> None:
    screen = io.StringIO()
    bar = BarProgress(Console(file=screen, force_terminal=True, width=80, color_system=None))
    expected = []
    bar.start("train ta1", total=300, unit="samples")
    for epoch in (1, 2, 3):
        bar.advance(100, figures=f"epoch {epoch}/3, step 4/12")
        time.sleep(0.15)  # rich draws ten times a second
        expected.append(f"ta1: epoch {epoch}/3, loss 1.2345")
        bar.say(expected[-1])
        bar.start("evaluate ta1 on test", total=10, unit="samples")
        bar.advance(10)
        time.sleep(0.15)
        bar.finish()
        time.sleep(0.15)
    bar.finish("test accuracy 90.00 % of 10 samples")
    *lines, last = on_screen(screen.getvalue())
    assert lines == expected
    assert last.startswith("train ta1: done in ") and last.endswith(", test accuracy 90.00 % of 10 samples")


@pytest.mark.parametrize("width", [80, 120])
def test_no_word_of_a_bar_is_cut(width: int) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=width, color_system="256", theme=COLOURS)
    bar = BarProgress(terminal)
    name = "student-" + "resnet8" * 8  # a name has at most 64 characters
    bar.start(f"train {name}", total=12_800_000, unit="samples", done=1000)
    bar.advance(64_000, figures="epoch 100/300, step 12,345/23,456, loss 1.2345, train accuracy 77.87 %")
    time.sleep(0.15)
    bar.advance(64_000)
    bar.finish()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    last = next(line for line in lines if "129,000/12,800,000" in line)
    assert re.fullmatch(r"[━╸╺ ]+129,000/12,800,000 samples, [0-9,]+ samples/s, [0-9.]+ (s|min [0-9]+ s) left", last)
    above = " ".join(lines[: lines.index(last)])
    assert max(map(len, lines[: lines.index(last) + 1])) <= width
    assert len(last) <= width - 3, "a terminal shows ^C behind it"
    assert f"train {name}: epoch 100/300, step 12,345/23,456, loss 1.2345, train accuracy 77.87 %" in above


def test_only_the_bar_itself_has_a_colour() -> None:
    screen = io.StringIO()
    bar = BarProgress(Console(file=screen, force_terminal=True, width=80, color_system="256", theme=COLOURS))
    bar.start("dump ta1", total=4, unit="views")
    bar.advance(1, figures="loss 1.25")
    bar.finish()
    coloured = re.findall(r"\x1b\[[1-9][0-9;]*m([^\x1b]*)", screen.getvalue())
    assert coloured and set("".join(coloured)) <= set("━╸╺ ")
