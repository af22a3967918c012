"""Values of options: the same as in `dgkd.toml`; a list is one option."""

from __future__ import annotations

import click

from dgkd_cache.config.tables import Table, choices

__all__ = ["choice_of", "require_once"]


def choice_of(table: type[Table], key: str) -> click.Choice[str]:
    """Returns the values of a key as a click type."""
    return click.Choice(choices(table, key))


def require_once(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    """Refuses a list A,B,... (`multiple=True`) that is given twice, of which one would be ignored."""
    if len(values) > 1:
        raise click.BadParameter(f"given {len(values)} times: name all of them once, as in {','.join(values)}")
    return values[0] if values else None
