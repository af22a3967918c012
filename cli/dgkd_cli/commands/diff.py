"""`dgkd-cache diff`: shows what two stores differ in."""

from __future__ import annotations

import click

from dgkd_cache.errors import Mismatch
from dgkd_cache.progress import counted
from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.columns import sections, terminal_width
from dgkd_cli.completion import complete_stores
from dgkd_cli.console import print_json, table
from dgkd_cli.humanize import count_text
from dgkd_cli.lines import show
from dgkd_cli.stores import store_at
from dgkd_stores import StoreDifference, diff as compare_stores

__all__ = ["diff"]


@click.command()
@click.argument("first", metavar="NAME|PATH", shell_complete=complete_stores)
@click.argument("second", metavar="NAME|PATH", shell_complete=complete_stores)
@json_option
@pass_app
def diff(app: App, first: str, second: str, as_json: bool) -> None:
    """Show what two finished stores differ in, and by how much.

    Headers, samples, views and rows are compared, rows in blocks by their digests: only blocks that differ are read.
    Differences are those of logits, not divided by the temperature. The exit code is 0 if both stores have the same
    content, in whatever container and codec, and 13 if they differ.

    \b
    Examples:
      dgkd-cache diff ta1 /media/disk/ta1.h5
      dgkd-cache diff guides/ta1.zarr ta1-0-20.zarr
    """
    paths = [store_at(app, one) for one in (first, second)]
    with app.reporting() as progress:
        found = compare_stores(*paths, report=counted(progress, "diff", unit="views"))
        progress.finish()
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found, [str(path) for path in paths])
    if not found.same:
        raise click.exceptions.Exit(Mismatch.exit_code)


def _show(found: StoreDifference, paths: list[str]) -> None:
    if found.same:
        show(f"the same content, seal {found.seals[0]}")
        return
    header = [(key, f"{was}, in the second {now}") for key, (was, now) in found.header.items()]
    arrays = [
        (each.name, f"{count_text(each.rows)} rows differ, the first is {each.first}" if each.rows else "another shape")
        for each in found.arrays
    ]
    named = zip(("first", "second"), paths, found.seals, strict=True)
    parts = {
        "stores": [(name, f"{path}, seal {seal[:16]}") for name, path, seal in named],
        "header": header or [("all", "the same")],
        "arrays": arrays or [("all but the rows", "the same")],
        "views": [
            ("only in the first", _ranges(found.only[0])),
            ("only in the second", _ranges(found.only[1])),
            ("in both", f"{count_text(found.common)}, of which {count_text(len(found.views))} differ"),
        ],
    }
    click.echo(sections(parts, terminal_width()))
    if found.views:
        rows = [
            (*map(count_text, (one.view, one.rows, one.first)), f"{one.largest:.3g}", f"{one.mean:.3g}", str(one.top1))
            for one in found.views
        ]
        names = ("view", "rows", "first sample", "largest", "mean", "other top-1")
        click.echo(table(names, rows, right=names))


def _ranges(views: tuple[int, ...]) -> str:
    """Formats view numbers as ranges A:B."""
    starts = [view for view in views if view - 1 not in views]
    ends = [view + 1 for view in views if view + 1 not in views]
    return ", ".join(f"{start}:{end}" for start, end in zip(starts, ends, strict=True)) or "none"
