"""Values of options: the same as in `dgkd.toml`; a list is one option."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.decorators import FC

from dgkd_cache.config.tables import Table, choices
from dgkd_cli.completion import Complete, in_a_list

__all__ = ["choice_of", "list_option", "log_option", "loggers"]


def choice_of(table: type[Table], key: str) -> click.Choice[str]:
    """Returns the values of a key as a click type."""
    return click.Choice(choices(table, key))


def list_option(
    name: str, *, help: str, required: bool = False, complete: Complete | None = None
) -> Callable[[FC], FC]:
    """Adds an option whose value is a list A,B,...; given twice, it is refused, for one of them would be ignored.

    `complete` gives a shell the names that may stand in it.
    """
    return click.option(
        name,
        metavar="A,B,...",
        multiple=True,
        callback=_once,
        required=required,
        shell_complete=in_a_list(complete) if complete else None,
        help=help,
    )


def loggers(text: str | None) -> tuple[str, ...]:
    """Returns the names in a list A,B,... of loggers."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _complete_loggers(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ("tensorboard", "wandb") if name.startswith(incomplete)]


def _once(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        raise click.BadParameter(f"given {len(values)} times: name all of them once, as in {','.join(values)}")
    return values[0] if values else None


log_option = list_option(
    "--log",
    complete=_complete_loggers,
    help="Mirror metrics.jsonl to tensorboard, wandb or both; it changes nothing of the run.",
)
