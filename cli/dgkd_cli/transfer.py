"""The common part of `push` and `pull`: their options, and progress over bytes that may have to be sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dgkd_cli.app import App

if TYPE_CHECKING:
    from dgkd_cache.progress import Progress
    from dgkd_cli.signals import StopOnSignals

__all__ = ["dry_run_option", "jobs_option", "transferring"]

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    metavar="N",
    help="Files on their way at a time.",
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be transferred, and how many bytes.")


@contextmanager
def transferring(app: App, what: str) -> Iterator[tuple[Callable[[int, int], None], StopOnSignals]]:
    """Gives a report of bytes done and in all, and the flag that a signal sets; ends the task when the work is done."""
    with app.working() as (progress, stop):
        report = _report(progress, what)
        yield report, stop
        progress.finish()


def _report(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Returns a report for `progress`; bytes that have to be sent again make `done` smaller."""
    before: int | None = None

    def report(done: int, total: int) -> None:
        nonlocal before
        if before is None:
            progress.start(what, total=total, unit="bytes")
            before = 0
        progress.advance(done - before)
        before = done

    return report
