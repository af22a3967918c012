"""Completion of names in a shell: runs, stores and models of the workspace, architectures, and keys of dgkd.toml.

click asks for them at each press of TAB. Nothing here loads torch or raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgkd_cache.errors import DgkdError

if TYPE_CHECKING:
    from dgkd_cache.workspace.workspace import Workspace

__all__ = [
    "Complete",
    "complete_architectures",
    "complete_datasets",
    "complete_guides",
    "complete_keys",
    "complete_models",
    "complete_recipes",
    "complete_runs",
    "complete_stores",
    "in_a_list",
]

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
"""A function that returns the names which begin with the typed text; click calls it."""


def complete_runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the models of the chain and the other runs that begin with `incomplete`."""
    return _of_workspace(context, incomplete, lambda ws: (*ws.chain, *ws.runs()))


def complete_stores(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the runs and stores that begin with `incomplete`; no name where a path is typed."""
    return _of_workspace(context, incomplete, lambda ws: (*ws.chain, *ws.runs(), *ws.stores()))


def complete_guides(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the guides that begin with `incomplete`: stores, or after --live the runs."""
    live = context.params.get("live")
    return _of_workspace(context, incomplete, lambda ws: ws.runs() if live else ws.stores())


def complete_models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the models of the chain that begin with `incomplete`."""
    return _of_workspace(context, incomplete, lambda ws: ws.chain)


def complete_architectures(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the architectures that begin with `incomplete`."""
    from dgkd_cli.catalogue import read_list

    return _beginning(incomplete, (one["name"] for one in read_list("models")["models"]))


def complete_datasets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the data sets that begin with `incomplete`, and the kinds that go before a path, as `folder:`."""
    from dgkd_cache.paths import DATA_FORMS
    from dgkd_cli.catalogue import read_list

    known = [one["name"] for one in read_list("datasets")["datasets"]]
    return _beginning(incomplete, [*known, *(f"{kind}:" for kind in DATA_FORMS)])


def complete_recipes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the recipes that begin with `incomplete`."""
    from dgkd_cache.recipes.recipe import recipe_names

    return _beginning(incomplete, recipe_names())


def in_a_list(complete: Complete) -> Complete:
    """Returns the completion of the last name in a list A,B,...; a name before it is not offered again."""

    def complete_last(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{name}" for name in complete(context, parameter, last) if name not in given]

    return complete_last


def complete_keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the keys of dgkd.toml that begin with `incomplete`, each with its equals sign.

    Those of [chain] and of [training.MODEL] come once their table is typed.
    """
    from dgkd_cache.config.assignments import known_keys

    keys = list(known_keys())
    if "." in incomplete and (workspace := _workspace(context)):
        recipe = [key.partition(".")[2] for key in keys if key.startswith("training.")]
        keys += [f"chain.{model}" for model in workspace.chain]
        keys += [f"training.{model}.{key}" for model in workspace.chain for key in recipe]
    return _beginning(incomplete, (f"{key}=" for key in keys))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _of_workspace(context: click.Context, incomplete: str, names: Callable[[Workspace], Iterable[str]]) -> list[str]:
    workspace = _workspace(context)
    return _beginning(incomplete, names(workspace) if workspace else ())


def _workspace(context: click.Context) -> Workspace | None:
    """Returns the workspace of the command line; None if there is none: a shell shows messages amid what is typed."""
    from dgkd_cache.workspace.workspace import Workspace

    given = (one.params.get("folder_of_w") for one in (context, context.find_root()))
    folder = next((folder for folder in given if folder is not None), Path("."))
    try:
        return Workspace.open(folder)
    except (DgkdError, OSError):
        return None
