"""`dgkd-cache repair`: restores a damaged store, byte for byte."""

from __future__ import annotations

import dataclasses

import click

from dgkd_cli.app import App, architecture_option, device_option, json_option, pass_app, take_over_option
from dgkd_cli.completion import complete_stores
from dgkd_cli.console import print_result
from dgkd_cli.humanize import count_text, duration_text
from dgkd_cli.stores import store_at, workspace_for
from dgkd_cli.user_code import check_architectures
from dgkd_stores import clean

__all__ = ["repair"]

SHOWN = 10
"""Maximum number of files shown; --json lists all."""


@click.command()
@click.argument("what", metavar="NAME|PATH", shell_complete=complete_stores)
@architecture_option
@take_over_option
@device_option
@json_option
@pass_app
def repair(app: App, what: str, architectures: tuple[str, ...], take_over: bool, device: str, as_json: bool) -> None:
    """Restore a damaged store, byte for byte.

    What the seal proves is mended at once, the rest by running the guide again. Only damaged or missing chunks are
    computed, and a file is replaced only by one that fits the seal: the store ends as it was, byte for byte, or is
    left as it is (exit code 13: another machine, version, or weights). An unfinished store is finished. Stopped at
    any moment, the same command goes on. A PATH within a workspace is mended by the runs of that one, any other by
    those of the workspace that -w names; where no rows and no whole arrays are lost, none is needed.

    \b
    Examples:
      dgkd-cache repair ta1
      dgkd-cache repair guides/ta1-40-60.zarr --json
    """
    from dgkd_cache.workspace.tasks import repair_store

    path = store_at(app, what)
    workspace = workspace_for(app, path, architectures)
    check_architectures(architectures, [workspace.run_folder(name) for name in workspace.runs()] if workspace else [])
    with app.working() as (progress, stop):
        result = repair_store(workspace, path=path, take_over=take_over, device=device, progress=progress, stop=stop)
    more = f" and {count_text(len(result.mended) - SHOWN)} more" if len(result.mended) > SHOWN else ""
    print_result(
        dataclasses.asdict(result) | {"path": str(result.path)},
        [
            ("store", clean(str(result.path))),
            ("seal", result.seal or "-"),
            ("mended", ", ".join(result.mended[:SHOWN]) + more if result.mended else "nothing: it is whole"),
            ("computed", f"{count_text(result.samples)} samples"),
            ("time", duration_text(result.seconds)),
        ],
        as_json=as_json,
    )
