"""Things that may stand in the place of any file of a run: folders, links, devices, files without end."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

__all__ = ["PLACES"]

Change = Callable[[Path, Path], object]
"""Changes the file at a path; the second path is a folder outside the workspace, for what links point at."""

SPARSE = 2 * 2**30
BRACKETS = 100_000


def instead(make: Change) -> Change:
    """Make something else under the file's name."""

    def change(path: Path, outside: Path) -> None:
        path.unlink()
        make(path, outside)

    return change


def write(content: bytes) -> Change:
    return lambda path, outside: path.write_bytes(content)


def full_folder(path: Path, outside: Path) -> None:
    path.mkdir()
    (path / "x").write_bytes(b"x")


def device(path: Path, outside: Path) -> None:
    """Endless zeros; where no device can be made, endless waiting."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(path)


def listen(path: Path, outside: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path has 107 letters at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def move_and_link(path: Path, outside: Path) -> None:
    shutil.move(path, outside / "target")
    path.symlink_to(outside / "target")


def sparse(path: Path, outside: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, SPARSE)


PLACES: dict[str, Change] = {
    "folder": instead(lambda path, outside: path.mkdir()),
    "full_folder": instead(full_folder),
    "fifo": instead(lambda path, outside: os.mkfifo(path)),
    "device": instead(device),
    "sockets": instead(listen),
    "link": move_and_link,  # to the very same content
    "dangling_link": instead(lambda path, outside: path.symlink_to(outside / "nothing")),
    "link_to_itself": instead(lambda path, outside: path.symlink_to(path.name)),
    "link_to_a_device": instead(lambda path, outside: path.symlink_to("/dev/zero")),
    "hard_link": lambda path, outside: os.link(path, outside / "target"),
    "sparse": sparse,
    "grown": lambda path, outside: os.truncate(path, SPARSE),  # the content, and zeros behind it
    "brackets": write(b"[" * BRACKETS),
    "keys": write(b'{"a":' * BRACKETS),  # objects within one another, as deep
    "empty": write(b""),
    # The child that reads it is another user, where root's permission is not asked for.
    "unreadable": lambda path, outside: path.chmod(0),
    "missing": lambda path, outside: path.unlink(),
}
"""By name. The numbers of cases follow the order: a new one goes to the end."""
