"""The option `--set KEY=VALUE` of every verb whose work depends on dgkd.toml. Loads no torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource
from click.decorators import FC

from dgkd_cli.app import App
from dgkd_cli.completion import complete_keys

__all__ = ["set_option"]


def set_option(flags: Mapping[str, str] | None = None) -> Callable[[FC], FC]:
    """Adds --set; `App.workspace` applies what it says.

    `flags` maps the verb's parameters to the keys that they set (`epochs` to `training.epochs`): one of them beside
    --set of its key, or of that key of one model, is refused.
    """
    option = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=complete_keys,
        help="Override a key of dgkd.toml, as training.lr=0.05; may be repeated.",
    )

    def add(target: Any) -> Any:
        @functools.wraps(target)
        def checked(*arguments: Any, **given: Any) -> Any:
            _check(click.get_current_context(), flags or {})
            return target(*arguments, **given)

        return option(checked)

    return add


def _check(context: click.Context, flags: Mapping[str, str]) -> None:
    from dgkd_cache.config.assignments import parse_assignments

    app = context.find_object(App)
    keys = parse_assignments(app.assignments if app else ())
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in flags and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            table, key = flags[name].split(".")
            for twice in (one for one in keys if one[0] == table and one[-1] == key):
                raise click.UsageError(
                    f"{parameter.opts[0]} and --set {'.'.join(twice)} set the same key: give one of them"
                )
