"""`dgkd-cache export`: writes a store in another form."""

from __future__ import annotations

from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app, take_over_option
from dgkd_cli.completion import complete_stores
from dgkd_cli.conversion import codec_option, convert_and_tell
from dgkd_cli.stores import store_at
from dgkd_stores.disk import expand_user

__all__ = ["export"]


@click.command()
@click.argument("store", metavar="NAME|PATH", shell_complete=complete_stores)
@click.argument("target", type=click.Path(path_type=Path))
@codec_option("target.h5", "target.zarr", help="gzip for a file, zstd and blosc for a folder.")
@take_over_option
@json_option
@pass_app
def export(app: App, store: str, target: Path, codec: str, take_over: bool, as_json: bool) -> None:
    """Write a finished store as an HDF5 file or a Zarr folder.

    TARGET ends in .h5 or .hdf5 for an HDF5 file, in .zarr for a Zarr folder. Every row is checked on the way, and once
    more as it was written; the seal is the same. TARGET appears whole or not at all, and nothing is ever overwritten.
    A store that is given as a PATH needs no workspace.

    \b
    Examples:
      dgkd-cache export ta1 ta1.h5
      dgkd-cache export ta1 ta1-small.h5 --codec gzip
      dgkd-cache export guides/ta1.zarr /media/disk/ta1.zarr --codec zstd
    """
    source = store_at(app, store)
    convert_and_tell(app, "export", source, expand_user(target), codec=codec, take_over=take_over, as_json=as_json)
