"""The seals of the stores that were dumped in a workspace, one a line in its file `.dumped`.

The file lies outside `guides/`, so that a store which is copied there does not bring it. Whoever can write it can write
dgkd.toml as well.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from dgkd_cache.errors import DgkdError
from dgkd_cache.run_files.reading import read_file

__all__ = ["DUMPED_FILE", "dumped_seals", "record_dumped"]

DUMPED_FILE = ".dumped"
"""The name of the file."""

_MOST_BYTES = 2**22  # 64,000 seals
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def dumped_seals(folder: Path) -> frozenset[str]:
    """Returns the seals of the stores that were dumped in the workspace `folder`; none if the file cannot be read."""
    try:
        return frozenset(read_file(folder / DUMPED_FILE, limit=_MOST_BYTES).decode().split())
    except (OSError, DgkdError, UnicodeDecodeError):
        return frozenset()  # what nobody has recorded needs a signature


def record_dumped(folder: Path, seal: str) -> None:
    """Adds the seal of a store that was dumped now; a store whose seal cannot be written needs a signature.

    It is appended in one call, because several processes may dump at once. Nothing is written through a link, and
    what has a second name (a hard link), or is no file, is left alone.
    """
    with suppress(OSError):
        handle = os.open(folder / DUMPED_FILE, _APPEND, 0o666)
        try:
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.write(handle, f"{seal}\n".encode())
                os.fsync(handle)
        finally:
            os.close(handle)
