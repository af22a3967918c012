"""The options of every verb, `-w`, `-q`, `--no-user-code` and `--json`: each may come before the verb or after it.

Both places are joined into one context (`App`) before the verb runs. Loads no torch.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import click

from dgkd_cache.user_code import ask_before_import
from dgkd_cli.app import App
from dgkd_cli.data_lines import data_lines
from dgkd_cli.user_code import NO_USER_CODE, UserCode

__all__ = ["add_global_options", "global_options"]

WITHOUT_WORKSPACE = {
    "models": "leave -w out",
    "datasets": "leave -w out; --data-root DIR says where data sets are kept",
}
"""The verbs that read no workspace, and what to do about `-w`."""


def global_options(*, workspace: bool = True) -> list[click.Parameter]:
    """Returns `folder_of_w`, `quiet` and `no_user_code`; without `workspace` the help does not show the first."""
    return [
        click.Option(
            ["-w", "--workspace", "folder_of_w"],
            type=click.Path(file_okay=False, path_type=Path),
            hidden=not workspace,
            help="The workspace: the folder with dgkd.toml (default: the current one).",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            help="No progress on stderr; errors, warnings and code of yours are still said.",
        ),
        click.Option(
            ["--no-user-code"],
            is_flag=True,
            envvar=NO_USER_CODE,
            show_envvar=True,
            help="Refuse every module:factory, of dgkd.toml and of options, before it is imported.",
        ),
    ]


def add_global_options(verb: click.Command) -> click.Command:
    """Returns the verb with the global options, which it joins, when it runs, with those given before it."""
    name, callback = verb.name or "", verb.callback
    assert callback is not None
    verb.params += global_options(workspace=name not in WITHOUT_WORKSPACE)

    @functools.wraps(callback)
    def run(*, folder_of_w: Path | None, quiet: bool, no_user_code: bool, as_json: bool, **given: Any) -> Any:
        context = click.get_current_context()
        root = context.find_root()
        folder = _one_folder(root.params["folder_of_w"], folder_of_w)
        if name in WITHOUT_WORKSPACE and folder is not None:
            raise click.UsageError(
                f"-w {folder} would have no effect: `{name}` reads no workspace; {WITHOUT_WORKSPACE[name]}"
            )
        ranks = root.obj.ranks
        app = App(
            folder=folder or Path("."),
            quiet=quiet or root.params["quiet"],
            ranks=ranks,
            user_code=UserCode(refused=no_user_code or root.params["no_user_code"], said=ranks.first),
            assignments=given.pop("assignments", ()),
        )
        root.obj = context.obj = app
        context.with_resource(ask_before_import(app.user_code))
        context.with_resource(data_lines(quiet=app.quiet, said=ranks.first))
        return callback(as_json=as_json or root.params["as_json"], **given)

    verb.callback = run
    return verb


def _one_folder(before: Path | None, after: Path | None) -> Path | None:
    """Returns the folder of -w. Raises UsageError if it was given before and after the verb, and differs."""
    if before is not None and after is not None and before != after:
        raise click.UsageError(f"two workspaces are named, -w {before} and -w {after}: give one of them")
    return before if after is None else after
