"""Completion of names in a shell: runs and stores of the workspace, and keys of dgkd.toml.

click asks for them at each press of TAB. Nothing here loads torch or raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from dgkd_cache.errors import DgkdError

__all__ = ["complete_keys", "complete_runs", "complete_stores"]


def complete_runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the models of the chain and the other runs that begin with `incomplete`."""
    return _beginning(incomplete, _names(context, runs=True))


def complete_stores(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the runs and stores that begin with `incomplete`; no name where a path is typed."""
    return _beginning(incomplete, _names(context, runs=True) + _names(context, runs=False))


def complete_keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the keys of dgkd.toml that begin with `incomplete`, each with its equals sign."""
    from dgkd_cache.config.assignments import known_keys

    return _beginning(incomplete, (f"{key}=" for key in known_keys()))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _names(context: click.Context, *, runs: bool) -> list[str]:
    from dgkd_cache.workspace.workspace import Workspace

    given = (one.params.get("folder_of_w") for one in (context, context.find_root()))
    folder = next((folder for folder in given if folder is not None), Path("."))
    try:
        workspace = Workspace.open(folder)
        return [*workspace.chain, *workspace.runs()] if runs else list(workspace.stores())
    except (DgkdError, OSError):  # a shell shows messages amid what is typed: without a workspace there are no names
        return []
