"""Processes that die at a change of the disk, and forks to let them die in."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

__all__ = ["die_at", "in_child"]

_CHANGING = ("open", "write", "fsync", "replace", "rename", "link", "mkdir", "unlink", "rmdir")


def die_at(point: int, *, counted: Callable[[str], None] = lambda name: None) -> None:
    """Make this process die at its `point`-th change of the disk (0: never); a write is cut in half."""
    left = itertools.count(1)

    def deadly(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return really(*args, **kwargs)
            counted(name)
            if next(left) == point:
                if name == "write":
                    really(args[0], bytes(args[1])[: len(args[1]) // 2])
                os._exit(9)
            return None if name == "fsync" else really(*args, **kwargs)

        return call

    for name in _CHANGING:
        setattr(os, name, deadly(name, getattr(os, name)))


def in_child(action: Callable[[], Any]) -> int:
    """Runs `action` in a fork of this process; 0, or how that ended."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
