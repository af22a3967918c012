"""Files that survive a crash and files that cannot mislead: durable writes, and reads that follow no link.

A write is temporary file, fsync, rename, fsync of the folder: after a crash the old content is there, or all
of the new.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.errors import NoSpace, UnsafeStore, is_no_space

__all__ = [
    "fill",
    "full_disk",
    "make_folder",
    "plain_file",
    "read_file",
    "read_small",
    "sync_folder",
    "write_all",
    "write_durably",
    "write_synced",
]

# O_NONBLOCK: opening a FIFO must fail a check and not wait for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def full_disk(path: Path, *, left: str = "what was finished is kept") -> Iterator[None]:
    """Turn "no space" and "quota" into `NoSpace`, naming what was being written and what is `left` of it."""
    try:
        yield
    except OSError as error:
        if is_no_space(error):
            raise NoSpace(
                f"no space left while writing {path}",
                expected="room for it",
                found=str(error.strerror),
                do=f"make room and run the same command again: {left}",
            ) from error
        raise


def write_synced(path: Path, *parts: bytes | memoryview) -> None:
    """Write a new file and fsync it; on failure nothing of it stays."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        try:
            for part in parts:
                write_all(handle, part)
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Write all of it where the handle stands: one write may take less than it is given."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(handle, view) :]


def write_durably(path: Path, *parts: bytes | memoryview, temporary: Path) -> None:
    """Replace `path` by new content at once, by way of `temporary` on the same file system."""
    write_synced(temporary, *parts)
    try:
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are not there, durably; nothing where it is there."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_small(path: Path, *, limit: int) -> bytes:
    """A regular file's bytes; `UnsafeStore` when it is a link, no regular file, or larger than `limit`."""
    with plain_file(path) as (handle, size):
        if size > limit:
            raise UnsafeStore(f"{path} is too large", expected=f"at most {limit} bytes", found=f"{size}")
        return os.read(handle, size)


def read_file(path: Path, offset: int = 0, nbytes: int | None = None) -> NDArray[np.uint8]:
    """`nbytes` bytes of a regular file from `offset` on (default: all), in memory of its own.

    A bad sector or a file cut short meanwhile is an error and no signal, as it would be of mapped bytes; `ValueError`
    where the file is shorter.
    """
    with plain_file(path) as (handle, size):
        stop = size if nbytes is None else offset + nbytes
        into = np.empty(max(0, min(stop, size) - offset), dtype=np.uint8)
        done = fill(handle, into, offset)
        if offset + done != stop:
            raise ValueError(f"a file of {offset + done} bytes where {stop} are needed")
        return into


def fill(handle: int, into: NDArray[np.uint8], offset: int) -> int:
    """Read from `offset` on until `into` is full or the file ends; the number of bytes read."""
    done = 0
    while done < into.size and (count := os.preadv(handle, [into[done:].data], offset + done)):
        done += count
    return done


@contextlib.contextmanager
def plain_file(path: Path) -> Iterator[tuple[int, int]]:
    """A handle of a regular file, and its size; `UnsafeStore` for a link, a pipe, a device."""
    try:
        handle = os.open(path, _READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            found = "a link" if path.is_symlink() else "a pipe, socket or device"
            raise UnsafeStore(f"{path} is no plain file", expected="a regular file", found=found) from error
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            found = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
            raise UnsafeStore(f"{path} is no plain file", expected="a regular file", found=found)
        yield handle, status.st_size
    except OSError as error:
        # A failed read or mapping names no file by itself.
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
    finally:
        os.close(handle)
