"""The option `--set KEY=VALUE` of every verb whose work depends on dgkd.toml. Loads no torch."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource
from click.decorators import FC

from dgkd_cli.app import App
from dgkd_cli.completion import complete_keys

__all__ = ["set_option", "setting_hint"]

_TABLES = ("training", "distillation", "cache", "views")
"""The tables whose keys are looked for where an option is unknown."""

_LISTS = ("transforms", "always", "lr_steps")
"""The keys whose values are lists, which options write as A,B and TOML as ["A", "B"]."""

_NO_VALUE = "VALUE"


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


def setting_hint(error: click.NoSuchOption, words: Sequence[str]) -> str | None:
    """Returns the message for an unknown option that is a key of dgkd.toml; None for any other.

    `words` are those of the verb: the value that was typed is in them.
    """
    from dgkd_cache.config.assignments import known_keys

    option, verb = error.option_name, error.ctx.command if error.ctx else None
    name = option.lstrip("-").replace("-", "_")
    keys = [key for key in known_keys() if key.split(".")[1] == name and key.split(".")[0] in _TABLES]
    if not keys or verb is None:
        return None
    keys.sort(key=lambda key: _TABLES.index(key.split(".")[0]))
    if not any("--set" in parameter.opts for parameter in verb.params):
        if verb.name != "init":
            return None
        return f"No such option {option!r}. It is the key {' or '.join(keys)} of the dgkd.toml that `init` writes"
    value = _value_of(option, words)
    if name in _LISTS and value != _NO_VALUE:
        value = f"[{value}]" if name == "lr_steps" else json.dumps(value.split(","))
    settings = (f"`--set {shlex.quote(f'{key}={value}')}`" for key in keys)
    return f"No such option {option!r}. {' or '.join(settings)} sets it"


def _value_of(option: str, words: Sequence[str]) -> str:
    """Returns the value that was typed for an option; _NO_VALUE if there is none."""
    for word, after in zip(words, (*words[1:], ""), strict=True):
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
        if word == option and after and not after.startswith("--"):
            return after
    return _NO_VALUE


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
