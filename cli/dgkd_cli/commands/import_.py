"""`dgkd-cache import`: adds somebody else's store as a guide of the workspace."""

from __future__ import annotations

from pathlib import Path

import click

from dgkd_cli.app import App, json_option, pass_app, take_over_option
from dgkd_cli.conversion import codec_option, convert_and_tell
from dgkd_stores import read_header
from dgkd_stores.disk import expand_user

__all__ = ["import_"]


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", help="The store's name in the workspace (default: its guide's).")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Path of the new store, in a workspace or not.",
)
@codec_option("target.zarr", help="none is read at the speed of memory.")
@take_over_option
@json_option
@pass_app
def import_(
    app: App, source: Path, name: str | None, target: Path | None, codec: str, take_over: bool, as_json: bool
) -> None:
    """Take a store from an HDF5 file or a Zarr folder.

    It becomes guides/NAME.zarr. It is looked over first and refused (exit code 15) if it holds anything that a
    store does not; every row is checked against its digest on the way, and once more as it was written. A store of
    other views than the workspace's is called NAME-FIRST-STOP, as `dump --views` has it. Nothing is ever
    overwritten.

    \b
    Examples:
      dgkd-cache import ta1.h5
      dgkd-cache import /media/disk/ta1.zarr --name their-ta1
      dgkd-cache import ta1.h5 --to ta1.zarr --codec blosc
    """
    if name and target:
        raise click.UsageError("give at most one of --name (in the workspace) and --to (anywhere)")
    source = expand_user(source)
    if target is None:
        header = read_header(source).header  # a missing file is told before a missing workspace
        workspace = app.workspace()
        target = workspace.store_path(name or header.guide.called, header.view_range)
    convert_and_tell(app, "import", source, expand_user(target), codec=codec, take_over=take_over, as_json=as_json)
