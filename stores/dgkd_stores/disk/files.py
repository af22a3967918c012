"""Files that survive a crash and files that cannot mislead: durable writes, and reads that follow no link.

A write is temporary file, fsync, rename, fsync of the folder: after a crash the old content is there, or all
of the new. No file is opened for writing that was there before: the temporary has a name that nobody can have
prepared, and the rename replaces a name and never what another name (a hard link) has of the old file. A symbolic
link, a folder or a device in the target's place is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.disk.notice import notice_once
from dgkd_stores.errors import NoPermission, UnsafeStore, is_no_space, no_space

__all__ = [
    "fill",
    "full_disk",
    "lies_at",
    "make_folder",
    "not_a_folder",
    "partial_of",
    "partials",
    "permitted",
    "plain_file",
    "publish_new",
    "read_file",
    "read_small",
    "refuse_in_the_way",
    "sweep_partials",
    "sync_folder",
    "write_all",
    "write_durably",
    "write_synced",
]

# O_NONBLOCK: opening a FIFO must fail a check and not wait for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PARTIAL = re.compile(r".+\.[0-9a-f]{32}\.partial")
# What the fsync of a folder says where the file system (CIFS, FUSE, shared folders of a virtual machine) has none.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def full_disk(path: Path, *, left: str = "what was finished is kept") -> Iterator[None]:
    """Turn a full disk, quota or file into `NoSpace`, naming what was being written and what is `left` of it."""
    try:
        yield
    except OSError as error:
        if is_no_space(error):
            raise no_space(path, error, left=left) from error
        raise


def write_synced(path: Path, *parts: bytes | memoryview) -> None:
    """Write a new file and fsync it; on failure nothing of it stays. `FileExistsError` where the name is taken."""
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
    """Write all of it where the handle stands: one write may take less than it is given."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(handle, view) :]


def write_durably(path: Path, *parts: bytes | memoryview, temporary: Path | None = None) -> None:
    """Replace `path` by new content at once; `UnsafeStore` where anything but a regular file has that name.

    By way of `temporary`, a new name on the same file system: by default one beside `path` that nobody can have
    prepared, which `sweep_partials` removes after a kill. Other names of the old file (hard links) keep its content.
    """
    refuse_in_the_way(path)
    temporary = temporary or partial_of(path)
    write_synced(temporary, *parts)
    try:
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def partial_of(path: Path) -> Path:
    """A name beside `path` for its unfinished content, which nobody can have prepared."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")


def publish_new(finished: Path, path: Path) -> None:
    """Move what is finished to a name that nothing has; `FileExistsError` where something has it by then."""
    if finished.is_file() and _linked(finished, path):
        os.unlink(finished)
    elif os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "there already", str(path))
    else:
        os.rename(finished, path)
    sync_folder(path.parent)


def _linked(finished: Path, path: Path) -> bool:
    """A second name for a file, which unlike a rename replaces nothing; not every file system has such names."""
    try:
        os.link(finished, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def refuse_in_the_way(path: Path) -> None:
    """`UnsafeStore` where anything but a regular file lies at `path`: a link is never followed, nor removed."""
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
    """Files that a killed `write_durably` left in `folder`; none where it cannot be listed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if _PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]
    return []


def sweep_partials(folder: Path) -> None:
    """Remove the `partials` of `folder`; for whoever holds the lock under which it is written."""
    for path in partials(folder):
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are not there, durably; nothing where it is there.

    `UnsafeStore` where a file or a link to nothing has its name.
    """
    if not path.is_dir():
        make_folder(path.parent)
        try:
            path.mkdir(exist_ok=True)
        except FileExistsError as error:
            raise not_a_folder(path) from error
        sync_folder(path.parent)


def not_a_folder(path: Path) -> UnsafeStore:
    """The error for something that is no folder where this program needs one of that name."""
    return UnsafeStore(
        f"{path} is in the way of what writers need",
        expected="a folder, or nothing",
        found="a link" if path.is_symlink() else "another kind of file",
        do="remove it, if it is nobody's, and run the same command again",
    )


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; where its file system cannot, go on and say so, once a process."""
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
    """A handle of a regular file, and its size; `UnsafeStore` for a link, a pipe, a device, `NoPermission`."""
    try:
        handle = os.open(path, _READ)
    except PermissionError as error:
        raise _no_permission(path) from error
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
        # A failed read or mapping names no file by itself.
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
    finally:
        os.close(handle)


def lies_at(path: Path) -> bool:
    """True where anything has that name, a link to nothing included; `NoPermission` where this user may not look."""
    with permitted(path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


@contextlib.contextmanager
def permitted(path: Path) -> Iterator[None]:
    """Turn a refused permission of anything at or under `path` into `NoPermission`."""
    try:
        yield
    except NoPermission:
        raise
    except PermissionError as error:
        raise _no_permission(Path(os.fsdecode(error.filename or path))) from error


def _no_permission(path: Path) -> NoPermission:
    """The error for a file or folder that this user may not read, with the command that changes that."""
    # A folder above it that may not be entered hides what the file itself permits.
    above = [folder for folder in reversed(path.absolute().parents) if not os.access(folder, os.X_OK)]
    barred = above[0] if above else path
    try:
        own = os.stat(barred).st_uid == os.geteuid()
    except OSError:
        own = False
    change = f"`chmod {'u' if own else 'a'}+rX {shlex.quote(str(barred))}`"
    return NoPermission(
        f"{path} may not be read",
        expected="permission to read it",
        found=f"Permission denied to user {os.geteuid()}" + (f" in {barred}" if above else ""),
        do=f"{change} permits it" if own else f"its owner permits it with {change}",
    )


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
