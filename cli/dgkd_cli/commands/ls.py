"""`dgkd-cache ls`: lists the runs and stores of a workspace."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.columns import NO_TERMINAL, Step, fit, terminal_width
from dgkd_cli.console import print_json
from dgkd_cli.humanize import share_number, size_text, with_numbers
from dgkd_cli.lines import paragraph
from dgkd_cli.run_table import KEYS, long_table, short_table, sorted_by, to_csv
from dgkd_cli.settings_option import set_option
from dgkd_stores import clean, one_line

if TYPE_CHECKING:
    from dgkd_cache.workspace.listing import RunEntry, StoreEntry

__all__ = ["ls"]


@click.command()
@click.option(
    "--long", "as_long", is_flag=True, help="Every setting of every run, in several tables where one is too wide."
)
@click.option("--csv", "as_csv", is_flag=True, help="The runs as CSV, one row each, numbers as they are.")
@click.option("--sort", default="", metavar="KEY", help="Order of the runs: a column, as accuracy; -KEY is descending.")
@set_option()
@json_option
@pass_app
def ls(app: App, as_long: bool, as_csv: bool, sort: str, as_json: bool) -> None:
    """List runs and guide stores with settings, state and accuracy.

    `stale` is what was made with other settings or guides than today's, with the reason; `run --dry-run` compares
    the data set as well. Weights are looked over by their size: `verify` reads them. What cannot be used is named
    with the reason; it hides nothing else.

    \b
    Examples:
      dgkd-cache ls
      dgkd-cache ls --sort -accuracy --long
      dgkd-cache ls --csv
      dgkd-cache -w demo ls --json
    """
    key = sort.removeprefix("-")
    if sort and key not in KEYS:
        raise click.UsageError(f"--sort {sort}: expected one of {', '.join(KEYS)}")
    if as_csv + as_json + as_long > 1:
        raise click.UsageError("--long, --csv and --json are three forms of the list: choose one")
    from dgkd_cache.workspace.listing import list_runs, list_stores

    workspace = app.workspace()
    runs = list_runs(workspace)
    if sort:
        runs = sorted_by(runs, key, descending=sort != key)
    if as_csv:
        click.echo(to_csv(runs), nl=False)
        return
    stores = list_stores(workspace)
    if as_json:
        print_json(
            {
                "workspace": str(workspace.folder.resolve()),
                "runs": [_run_json(run) for run in runs],
                "stores": [dataclasses.asdict(store) for store in stores],
            }
        )
        return
    width = terminal_width()
    parts = [long_table(runs, width=width) if as_long else short_table(runs, width=width), *_remarks(runs, width)]
    if stores:
        parts += ["", _stores_table(stores, NO_TERMINAL if as_long else width), *_remarks(stores, width)]
    click.echo("\n".join(parts))


def _run_json(run: RunEntry) -> dict[str, object]:
    return {**with_numbers(dataclasses.asdict(run)), "validation": share_number(run.validation)}


def _remarks(entries: Sequence[RunEntry] | Sequence[StoreEntry], width: int) -> list[str]:
    return [paragraph(f"{clean(one.name)}: {one.state}: {one_line(one.why)}", width) for one in entries if one.why]


def _stores_table(stores: Sequence[StoreEntry], width: int) -> str:
    columns = {
        "store": [clean(store.name) for store in stores],
        "state": [store.state for store in stores],
        "views": [f"{store.views[0]}:{store.views[1]}" if store.views else "-" for store in stores],
        "done": [str(store.views_done) if store.views else "-" for store in stores],
        "size": [size_text(store.nbytes) if store.nbytes else "-" for store in stores],
        "seal": [store.seal[:16] if store.seal else "-" for store in stores],
    }
    return fit(columns, right=("done", "size"), steps=[Step("seal"), Step("size")], width=width)
