"""Options whose values the settings know: what `dgkd.toml` may say is what the command line may say."""

from __future__ import annotations

import click

from dgkd_cache.settings import Table, choices

__all__ = ["choice_of"]


def choice_of(table: type[Table], key: str) -> click.Choice[str]:
    """The values of a key, as click checks and completes them."""
    return click.Choice(choices(table, key))
