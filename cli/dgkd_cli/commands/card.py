"""`dgkd-cache card`: the card of a guide, for people, for the Hub and for search engines of data sets."""

from __future__ import annotations

from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.completion import complete_stores
from dgkd_cli.lines import show
from dgkd_cli.stores import store_at
from dgkd_stores import card_of, write_card
from dgkd_stores.disk import expand_user

__all__ = ["card"]


@click.command()
@click.argument("store", metavar="NAME|PATH", shell_complete=complete_stores)
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="Write both files there.")
@click.option("--data-licence", default="", metavar="TEXT", help="Licence of the images, which no store knows.")
@json_option
@pass_app
def card(app: App, store: str, output: Path | None, data_licence: str, as_json: bool) -> None:
    """Print the card of a finished store, or write it into a folder.

    The card is README.md, with the front matter of the Hugging Face Hub, and croissant.json (Croissant 1.1). It says
    what the guide is, and has no path, user or host in it. With --json it is croissant.json that is printed.

    \b
    Examples:
      dgkd-cache card ta1
      dgkd-cache card ta1 --output public --data-licence CC-BY-4.0
    """
    path = store_at(app, store)
    if output is not None:
        for written in write_card(path, expand_user(output), data_licence=data_licence):
            show(str(written))
        return
    made = card_of(path, data_licence=data_licence)
    click.echo(made.croissant if as_json else made.readme, nl=False)
