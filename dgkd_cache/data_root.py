"""The folder of data sets where none is named; a module of its own because the command line loads no torch."""

from __future__ import annotations

from pathlib import Path

__all__ = ["data_root"]


def data_root(given: Path | None) -> Path:
    """The folder of downloaded data sets: the one that was `given`, else the default one of this user."""
    return Path("~/.cache/dgkd-cache").expanduser() if given is None else given
