"""`dgkd-cache subset`: writes some views of a store as a store."""

from __future__ import annotations

from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app, take_over_option
from dgkd_cli.completion import complete_stores
from dgkd_cli.conversion import codec_option, output_option, write_and_tell
from dgkd_cli.stores import store_at
from dgkd_cli.view_range import view_range
from dgkd_stores import subset as write_subset
from dgkd_stores.disk import expand_user

__all__ = ["subset"]


@click.command()
@click.argument("store", metavar="NAME|PATH", shell_complete=complete_stores)
@click.option("--views", metavar="A:B", callback=view_range, required=True, help="The views that it has.")
@output_option
@codec_option("target.h5", "target.zarr", help="gzip for a file, zstd and blosc for a folder.")
@take_over_option
@json_option
@pass_app
def subset(app: App, store: str, views: range, target: Path, codec: str, take_over: bool, as_json: bool) -> None:
    """Write some views of a finished store as a store.

    Rows and digests are those of the store; its seal and its range of views stand in the header of the new one, as
    guide.training.derived_from, and `dgkd-cache diff` of the two compares every row. Every row is checked on the way.

    \b
    Examples:
      dgkd-cache subset ta1 --views 0:20 -o ta1-0-20.zarr
      dgkd-cache subset guides/ta1.zarr --views 20:40 -o ta1-20-40.h5
    """
    source, target = store_at(app, store), expand_user(target)
    write_and_tell(
        app,
        "subset",
        [source],
        target,
        lambda report: write_subset(source, target, views=views, codec=codec, take_over=take_over, report=report),
        as_json=as_json,
    )
