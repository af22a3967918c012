"""Locks a run for one process at a time: the same lock as for a store's views, at `runs/NAME.writing`.

The lock of a dead process on this host is taken over, with its unfinished files; one from elsewhere only on request.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dgkd_cache.errors import Locked, UnsafeStore
from dgkd_cache.paths import RUN_FILES
from dgkd_stores.disk import (
    Lock,
    Owner,
    Stop,
    ViewLock,
    full_disk,
    make_folder,
    never,
    partials,
    refuse_in_the_way,
    sweep,
    sweep_partials,
)

__all__ = ["RunLock", "refuse_linked_files", "refuse_no_folder", "run_lock", "sweep_workspace"]

_NAME = "run"


class RunLock(Lock):
    """A held lock of the run called `name`, whose folder (existing or not) is `folder`."""

    names = re.compile(_NAME)

    def __init__(self, folder: Path, name: str, *, take_over: bool = False, stop: Stop = never) -> None:
        self._run = name
        super().__init__(folder, _NAME, take_over=take_over, stop=stop)

    def _overlaps(self, name: str) -> bool:
        return True

    def _refusal(self, name: str, owner: Owner) -> Locked:
        over = ", or run the same command with `--take-over`, if you know that it is no more"
        return Locked(
            f"another process works on the run {self._run}",
            expected="one process at a time",
            found=str(owner),
            do="wait until it is done, stop it (it saves a checkpoint), or train under another --name"
            + (over if owner.elsewhere else ""),
        )

    def _loss(self, found: str) -> Locked:
        return Locked(
            f"the run {self._run} was taken over",
            expected=f"the lock of {self._owner}",
            found=found,
            do="leave it to the other process",
        )


@contextmanager
def run_lock(folder: Path, name: str, *, take_over: bool = False, stop: Stop = never) -> Iterator[RunLock]:
    """Holds the lock of the run called `name`, whose folder (existing or not) is `folder`, for the `with` block.

    What is written by way of `lock.partial_of` is not published once another process has taken over the lock. Raises
    Locked (exit 11), which names the process, if another one holds it (`take_over` takes over one on another host or
    container) or has taken it over; UnsafeStore (exit 15) if the folder is a link or another kind of file.
    """
    with full_disk(folder, left="nothing was begun"):
        make_folder(folder.parent)
    refuse_no_folder(folder)
    with RunLock(folder, name, take_over=take_over, stop=stop) as lock:
        refuse_no_folder(folder)
        sweep_partials(folder)
        try:
            yield lock
        except OSError:
            lock.check()
            raise


def sweep_workspace(folder: Path, *, stop: Stop = never) -> None:
    """Removes files of dead processes beside and in the runs and stores of the workspace in `folder`.

    A process sweeps the run or store that it works on; this is for those that are finished or removed.
    """
    for room, names in (("runs", RunLock.names), ("guides", ViewLock.names)):
        for place in sorted((folder / room).glob("*.writing")):
            if place.is_dir() and not place.is_symlink():
                sweep(place.with_suffix(""), names=names, stop=stop)
    for run in sorted((folder / "runs").glob("*/")):
        if not run.is_symlink() and partials(run):
            with suppress(Locked), run_lock(run, run.name, stop=stop):
                pass


def refuse_linked_files(folder: Path) -> None:
    """Raises UnsafeStore, before any write, if a link, a folder or a device has the name of a run's file."""
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        if any(fnmatch.fnmatchcase(name, own) for own in RUN_FILES):
            refuse_in_the_way(folder / name)


def refuse_no_folder(folder: Path) -> None:
    """Raises UnsafeStore if the path of a run is anything but a folder; a link is not followed."""
    try:
        mode = os.lstat(folder).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        raise UnsafeStore(
            f"{folder} is in the way of a run",
            expected="a folder, or nothing",
            found="a link" if stat.S_ISLNK(mode) else "another kind of file",
            do=f"move it elsewhere (`mv {shlex.quote(str(folder))} ELSEWHERE`) and run the same command again",
        )
