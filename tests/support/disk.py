"""The system calls that change a disk, in the order in which they come, and a disk on which any one of them fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHANGING = ("open", "write", "fsync", "close", "mkdir", "rename", "replace", "unlink", "rmdir")


@contextmanager
def watched(before: Callable[[str, Path], None]) -> Iterator[None]:
    """Calls `before(name, path)` ahead of each change of the disk; what it raises is what that call raises.

    An `open` counts where it makes a file, a `close` where one was written; a rename has the path of its target. The
    first write to a file is a short one: half of the bytes. A `close` that fails has closed all the same.
    """
    really = {name: getattr(os, name) for name in CHANGING}
    paths: dict[int, Path] = {}
    written: set[int] = set()
    begun: set[int] = set()

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT:
            before("open", Path(path))
        handle: int = really["open"](path, flags, *args, **kwargs)
        # A folder's entries are removed by names that are relative to its handle.
        paths[handle] = paths[kwargs["dir_fd"]] / path if kwargs.get("dir_fd") is not None else Path(path)
        if flags & os.O_CREAT:
            written.add(handle)
        return handle

    def wrote(handle: int, data: bytes | memoryview) -> int:
        if handle not in written:  # a pipe, or what was there before
            return int(really["write"](handle, data))
        before("write", paths[handle])
        if handle not in begun and len(data) > 1:
            begun.add(handle)
            data = data[: len(data) // 2]
        count: int = really["write"](handle, data)
        return count

    def closed(handle: int) -> None:
        really["close"](handle)
        begun.discard(handle)
        path = paths.pop(handle, None)
        if handle in written and path is not None:
            written.remove(handle)
            before("close", path)

    def at_path(name: str) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            folder = paths[kwargs["dir_fd"]] if kwargs.get("dir_fd") is not None else Path()
            before(name, folder / args[1 if name in ("rename", "replace") else 0])
            really[name](*args, **kwargs)

        return call

    def synced(handle: int) -> None:
        before("fsync", paths[handle])
        really["fsync"](handle)

    special = {"open": opened, "write": wrote, "close": closed, "fsync": synced}
    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGING:
            patch.setattr(os, name, special.get(name) or at_path(name))
        yield


class FullDisk:
    """For `watched`: the `point`-th of the calls in `names` fails, or with `lasting` all of them from there on."""

    def __init__(self, point: int, *, names: tuple[str, ...], code: int, lasting: bool = False) -> None:
        self.left, self.names, self.code, self.lasting = point, names, code, lasting

    @property
    def met(self) -> bool:
        return self.left <= 0

    def __call__(self, name: str, path: Path) -> None:
        if name in self.names:
            self.left -= 1
            if self.left == 0 or (self.lasting and self.met):
                raise OSError(self.code, os.strerror(self.code), str(path))
