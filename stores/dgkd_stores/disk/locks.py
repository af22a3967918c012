"""Who works on what: a lock beside a store for each range of views, or beside a run, with its owner's name on it.

A lock is a folder `<target>.writing/NAME` (`views-FIRST-LAST` of a store, `run` of a run) that holds `owner.json` and
a folder, of a name never used again, for whatever the holder has not finished. It appears whole by one rename, so there
is no lock without an owner; the lock of a process of this host that is no more is taken over, with all it left behind.
POSIX only.

A holder of which nothing can be known here (`owner.py`) is taken over where the caller says so (`take_over`), and
never without. Where a caller is wrong about that nothing is lost: the folder of unfinished files is gone by one
rename, so the holder cannot publish one more of them, and stops.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from dgkd_stores.disk.alone import Stop, alone, never
from dgkd_stores.disk.files import full_disk, not_a_folder, read_small, write_synced
from dgkd_stores.disk.owner import UNKNOWN, Owner
from dgkd_stores.errors import Locked, UnsafeStore

__all__ = ["ALL_VIEWS", "Lock", "ViewLock", "sweep", "writing_folder"]

ALL_VIEWS = range(2**54)
"""For whoever writes a store as a whole: no other writer has any of its views meanwhile.

A header's views end before 2^53 + 2^20 (FORMAT.md): the next power of two covers every store that there can be.
"""

_VIEWS = re.compile(r"views-(\d+)-(\d+)")
_PASSING = re.compile(r"(?:new|gone)-[0-9a-f]{32}")
"""Folders that become a lock, or were one; nothing but these and locks is made there, and nothing else removed."""
_ATTEMPTS = 20
_NEW = "new-"
_GONE = "gone-"
_RELEASE_PATIENCE = 2.0  # seconds: nobody's flock keeps a holder from leaving


def writing_folder(target: Path) -> Path:
    """The folder of locks and unfinished files of a store or a run: beside it, so that it holds finished files only."""
    return target.with_name(target.name + ".writing")


class Lock(ABC):
    """The right to work on `target`, held from construction to `release`; what it covers, a subclass says.

    `Locked` names the holder of what overlaps, unless it is dead, or `take_over` is set and it is elsewhere: then
    its lock and its unfinished files are removed. `UnsafeStore` where no folder of locks can be. `stop` is asked while
    another process keeps the folder that `target` lies in; `Interrupted` when it says so.
    """

    names: re.Pattern[str]
    """The names of all locks of this kind."""

    def __init__(self, target: Path, name: str, *, take_over: bool = False, stop: Stop = never) -> None:
        self.target = target
        self._take_over = take_over
        self._place = writing_folder(target) / name
        self._own = self._place / uuid.uuid4().hex
        self._owner = Owner.of(os.getpid())
        with full_disk(target, left="nothing was begun"), alone(target.parent, stop=stop):
            self._acquire()
        self._holder = os.getpid()

    @abstractmethod
    def _overlaps(self, name: str) -> bool:
        """True where the lock of that name covers any of what this one does."""

    @abstractmethod
    def _refusal(self, name: str, owner: Owner) -> Locked:
        """The error that names the holder of a lock that overlaps."""

    @abstractmethod
    def _loss(self, found: str) -> Locked:
        """The error of a holder that has been taken over; `found` is whose the lock is now."""

    @property
    def folder(self) -> Path:
        """The holder's own place for unfinished files.

        `Locked` once somebody elsewhere has taken over, believing the holder dead.
        """
        self.check()
        return self._own

    def check(self) -> None:
        """`Locked` once somebody elsewhere has taken over, believing the holder dead."""
        if not self._own.is_dir():
            owner = _read_owner(self._place)
            raise self._loss(f"that of {owner}" if owner else "none")

    @contextlib.contextmanager
    def unfinished(self, name: str) -> Iterator[Path]:
        """Around the writing of one file of `folder`, up to its move out of there; raises what `folder` does."""
        try:
            yield self.folder / name
        except OSError:
            self.check()
            raise

    def release(self) -> None:
        """Give it back and leave nothing behind; nothing the second time, or in a forked child."""
        if self._holder != os.getpid():
            return
        self._holder = 0
        with alone(self.target.parent, patience=_RELEASE_PATIENCE):
            if self._own.is_dir():
                self._remove(self._place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _acquire(self) -> None:
        for _ in range(_ATTEMPTS):
            self._clear_the_way(held=False)
            fresh = self._place.with_name(f"{_NEW}{self._own.name}")
            try:
                self._place.parent.mkdir(exist_ok=True)
                (fresh / self._own.name).mkdir(parents=True)
                write_synced(fresh / "owner.json", self._owner.to_bytes())
                os.rename(fresh, self._place)
            except OSError as error:
                self._remove(fresh)
                if error.errno == errno.ENOTDIR:
                    raise not_a_folder(self._place) from error
                # The name was taken, or the folder swept away by a writer that left, in this very moment.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    raise
                continue
            try:
                # Where flock does nothing another writer may have come in between: then both step back.
                self._clear_the_way(held=True)
            except Locked:
                self._remove(self._place)
                raise
            return
        raise Locked(f"no lock on {self.target}", expected="a moment without others taking it", found="none")

    def _remove(self, lock: Path) -> None:
        shutil.rmtree(lock, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Fails, as it should, while others have locks there.
            self._place.parent.rmdir()

    def _clear_the_way(self, *, held: bool) -> None:
        """Remove what dead processes left, and what is to be taken over; raise for the holder of any of this."""
        for other, owner in _locks(self._place.parent, self.names):
            if held and other == self._place:
                continue
            lock = self.names.fullmatch(other.name) is not None
            ours = not lock or self._overlaps(other.name)
            # Once we hold our own lock, whoever else is there came in the same moment: nobody takes over then.
            if owner is None or owner.dead or (self._take_over and not held and ours and owner.elsewhere):
                _discard(other)
            elif lock and ours:
                raise self._refusal(other.name, owner)


class ViewLock(Lock):
    """The right to write views `views` of `store`; `guide` is whose store it is, for the hints of a dump."""

    names = _VIEWS

    def __init__(self, store: Path, views: range, *, guide: str, take_over: bool = False, stop: Stop = never) -> None:
        self.store, self.views, self._guide = store, views, guide
        super().__init__(store, f"views-{views.start}-{views.stop - 1}", take_over=take_over, stop=stop)

    def _overlaps(self, name: str) -> bool:
        first, last = _first_and_last(name)
        return first < self.views.stop and self.views.start <= last

    def _refusal(self, name: str, owner: Owner) -> Locked:
        command = "the same command with `--take-over`"
        if self._guide:
            command = f"`dgkd-cache dump --model {self._guide} --take-over`, with that dump's other options"
        over = f", or run {command}, if you know that it is no more"
        return Locked(
            f"{_views(name)} of {self.target} are being written",
            expected="no other writer",
            found=str(owner),
            do="wait for it" + (over if owner.elsewhere else ""),
        )

    def _loss(self, found: str) -> Locked:
        return Locked(
            f"{_views(self._place.name)} of {self.target} were taken over",
            expected=f"the lock of {self._owner}",
            found=found,
            do="leave them to the other process; what was finished here is kept",
        )


def sweep(
    target: Path, *, names: re.Pattern[str] = ViewLock.names, take_over: bool = False, stop: Stop = never
) -> None:
    """Remove what dead holders left beside a finished store; `take_over` takes those elsewhere for dead.

    `names` are those of the locks: of another class for what is no store.
    """
    folder = writing_folder(target)
    with alone(target.parent, stop=stop):
        for lock, owner in _locks(folder, names):
            if owner is None or owner.dead or (take_over and owner.elsewhere):
                _discard(lock)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _locks(folder: Path, names: re.Pattern[str]) -> Iterator[tuple[Path, Owner | None]]:
    """Every lock there with its owner; `UnsafeStore` where anything but a folder has that name: no link is followed.

    What else may lie in the folder is somebody's, and is left alone.
    """
    try:
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            raise not_a_folder(folder)
        with os.scandir(folder) as entries:
            plain = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for lock in (
        folder / name for name in sorted(name for name in plain if names.fullmatch(name) or _PASSING.fullmatch(name))
    ):
        owner = None if lock.name.startswith(_GONE) else _read_owner(lock)
        # Killed while it wrote its name down: this has not been a lock yet.
        yield lock, None if owner == UNKNOWN and lock.name.startswith(_NEW) else owner


def _discard(lock: Path) -> None:
    """Remove another's lock with all in it: in one step for a holder that lives after all.

    Removed file by file, a store that it publishes in that moment would lose some of its files.
    """
    gone = lock.with_name(f"{_GONE}{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        os.rename(lock, gone)
        shutil.rmtree(gone, ignore_errors=True)


def _views(name: str) -> str:
    first, last = _first_and_last(name)
    return "all views" if last == ALL_VIEWS[-1] else f"views {first} to {last}"


def _first_and_last(name: str) -> tuple[int, int]:
    found = _VIEWS.fullmatch(name)
    assert found is not None, name
    return int(found[1]), int(found[2])


def _read_owner(lock: Path) -> Owner | None:
    """The owner of a lock, or None for a folder that never became one: nothing but a missing owner.json makes it void.

    A failure to read it is raised; what is no owner of ours may be one of another version of this software.
    """
    try:
        return Owner.from_bytes(read_small(lock / "owner.json", limit=4096))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnsafeStore:
        return UNKNOWN
