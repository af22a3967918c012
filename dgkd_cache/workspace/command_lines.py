"""Command lines for hints, as they work from the current folder."""

from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["command_in"]


def command_in(folder: Path, words: str) -> str:
    """Returns the command line of these words for the workspace in `folder`, as it works from the current folder."""
    try:
        here = folder.resolve() == Path.cwd()
    except OSError:  # the current folder was deleted
        here = False
    return f"dgkd-cache {words}" if here else f"dgkd-cache -w {shlex.quote(str(folder))} {words}"
