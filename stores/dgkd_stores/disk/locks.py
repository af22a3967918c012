"""Who writes which views: a lock beside the store for each range of views, with its owner's name on it.

A lock is a folder `<store>.writing/views-FIRST-LAST` that holds `owner.json` and a folder, of a name never used
again, for whatever the writer has not finished. It appears whole by one rename, so there is no lock without an
owner; the lock of a process of this host that is no more is taken over, with all it left behind. POSIX only.

A holder of which nothing can be known here (`owner.py`) is taken over where the caller says so (`take_over`), and
never without. Where a caller is wrong about that nothing is lost: the folder of unfinished files is gone by one
rename, so the holder cannot publish one more of them, and stops.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from dgkd_stores.errors import StoreLocked, UnsafeStore

from .files import full_disk, read_small, write_synced
from .owner import UNKNOWN, Owner

__all__ = ["ALL_VIEWS", "ViewLock", "sweep", "writing_folder"]

ALL_VIEWS = range(2**54)
"""For whoever writes a store as a whole: no other writer has any of its views meanwhile.

A header's views end before 2^53 + 2^20 (FORMAT.md): the next power of two covers every store that there can be.
"""

_NAME = re.compile(r"views-(\d+)-(\d+)")
_OURS = re.compile(r"views-\d+-\d+|(?:new|gone)-[0-9a-f]{32}")
"""All that this module ever makes there, and so all that it ever removes."""
_ATTEMPTS = 20
_NEW = "new-"
_GONE = "gone-"


def writing_folder(store: Path) -> Path:
    """Where a store's locks and unfinished files lie: beside it, so that it holds finished files only."""
    return store.with_name(store.name + ".writing")


class ViewLock:
    """The right to write views `views` of `store`, held from construction to `release`.

    `guide` is whose store it is, for a dump's hints; others give none.

    `StoreLocked` names the holder of an overlapping range, unless it is dead, or `take_over` is set and it is
    elsewhere: then its lock and its unfinished files are removed. `UnsafeStore` where no folder of locks can be.
    """

    def __init__(self, store: Path, views: range, *, guide: str, take_over: bool = False) -> None:
        self.store, self.views = store, views
        self._guide, self._take_over = guide, take_over
        self._place = writing_folder(store) / f"views-{views.start}-{views.stop - 1}"
        self._own = self._place / uuid.uuid4().hex
        self._owner = Owner.of(os.getpid())
        with full_disk(store, left="nothing was begun"), _alone(store.parent):
            self._acquire()
        self._holder = os.getpid()

    @property
    def folder(self) -> Path:
        """The holder's own place for unfinished files.

        `StoreLocked` once somebody elsewhere has taken the views over, believing the holder dead.
        """
        self._check()
        return self._own

    @contextlib.contextmanager
    def unfinished(self, name: str) -> Iterator[Path]:
        """Around the writing of one file of `folder`, up to its move out of there; raises what `folder` does."""
        try:
            yield self.folder / name
        except OSError:
            self._check()
            raise

    def release(self) -> None:
        """Give the views back and leave nothing behind; nothing the second time, or in a forked child."""
        if self._holder != os.getpid():
            return
        self._holder = 0
        with _alone(self.store.parent):
            if self._own.is_dir():
                self._remove(self._place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _check(self) -> None:
        if not self._own.is_dir():
            owner = _read_owner(self._place)
            raise StoreLocked(
                f"{_views(self.views.start, self.views.stop - 1)} of {self.store} were taken over",
                expected=f"the lock of {self._owner}",
                found=f"that of {owner}" if owner else "none",
                do="leave them to the other process; what was finished here is kept",
            )

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
                # The name was taken, or the folder swept away by a writer that left, in this very moment.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    raise
                continue
            try:
                # Where flock does nothing another writer may have come in between: then both step back.
                self._clear_the_way(held=True)
            except StoreLocked:
                self._remove(self._place)
                raise
            return
        raise StoreLocked(f"no lock on {self.store}", expected="a moment without others taking it", found="none")

    def _remove(self, lock: Path) -> None:
        shutil.rmtree(lock, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Fails, as it should, while others have locks there.
            self._place.parent.rmdir()

    def _clear_the_way(self, *, held: bool) -> None:
        """Remove what dead processes left, and what is to be taken over; raise for the holder of any of the views."""
        for other, owner in _locks(self._place.parent):
            if held and other == self._place:
                continue
            name = _NAME.fullmatch(other.name)
            ours = name is None or (int(name[1]) < self.views.stop and self.views.start <= int(name[2]))
            # Once we hold our own lock, whoever else is there came in the same moment: nobody takes over then.
            if owner is None or owner.dead or (self._take_over and not held and ours and owner.elsewhere):
                _discard(other)
            elif name and ours:
                command = "the same command with `--take-over`"
                if self._guide:
                    command = f"`dgkd-cache dump --model {self._guide} --take-over`, with that dump's other options"
                over = f", or run {command}, if you know that it is no more"
                raise StoreLocked(
                    f"{_views(int(name[1]), int(name[2]))} of {self.store} are being written",
                    expected="no other writer",
                    found=str(owner),
                    do="wait for it" + (over if owner.elsewhere else ""),
                )


def sweep(store: Path, *, take_over: bool = False) -> None:
    """Remove what dead writers left beside a finished store; `take_over` takes those elsewhere for dead."""
    folder = writing_folder(store)
    with _alone(store.parent):
        for lock, owner in _locks(folder):
            if owner is None or owner.dead or (take_over and owner.elsewhere):
                _discard(lock)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _locks(folder: Path) -> Iterator[tuple[Path, Owner | None]]:
    """Every lock there with its owner; `UnsafeStore` where anything but a folder has that name: no link is followed.

    What else may lie in the folder is somebody's, and is left alone.
    """
    try:
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            raise UnsafeStore(
                f"{folder} is in the way of what writers need",
                expected="a folder, or nothing",
                found="a link" if stat.S_ISLNK(mode) else "another kind of file",
                do="remove it, if it is nobody's, and run the same command again",
            )
        with os.scandir(folder) as entries:
            plain = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for lock in (folder / name for name in sorted(filter(_OURS.fullmatch, plain))):
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


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time looks at locks and changes them, where the file system has flock."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _views(first: int, last: int) -> str:
    return "all views" if last == ALL_VIEWS[-1] else f"views {first} to {last}"


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
