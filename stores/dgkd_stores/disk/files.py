"""Durable writes, and reads that follow no link.

A write is temporary file, fsync, rename, fsync of the folder: after a crash there is the old content or all of the new.
An existing file is never opened for writing: the temporary has an unpredictable name, and the rename replaces the name
only, so a hard link keeps the old content. A symbolic link, a folder or a device at the target is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.disk.notice import notice_once
from dgkd_stores.disk.refusals import explain_permission_errors, no_permission
from dgkd_stores.errors import UnsafeStore

__all__ = [
    "Partial",
    "create_durably",
    "discard_file",
    "fill",
    "lies_at",
    "make_folder",
    "not_a_folder",
    "partial_of",
    "partials",
    "pieces",
    "plain_file",
    "publish_new",
    "read_file",
    "read_small",
    "refuse_in_the_way",
    "replace_file",
    "sweep_partials",
    "sync_folder",
    "write_all",
    "write_durably",
    "write_synced",
]

PIECE_BYTES = 2**20
"""Bytes that `pieces` reads at a time."""

Partial = Callable[[Path], Path]
"""Names the unfinished content of a file: beside it (`partial_of`), or in the folder of a lock, which may be lost."""

# O_NONBLOCK: opening a FIFO must not wait for a writer; the check then refuses it.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PARTIAL = re.compile(r".+\.[0-9a-f]{32}\.partial")
# Errors of a folder's fsync on file systems without it (CIFS, FUSE, shared folders of a virtual machine).
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


def write_synced(path: Path, *parts: bytes | memoryview) -> None:
    """Writes a new file and fsyncs it; removes it after a failure. Raises FileExistsError if the name is taken."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
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
    """Writes all data at the handle's position: one system call may write less."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(handle, view) :]


def write_durably(path: Path, *parts: bytes | memoryview, temporary: Path | None = None) -> None:
    """Replaces the content of `path` at once; raises UnsafeStore if the name is taken by anything but a regular file.

    It writes to `temporary` first, a new name on the same file system; the default is an unpredictable name beside
    `path`, which `sweep_partials` removes after a kill. Hard links to the old file keep its content.
    """
    replace_file(path, *parts, temporary=temporary)
    sync_folder(path.parent)


def replace_file(path: Path, *parts: bytes | memoryview, temporary: Path | None = None) -> None:
    """Does what `write_durably` does without the fsync of the folder, which several files in it may share."""
    refuse_in_the_way(path)
    temporary = temporary or partial_of(path)
    write_synced(temporary, *parts)
    try:
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def create_durably(path: Path, *parts: bytes | memoryview) -> None:
    """Creates a file at once; raises FileExistsError if anything has its name, which stays as it is."""
    partial = partial_of(path)
    try:
        write_synced(partial, *parts)
        publish_new(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def partial_of(path: Path) -> Path:
    """Returns an unpredictable name beside `path` for its unfinished content."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")


def discard_file(path: Path, *, partial: Partial = partial_of) -> None:
    """Removes a file, if it exists, by way of its name for unfinished content: under a lost lock it is kept."""
    gone = partial(path)
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, gone)
        os.unlink(gone)


def publish_new(finished: Path, path: Path) -> None:
    """Moves a finished file or folder to a free name; raises FileExistsError if the name is taken by then."""
    if finished.is_file() and _try_link(finished, path):
        os.unlink(finished)
    elif os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "there already", str(path))
    else:
        os.rename(finished, path)
    sync_folder(path.parent)


def _try_link(finished: Path, path: Path) -> bool:
    """Makes a hard link, which unlike a rename replaces nothing; returns False on file systems without them."""
    try:
        os.link(finished, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def refuse_in_the_way(path: Path) -> None:
    """Raises UnsafeStore if anything but a regular file is at `path`; a link is neither followed nor removed."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise UnsafeStore(
            f"{path} is in the way of a file that is to be written",
            expected="a regular file, or nothing",
            found=_kind(mode),
            do=f"move it elsewhere (`mv {shlex.quote(str(path))} ELSEWHERE`) and run the same command again",
        )


def partials(folder: Path) -> list[Path]:
    """Lists files that a killed `write_durably` left in `folder`; none if it cannot be listed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if _PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]
    return []


def sweep_partials(folder: Path) -> None:
    """Removes the `partials` of `folder`; the caller must hold the lock under which it is written."""
    for path in partials(folder):
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Creates a folder and its missing parents durably; does nothing if it exists.

    Raises UnsafeStore if a file or a broken link has its name.
    """
    if not path.is_dir():
        make_folder(path.parent)
        try:
            path.mkdir(exist_ok=True)
        except FileExistsError as error:
            raise not_a_folder(path) from error
        sync_folder(path.parent)


def not_a_folder(path: Path) -> UnsafeStore:
    """Returns the error for a path that must be a folder but is not."""
    return UnsafeStore(
        f"{path} is in the way of what writers need",
        expected="a folder, or nothing",
        found="a link" if path.is_symlink() else "another kind of file",
        do="remove it, if it is nobody's, and run the same command again",
    )


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable; if its file system cannot, warns once per process."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
        notice_once(
            "folder sync",
            f"the file system of {path} cannot sync folders ({error.strerror}): going on; after a power cut, files "
            "that were finished shortly before it may be missing there, and the same command makes them again",
        )
    finally:
        os.close(handle)


def read_small(path: Path, *, limit: int) -> bytes:
    """Reads a regular file; raises UnsafeStore if it is a link, not a regular file, or larger than `limit`."""
    with plain_file(path) as (handle, size):
        if size > limit:
            raise UnsafeStore(f"{path} is too large", expected=f"at most {limit} bytes", found=f"{size}")
        return os.read(handle, size)


def read_file(path: Path, offset: int = 0, nbytes: int | None = None) -> NDArray[np.uint8]:
    """Reads `nbytes` bytes of a regular file from `offset` on (default: all) into new memory.

    A bad sector or a truncated file raises an error, not a signal as for mapped bytes; ValueError if the file is
    shorter.
    """
    with plain_file(path) as (handle, size):
        stop = size if nbytes is None else offset + nbytes
        into = np.empty(max(0, min(stop, size) - offset), dtype=np.uint8)
        done = fill(handle, into, offset)
        if offset + done != stop:
            raise ValueError(f"a file of {offset + done} bytes where {stop} are needed")
        return into


def pieces(handle: int, start: int, stop: int) -> Iterator[memoryview]:
    """Yields the bytes of an open file from `start` to `stop` - 1, or to its end, a piece at a time."""
    while piece := os.pread(handle, min(PIECE_BYTES, stop - start), start):
        yield memoryview(piece)
        start += len(piece)


def fill(handle: int, into: NDArray[np.uint8], offset: int) -> int:
    """Reads from `offset` on until `into` is full or the file ends; returns the number of bytes."""
    done = 0
    while done < into.size and (count := os.preadv(handle, [into[done:].data], offset + done)):
        done += count
    return done


@contextlib.contextmanager
def plain_file(path: Path) -> Iterator[tuple[int, int]]:
    """Opens a regular file; gives its handle and size. Raises UnsafeStore for any other, and NoPermission."""
    try:
        handle = os.open(path, _READ)
    except PermissionError as error:
        raise no_permission(path) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            found = "a link" if path.is_symlink() else "a pipe, socket or device"
            raise UnsafeStore(f"{path} is no plain file", expected="a regular file", found=found) from error
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeStore(f"{path} is no plain file", expected="a regular file", found=_kind(status.st_mode))
        yield handle, status.st_size
    except OSError as error:
        # The error of a failed read or mapping names no file.
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
    finally:
        os.close(handle)


def lies_at(path: Path) -> bool:
    """Returns True if the path exists, even as a broken link; raises NoPermission if this user may not look."""
    with explain_permission_errors(path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
