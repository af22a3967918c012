"""Files that are kept to be quicker the next time, and can be made again: what there is, and how it is removed.

They lie in `cache_folder()`: the index of image files (`file_index`), decoded pixels (`kept_pixels`), and constants
(`kept_constants`). Only files of these kinds are counted and removed, whatever else lies there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Kept", "forget_kept", "kept_files"]

_KINDS = {
    "index": ("index of image files", ".files"),
    "pixels": ("decoded pixels", ".pixels"),
    "constants": ("mean and deviation", ".constants"),
}
"""The folder of each kind, what it is, and how its files end."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The files of one kind that are kept."""

    what: str
    """The name of the kind."""
    files: int
    """Their number."""
    nbytes: int
    """Their bytes."""


def kept_files(cache: Path) -> list[Kept]:
    """Returns what is kept below `cache`, one entry for each kind."""
    found = []
    for kind, (what, _) in _KINDS.items():
        sizes = [path.stat().st_size for path in _files(cache, kind)]
        found.append(Kept(what=what, files=len(sizes), nbytes=sum(sizes)))
    return found


def forget_kept(cache: Path) -> int:
    """Removes all that is kept below `cache`; returns the bytes that this freed."""
    freed = 0
    for kind in _KINDS:
        for path in list(_files(cache, kind)):
            with contextlib.suppress(FileNotFoundError):
                freed += path.stat().st_size
                path.unlink()
        for folder in sorted((cache / kind).glob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()  # one that something else lies in stays
    return freed


def _files(cache: Path, kind: str) -> Iterator[Path]:
    """Yields the files of a kind, and those that a process left unfinished."""
    name = re.compile(rf".+{re.escape(_KINDS[kind][1])}(\.[0-9a-f]{{32}}\.partial)?")
    for path in sorted((cache / kind).rglob("*")):
        if name.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            yield path
