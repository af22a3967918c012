"""Who writes which views: a lock beside the store for each range of views, with its owner's name on it.

A lock is a folder `<store>.writing/views-FIRST-LAST` that holds `owner.json` and whatever the writer has not
finished. It appears whole by one rename, so there is no lock without an owner; the lock of a process of this
host that is no more is taken over, with all it left behind. POSIX only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import DgkdError, StoreLocked
from .files import full_disk, read_small, write_synced
from .text import clean

__all__ = ["Owner", "ViewLock", "writing_folder"]

_NAME = re.compile(r"views-(\d+)-(\d+)")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_ATTEMPTS = 20


def writing_folder(store: Path) -> Path:
    """Where a store's locks and unfinished files lie: beside it, so that it holds finished files only."""
    return store.with_name(store.name + ".writing")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, told apart from any later one with its number."""

    host: str
    pid: int
    boot: str
    """The kernel's boot id; empty where the system has none."""
    start: str
    """When the process started, in ticks since that boot; empty where the system does not say."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process of that number on this host; the caller knows that there is one."""
        return cls(host=socket.gethostname(), pid=pid, boot=_content(_BOOT_ID), start=_start(pid))

    @property
    def dead(self) -> bool:
        """Whether this is certain to be no more; another host's process never is."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _content(_BOOT_ID):
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return self.start != _start(self.pid)


class ViewLock:
    """The right to write views `views` of `store`, held from construction to `release`.

    `folder` is the holder's own place for unfinished files. `StoreLocked` names the live holder of an
    overlapping range.
    """

    def __init__(self, store: Path, views: range) -> None:
        self.store, self.views = store, views
        self.folder = writing_folder(store) / f"views-{views.start}-{views.stop - 1}"
        with full_disk(store), _alone(store.parent):
            self._acquire()
        self._holder = os.getpid()

    def release(self) -> None:
        """Give the views back and leave nothing behind; nothing the second time, or in a forked child."""
        if self._holder != os.getpid():
            return
        self._holder = 0
        with _alone(self.store.parent):
            self._remove(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _acquire(self) -> None:
        for _ in range(_ATTEMPTS):
            self._clear_the_way(held=False)
            fresh = self.folder.with_name(f"new-{uuid.uuid4().hex}")
            try:
                self.folder.parent.mkdir(exist_ok=True)
                fresh.mkdir()
                write_synced(fresh / "owner.json", json.dumps(asdict(Owner.of(os.getpid()))).encode())
                os.rename(fresh, self.folder)
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
                self._remove(self.folder)
                raise
            return
        raise StoreLocked(f"no lock on {self.store}", expected="a moment without others taking it", found="none")

    def _remove(self, lock: Path) -> None:
        shutil.rmtree(lock, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Fails, as it should, while others have locks there.
            self.folder.parent.rmdir()

    def _clear_the_way(self, *, held: bool) -> None:
        """Remove what dead processes left; raise for the live holder of any of the views."""
        folder = self.folder.parent
        for other in sorted(folder.iterdir()) if folder.is_dir() else []:
            if held and other == self.folder:
                continue
            owner = _read_owner(other)
            if owner is None or owner.dead:
                shutil.rmtree(other, ignore_errors=True)
            elif (name := _NAME.fullmatch(other.name)) and (
                int(name[1]) < self.views.stop and self.views.start <= int(name[2])
            ):
                raise StoreLocked(
                    f"views {name[1]} to {name[2]} of {self.store} are being written",
                    expected="no other writer",
                    found=f"process {owner.pid} on host {clean(owner.host)}",
                    do=f"wait for it, or remove {other} if you know that it is no more",
                )


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


def _read_owner(lock: Path) -> Owner | None:
    """The owner of a lock, or None for a folder that never became one."""
    try:
        value = json.loads(read_small(lock / "owner.json", limit=4096))
        owner = Owner(**value)
    except (OSError, ValueError, TypeError, DgkdError):
        return None
    return owner if isinstance(owner.host, str) and isinstance(owner.pid, int) else None


def _start(pid: int) -> str:
    # Field 22 of /proc/PID/stat; the name before it may hold spaces and brackets.
    fields = _content(f"/proc/{pid}/stat").rpartition(")")[2].split()
    # A zombie is dead already: it only waits for its parent.
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _content(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
