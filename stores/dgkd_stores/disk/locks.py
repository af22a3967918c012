"""Locks beside a store, for ranges of views, or beside a run; each records its owner.

A lock is a folder `<target>.writing/NAME` (`views-FIRST-LAST` of a store, `run` of a run) that holds `owner.json` and a
folder, with a name never used again, for the holder's unfinished files. It appears complete by one rename, so there is
no lock without an owner. The lock of a dead process on this host is taken over, with all its files. POSIX only.

A holder whose state is unknown here (`owner.py`) is taken over only if the caller asks for it (`take_over`). If that
holder is alive after all, nothing is lost: its folder of unfinished files is removed by one rename, so it cannot
publish any more files, and stops. So does one whose lease stands still (`leases.py`, `expiry.py`).
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
from typing import Self

from dgkd_stores.disk.files import not_a_folder, partial_of, read_small, write_synced
from dgkd_stores.disk.folder_lock import Stop, folder_lock, never
from dgkd_stores.disk.leases import begin_lease, drop_lease, hold_lease
from dgkd_stores.disk.owner import UNKNOWN, Owner
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import Locked, UnsafeStore

__all__ = ["ALL_VIEWS", "Lock", "ViewLock", "discard", "locks_in", "sweep", "writing_folder"]

ALL_VIEWS = range(2**54)
"""The range for writing a whole store: no other writer can hold any of its views.

A header's views end before 2^53 + 2^20 (FORMAT.md): the next power of two covers every possible store.
"""

_VIEWS = re.compile(r"views-(\d+)-(\d+)")
_PASSING = re.compile(r"(?:new|gone)-[0-9a-f]{32}")
"""Names of folders that become a lock, or were one; only these and locks are made or removed there."""
_ATTEMPTS = 20
_NEW = "new-"
_GONE = "gone-"
_RELEASE_PATIENCE = 2.0  # seconds: another process's flock must not keep a holder from releasing


def writing_folder(target: Path) -> Path:
    """Returns the folder of locks and unfinished files, beside the store or run, which holds finished files only."""
    return target.with_name(target.name + ".writing")


class Lock(ABC):
    """A lock on `target`, held from construction to `release`; subclasses define what it covers.

    Raises Locked, which names the holder of an overlapping lock, unless it is dead, or it is elsewhere and `take_over`
    is set: then its lock and its unfinished files are removed. Raises UnsafeStore if the folder of locks cannot exist,
    and Interrupted if `stop` is true while another process holds the folder of `target`.
    """

    names: re.Pattern[str]
    """Pattern of the names of all locks of this kind."""

    def __init__(self, target: Path, name: str, *, take_over: bool = False, stop: Stop = never) -> None:
        self.target = target
        self._take_over = take_over
        self._place = writing_folder(target) / name
        self._own = self._place / uuid.uuid4().hex
        self._owner = Owner.of(os.getpid())
        with full_disk(target, left="nothing was begun"), folder_lock(target.parent, stop=stop):
            self._acquire()
        self._holder = os.getpid()
        hold_lease(self._own)

    @abstractmethod
    def _overlaps(self, name: str) -> bool:
        """Returns True if the lock of that name overlaps with this one."""

    @abstractmethod
    def _refusal(self, name: str, owner: Owner) -> Locked:
        """Returns the error that names the holder of an overlapping lock."""

    @abstractmethod
    def _loss(self, found: str) -> Locked:
        """Returns the error of a holder that was taken over; `found` names the new holder."""

    @property
    def folder(self) -> Path:
        """The holder's folder for unfinished files.

        Raises Locked once another process has taken over this lock.
        """
        self.check()
        return self._own

    def check(self) -> None:
        """Raises Locked once another process has taken over this lock."""
        if not self._own.is_dir():
            owner = _read_owner(self._place)
            raise self._loss(f"that of {owner}" if owner else "none")

    @contextlib.contextmanager
    def unfinished(self, name: str) -> Iterator[Path]:
        """Gives a path in `folder` for writing one file, up to its move out of there; raises as `folder`."""
        try:
            yield self.folder / name
        except OSError:
            self.check()
            raise

    def partial_of(self, path: Path) -> Path:
        """Returns a name in `folder` for the unfinished content of `path`, on the same file system; raises as `folder`.

        The folder goes with the lock: a move out of there fails, in one step, once the lock was taken over.
        """
        return partial_of(self.folder / path.name)

    def release(self) -> None:
        """Releases the lock and removes its files; does nothing the second time, or in a forked child."""
        if self._holder != os.getpid():
            return
        self._holder = 0
        drop_lease(self._own)
        with folder_lock(self.target.parent, patience=_RELEASE_PATIENCE):
            if self._own.is_dir():
                self._remove(self._place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _acquire(self) -> None:
        for _ in range(_ATTEMPTS):
            self._clear_the_way(held=False)
            fresh = self._place.with_name(f"{_NEW}{self._own.name}")
            try:
                self._place.parent.mkdir(exist_ok=True)
                (fresh / self._own.name).mkdir(parents=True)
                write_synced(fresh / "owner.json", self._owner.to_bytes())
                begin_lease(fresh / self._own.name)
                os.rename(fresh, self._place)
            except OSError as error:
                self._remove(fresh)
                if error.errno == errno.ENOTDIR:
                    raise not_a_folder(self._place) from error
                # At this moment the name was taken, or the folder was removed by a writer that left.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    raise
                continue
            try:
                # Without flock another writer may have locked in between: then both step back.
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
        """Removes locks of dead processes and those to take over; raises for any other holder."""
        for other, owner in locks_in(self._place.parent, self.names):
            if held and other == self._place:
                continue
            lock = self.names.fullmatch(other.name) is not None
            ours = not lock or self._overlaps(other.name)
            # Once we hold our own lock, any other holder came at the same moment: nobody takes over then.
            if owner is None or owner.dead or (self._take_over and not held and ours and owner.elsewhere):
                discard(other)
            elif lock and ours:
                raise self._refusal(other.name, owner)


class ViewLock(Lock):
    """A lock on views `views` of `store`; `guide` is the name of its guide, for hints."""

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
    """Removes files of dead holders beside a finished store; with `take_over` also those of holders elsewhere.

    `names` is the pattern of the locks' names, which differs for runs.
    """
    folder = writing_folder(target)
    with folder_lock(target.parent, stop=stop):
        for lock, owner in locks_in(folder, names):
            if owner is None or owner.dead or (take_over and owner.elsewhere):
                discard(lock)
        with contextlib.suppress(OSError):
            folder.rmdir()


def locks_in(folder: Path, names: re.Pattern[str]) -> Iterator[tuple[Path, Owner | None]]:
    """Yields every lock in `folder` with its owner; raises UnsafeStore if that is a link or not a folder.

    Other files in the folder are foreign, and ignored.
    """
    try:
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            raise not_a_folder(folder)
        with os.scandir(folder) as entries:
            plain = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for name in sorted(plain):
        if not (names.fullmatch(name) or _PASSING.fullmatch(name)):
            continue
        lock = folder / name
        owner = None if lock.name.startswith(_GONE) else _read_owner(lock)
        # Its owner was killed while it wrote owner.json: this was not a lock yet.
        yield lock, None if owner == UNKNOWN and lock.name.startswith(_NEW) else owner


def discard(lock: Path) -> None:
    """Removes another holder's lock and its files, in one step, because that holder may be alive after all.

    If files were removed singly, a store that it publishes at that moment would lose some of them.
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
    """Returns the owner of a lock, or None for a folder that never became one: only without owner.json.

    Errors of reading it are raised; an unknown content may be from another version of this software.
    """
    try:
        return Owner.from_bytes(read_small(lock / "owner.json", limit=4096))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnsafeStore:
        return UNKNOWN
