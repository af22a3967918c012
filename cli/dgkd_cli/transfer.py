"""The common part of `push` and `pull`: their options, and progress over bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dgkd_cache.progress import counted
from dgkd_cli.app import App

if TYPE_CHECKING:
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
        yield counted(progress, what), stop
        progress.finish()
