"""The mirror: every line to every logger, and one that fails is left out with one warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.errors import UnsafeStore
from dgkd_cache.training.loggers import LoggedRun, Mirror
from dgkd_cache.training.loggers.mirror import own_folder, scalars


class Logger:
    """One that fails at a call."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at, self.calls = fails_at, list[object]()

    def _called(self, name: str, *what: object) -> None:
        self.calls.append((name, *what))
        if name == self.fails_at:
            raise RuntimeError(f"no {name}\nmore")

    def begin(self, lines: object) -> None:
        self._called("begin", lines)

    def add(self, line: object) -> None:
        self._called("add", line)

    def close(self, *, failed: bool) -> None:
        self._called("close", failed)


BEGIN, FIRST, SECOND = ("begin", [{"epoch": 0}]), ("add", {"epoch": 1}), ("add", {"epoch": 2})


def passed_on(*loggers: Logger, error: Exception | None = None) -> list[str]:
    """The warnings of a run of three lines, the first of which was there before; it may end in an error."""
    warnings: list[str] = []
    mirror = Mirror({str(number): logger for number, logger in enumerate(loggers)}, warn=warnings.append)
    with mirror:
        mirror.begin([{"epoch": 0}])
        for epoch in (1, 2):
            mirror.add({"epoch": epoch})
        if error is not None:
            raise error
    return warnings


def test_all_lines_go_to_all_loggers() -> None:
    one, two = Logger(), Logger()
    assert passed_on(one, two) == []
    assert one.calls == two.calls == [BEGIN, FIRST, SECOND, ("close", False)]


def test_loggers_learn_that_the_run_did_not_end() -> None:
    one = Logger()
    with pytest.raises(ValueError):
        passed_on(one, error=ValueError())
    assert one.calls[-1] == ("close", True)


@pytest.mark.parametrize(
    ("fails_at", "calls"),
    [
        ("begin", [BEGIN, ("close", True)]),
        ("add", [BEGIN, FIRST, ("close", True)]),
        ("close", [BEGIN, FIRST, SECOND, ("close", False), ("close", True)]),
    ],
)
def test_a_logger_that_fails_is_left_out_with_one_warning(fails_at: str, calls: list[object]) -> None:
    bad, good = Logger(fails_at), Logger()
    assert passed_on(bad, good) == [
        f"the logger 0 failed and is left out; metrics.jsonl has every line (RuntimeError: no {fails_at} more)"
    ]
    assert bad.calls == calls
    assert good.calls == [BEGIN, FIRST, SECOND, ("close", False)]


def test_an_interrupt_is_no_failure_of_a_logger() -> None:
    class Interrupted(Logger):
        def add(self, line: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        passed_on(Interrupted())


def test_what_never_began_is_not_closed() -> None:
    one = Logger()
    with Mirror({"one": one}):
        pass
    with Mirror() as nothing:
        nothing.begin([])
        nothing.add({})
    assert one.calls == []


def test_a_link_in_place_of_the_folder_is_refused(run: LoggedRun, tmp_path: Path) -> None:
    assert own_folder(run, "tensorboard") == own_folder(run, "tensorboard") == run.folder / "tensorboard"
    (run.folder / "wandb").symlink_to(tmp_path)
    with pytest.raises(UnsafeStore, match="found a link"):
        own_folder(run, "wandb")


def test_scalars_are_what_a_line_says_of_its_step() -> None:
    assert scalars({"epoch": 1, "step": 6, "loss": 0.5}) == {"epoch": 1.0, "loss": 0.5}
