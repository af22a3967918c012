"""The option `--resume`: what a verb does anyway, but exit code 10 where nothing was begun. Loads no torch."""

from __future__ import annotations

import click

from dgkd_cache.errors import NothingBegun

__all__ = ["check_resume", "resume_option"]

resume_option = click.option(
    "--resume", is_flag=True, help="Continue what was begun, as happens anyway; exit code 10 if nothing was."
)


def check_resume(resume: bool, *, begun: bool, what: str, against: str | None = None) -> None:
    """Raises NothingBegun if `resume` is given and nothing was `begun`, UsageError if an option `against` it is too."""
    if resume and against:
        raise click.UsageError(f"--resume continues what {against} makes again: give one of them")
    if resume and not begun:
        raise NothingBegun(f"there is nothing to resume: {what} was not begun", do="leave --resume out")
