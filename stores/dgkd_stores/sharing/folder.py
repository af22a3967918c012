"""A folder as a place: on a shared disk, on a medium that travels, or what a web server serves.

Files are durable and appear whole, under the lock of writers beside the store, so that nothing unfinished lies in it.
Needs no extra. obstore has folders too, but it does not fsync, follows links out of the folder, and leaves its own
unfinished files among the others after a kill.
"""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from dgkd_stores.disk.files import (
    make_folder,
    pieces,
    plain_file,
    publish_new,
    sync_folder,
    write_synced,
)
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock
from dgkd_stores.disk.refusals import explain_permission_errors, full_disk
from dgkd_stores.sharing.remote import Changed, Found, Reading, WritableRemote

__all__ = ["Folder"]


class Folder(WritableRemote):
    """The folder `path`; it is made when something is published in it.

    `take_over` is that of `Lock`, for who publishes.
    """

    def __init__(self, path: Path, *, take_over: bool = False) -> None:
        self.path, self.address, self._take_over = path, str(path), take_over
        self._lock: ViewLock | None = None

    def names(self, prefix: str) -> Mapping[str, Found]:
        top, found = self.path / prefix, {}
        with explain_permission_errors(top):
            if top.is_file() or top.is_symlink():
                return {prefix: _found(top.lstat())}
            for folder, _, files in os.walk(top, onerror=_unless_missing):
                for file in files:
                    path = Path(folder, file)
                    found[str(path.relative_to(self.path))] = _found(path.lstat())
        return found

    def tops(self) -> frozenset[str]:
        with explain_permission_errors(self.path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return frozenset(os.listdir(self.path))
        return frozenset()

    def read(self, name: str, *, start: int = 0, stop: int | None = None, tag: str | None = None) -> Reading:
        path = self.path / name
        with plain_file(path) as (handle, _):
            found = _found(os.fstat(handle))
        if tag is not None and found.tag != tag:
            raise Changed(name)
        return Reading(found=found, pieces=_pieces(path, start, found.size if stop is None else stop))

    def create(self, name: str, data: bytes | memoryview) -> bool:
        with self._written(name, data) as finished:
            try:
                publish_new(finished, self.path / name)
            except FileExistsError:
                os.unlink(finished)
                return False
        return True

    def replace(self, name: str, data: bytes | memoryview) -> None:
        with self._written(name, data) as finished:
            os.replace(finished, self.path / name)
            sync_folder((self.path / name).parent)

    @contextlib.contextmanager
    def publishing(self, name: str) -> Iterator[None]:
        with full_disk(self.path):
            make_folder(self.path)
        with ViewLock(self.path / name, ALL_VIEWS, guide="", take_over=self._take_over) as lock:
            self._lock = lock
            try:
                yield
            finally:
                self._lock = None

    @contextlib.contextmanager
    def _written(self, name: str, data: bytes | memoryview) -> Iterator[Path]:
        """Gives a durable file of this content in the lock's folder."""
        assert self._lock is not None, "outside of publishing()"
        with full_disk(self.path / name), self._lock.unfinished(uuid.uuid4().hex) as partial:
            make_folder((self.path / name).parent)
            write_synced(partial, data)
            yield partial


def _unless_missing(error: OSError) -> None:
    """Raises the error of a folder that is there and cannot be listed."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _pieces(path: Path, start: int, stop: int) -> Iterator[memoryview]:
    with plain_file(path) as (handle, _):
        yield from pieces(handle, start, stop)


def _found(status: os.stat_result) -> Found:
    regular = stat.S_ISREG(status.st_mode)
    return Found(size=status.st_size, tag=f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}" if regular else None)
