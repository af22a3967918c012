"""A model's name, as an argument (`dump teacher`) or as `--model teacher`."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.decorators import FC

from dgkd_cli.completion import complete_runs

__all__ = ["model_name"]

_ARGUMENT = f"{__name__}.argument"


def model_name(*, help: str, required: bool = True) -> Callable[[FC], FC]:
    """Adds NAME and --model, one parameter `model`; both are refused if they differ, and neither if `required`."""

    def joined(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
        argument: str | None = context.meta.get(_ARGUMENT)
        if argument is not None and value is not None and argument != value:
            raise click.UsageError(f"two models are named, {argument} and --model {value}: give one of them")
        name = argument if value is None else value
        if name is None and required and not context.resilient_parsing:
            raise click.UsageError(f"`{context.info_name}` needs the NAME of a model, as `teacher`")
        return name

    option = click.option(
        "--model", metavar="NAME", callback=joined, shell_complete=complete_runs, help=f"The same as NAME. {help}"
    )
    argument = click.argument(
        "named",
        metavar="[NAME]",
        required=False,
        is_eager=True,  # before --model, wherever it stands
        expose_value=False,
        callback=_keep,
        shell_complete=complete_runs,
    )
    return lambda target: argument(option(target))


def _keep(context: click.Context, argument: click.Parameter, value: str | None) -> None:
    context.meta[_ARGUMENT] = value
