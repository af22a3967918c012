"""`dgkd-cache run`: trains and dumps the whole chain."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dgkd_cli.app import App, device_option, json_option, pass_app, take_over_option, test_every_option
from dgkd_cli.choices import log_option, loggers
from dgkd_cli.columns import Step, fit, terminal_width
from dgkd_cli.console import print_json
from dgkd_cli.humanize import count_text, duration_text, percent_text, size_text, with_numbers
from dgkd_cli.lines import show
from dgkd_cli.resume_option import check_resume, resume_option
from dgkd_cli.settings_option import set_option
from dgkd_stores import one_line

if TYPE_CHECKING:
    from dgkd_cache.workspace.chain import ChainRow
    from dgkd_cache.workspace.workspace import Workspace

__all__ = ["run"]


@click.command()
@click.option("--remake", is_flag=True, help="Train and dump again what is stale, instead of refusing to.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be made, and why; reads the data set, changes and locks nothing."
)
@test_every_option
@log_option
@resume_option
@set_option()
@take_over_option
@device_option
@json_option
@pass_app
def run(
    app: App,
    remake: bool,
    resume: bool,
    dry_run: bool,
    test_every: int,
    log: str | None,
    take_over: bool,
    device: str,
    as_json: bool,
) -> None:
    """Train and dump the whole chain of the workspace.

    Each model is trained under its guides and then dumped, largest first. What is done and still valid is
    kept; what is stale is named, with the reason. Stopped at any moment, the same command goes on from there.

    With --dry-run the exit code is that of a `run` that stops at once: 13 for what is stale, 12 for what is damaged.

    \b
    Examples:
      dgkd-cache run
      dgkd-cache run --dry-run
      dgkd-cache -w demo run --device cpu
      dgkd-cache run --json
    """
    from dgkd_cache.workspace.chain import run_chain
    from dgkd_cache.workspace.run_check import is_run

    workspace = app.workspace()
    check_resume(
        resume,
        begun=any(is_run(workspace.run_folder(name)) for name in workspace.chain),
        what="the chain",
        against="--remake" if remake else None,
    )
    if dry_run:
        _preview(app, workspace, remake=remake, device=device, as_json=as_json)
        return
    with app.working() as (progress, stop):
        rows = run_chain(
            workspace,
            device=device,
            remake=remake,
            take_over=take_over,
            test_every=test_every,
            log=loggers(log),
            progress=progress,
            stop=stop,
        )
    if as_json:
        print_json([with_numbers(dataclasses.asdict(row)) for row in rows])
        return
    click.echo(_results(rows, terminal_width()))
    app.say(f"models: {workspace.folder / 'runs'}   guide stores: {workspace.folder / 'guides'}")


def _preview(app: App, workspace: Workspace, *, remake: bool, device: str, as_json: bool) -> None:
    """Shows what `run` would make; exits as it would."""
    from dgkd_cache.workspace.chain_preview import preview_chain

    with app.reporting() as progress:
        found = preview_chain(workspace, device=device, progress=progress)
    # A damaged run is refused before anything that is stale is looked for.
    by_order = sorted(found, key=lambda one: one.state != "damaged")
    first = next((one for one in by_order if one.exit_code and (not remake or one.adopt)), None)
    code = first.exit_code if first else 0
    if as_json:
        models = [{**dataclasses.asdict(one), "line": one.line} for one in found]
        print_json({"exit_code": code, "stops_at": first and first.model, "models": models})
    else:
        for one in found:
            show(one_line(f"{one.model}: {one.line}"))
        if first:
            again = ", ".join(one.model for one in found if "again" in (one.train, one.dump))
            command = workspace.command("run --remake")
            then = f"; `{command}` would set aside and make again: {again}" if again and not first.adopt else ""
            app.say(f"`run` would stop at {first.model}{then}")
    if code:
        raise click.exceptions.Exit(code)


def _results(rows: Sequence[ChainRow], width: int) -> str:
    columns = {
        "model": [row.model for row in rows],
        "architecture": [row.architecture for row in rows],
        "parameters": [count_text(row.parameters) if row.parameters else "-" for row in rows],
        "guides": [",".join(row.guides) or "-" for row in rows],
        "accuracy": [percent_text(row.accuracy) for row in rows],
        "train": [duration_text(row.train_seconds) if row.train_seconds else "-" for row in rows],
        "dump": [duration_text(row.dump_seconds) if row.dump_seconds else "-" for row in rows],
        "cache": [size_text(row.cache_bytes) if row.cache_bytes else "-" for row in rows],
    }
    steps = [Step("guides", width=24), Step("guides", width=12)]
    steps += map(Step, ("parameters", "architecture", "cache", "dump", "guides", "train"))
    right = ("parameters", "accuracy", "train", "dump", "cache")
    return fit(columns, right=right, steps=steps, width=width)
