"""`dgkd-cache ls`: lists the runs and stores of a workspace."""

from __future__ import annotations

import dataclasses

import click

from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.console import print_json, table
from dgkd_cli.humanize import count_text, percent_text, size_text, with_numbers
from dgkd_stores import clean

__all__ = ["ls"]


@click.command()
@json_option
@pass_app
def ls(app: App, as_json: bool) -> None:
    """List the runs and guide stores of the workspace, with state and size.

    The files of a run are looked over, its weights only by their size: `verify` reads them. What cannot be used is
    named with the reason; it hides nothing else.

    \b
    Examples:
      dgkd-cache ls
      dgkd-cache -w demo ls --json
    """
    from dgkd_cache.workspace.listing import list_runs, list_stores

    workspace = app.workspace()
    runs, stores = list_runs(workspace), list_stores(workspace)
    if as_json:
        print_json(
            {
                "workspace": str(workspace.folder.resolve()),
                "runs": [with_numbers(dataclasses.asdict(run)) for run in runs],
                "stores": [dataclasses.asdict(store) for store in stores],
            }
        )
        return
    remarks = any(run.why for run in runs)
    lines = [
        (
            clean(run.name),
            run.state,
            clean(run.architecture),
            count_text(run.parameters) if run.parameters is not None else "-",
            percent_text(run.accuracy),
            size_text(run.nbytes) if run.nbytes else "-",
            *([clean(run.why)] if remarks else []),
        )
        for run in runs
    ]
    headers = ("run", "state", "architecture", "parameters", "accuracy", "size", *(["remark"] if remarks else []))
    click.echo(table(headers, lines, right=("parameters", "accuracy", "size")))
    if not stores:
        return
    click.echo()
    lines_of_stores = [
        (
            clean(store.name),
            store.state,
            f"{store.views[0]}:{store.views[1]}" if store.views else "-",
            str(store.views_done) if store.views else "-",
            size_text(store.nbytes) if store.nbytes else "-",
            store.seal[:16] if store.seal else store.why or "-",
        )
        for store in stores
    ]
    headers = ("store", "state", "views", "done", "size", "seal")
    click.echo(table(headers, lines_of_stores, right=("done", "size")))
