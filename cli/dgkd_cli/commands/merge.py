"""`dgkd-cache merge`: puts stores of one guide together."""

from __future__ import annotations

from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app, take_over_option
from dgkd_cli.completion import complete_stores
from dgkd_cli.conversion import codec_option, output_option, write_and_tell
from dgkd_cli.stores import store_at
from dgkd_stores import merge as write_merged
from dgkd_stores.disk import expand_user

__all__ = ["merge"]


@click.command()
@click.argument("stores", metavar="NAME|PATH...", nargs=-1, required=True, shell_complete=complete_stores)
@output_option
@codec_option("target.h5", "target.zarr", help="gzip for a file, zstd and blosc for a folder.")
@take_over_option
@json_option
@pass_app
def merge(app: App, stores: tuple[str, ...], target: Path, codec: str, take_over: bool, as_json: bool) -> None:
    """Put stores of other views of one guide together.

    Whoever dumped them, they must agree in model, data set, view plan and encoding (else exit code 13, with the first
    difference), and their views must follow on one another. Rows and digests are theirs; the seal and the range of
    views of each stand in the header of the new store, as guide.training.derived_from. Every row is checked on the way.

    \b
    Examples:
      dgkd-cache merge ta1 ta1-40-60 -o ta1-all.zarr
      dgkd-cache merge guides/ta1.zarr their.h5 -o ta1-all.zarr --codec zstd
    """
    if len(stores) < 2:
        raise click.UsageError("merge takes at least two stores of one guide")
    sources, target = [store_at(app, store) for store in stores], expand_user(target)
    write_and_tell(
        app,
        "merge",
        sources,
        target,
        lambda report: write_merged(sources, target, codec=codec, take_over=take_over, report=report),
        as_json=as_json,
    )
