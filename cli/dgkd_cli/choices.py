"""Values of options: what `dgkd.toml` may say is what the command line may say, and lists stand in one option."""

from __future__ import annotations

import click

from dgkd_cache.config.tables import Table, choices

__all__ = ["choice_of", "given_once"]


def choice_of(table: type[Table], key: str) -> click.Choice[str]:
    """The values of a key, as click checks and completes them."""
    return click.Choice(choices(table, key))


def given_once(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    """The callback of a list A,B,... (`multiple=True`): given twice, one of the lists would be ignored."""
    if len(values) > 1:
        raise click.BadParameter(f"given {len(values)} times: name all of them once, as in {','.join(values)}")
    return values[0] if values else None
