"""`dgkd-cache transforms`: lists the transforms that a view plan can have."""

from __future__ import annotations

import click

from dgkd_cli.app import json_option
from dgkd_cli.catalogue import read_list
from dgkd_cli.columns import terminal_width, wrapped
from dgkd_cli.console import print_json

__all__ = ["transforms"]


@click.command()
@json_option
def transforms(as_json: bool) -> None:
    """List the transforms of views, in their order.

    A plan has each at most once. Those of one place in the order follow one another as they are written. Numbers at the
    end may be left out where the list has a default in brackets.

    \b
    Examples:
      dgkd-cache transforms
      dgkd-cache init --chain plain2 --transforms "crop(1),rand-augment" demo
    """
    known = read_list("transforms")
    if as_json:
        print_json(known)
        return
    lines = [(str(one["place"]), one["form"], one["about"]) for one in known["transforms"]]
    click.echo(wrapped(("place", "transform", "what it does"), lines, terminal_width()))
