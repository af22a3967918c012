"""The anonymous memory that a process took at its peak: the kernel keeps that figure only together with mapped files.

`HEAP` is for the environment of a Python process, before it starts. Its heap then gives nothing back: every allocation
comes from the break, which never shrinks, so that what is anonymous at the end is what was at the peak. Nothing adapts
to what happened before, as glibc's threshold for its own mappings does. What a program maps by itself, past the heap,
and gives back is not seen. Linux with glibc.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from pathlib import Path

__all__ = ["HEAP", "anonymous_kib", "give_back", "go_on_in_a_child"]

HEAP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**62),
    "PYTHONMALLOC": "malloc",
}


def anonymous_kib() -> int:
    """Anonymous memory of this process now, in memory or swapped out, page by page and not by a counter."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(re.search(rf"^{name}: +(\d+) kB$", rollup, re.MULTILINE)[1]) for name in ("Anonymous", "Swap"))


def give_back() -> None:
    """Free memory goes back to the kernel, once, so that taking it again counts."""
    ctypes.CDLL(None).malloc_trim(0)


def go_on_in_a_child() -> None:
    """Forks: the child returns, and this process ends as the child does.

    A program starts with the `ru_maxrss` of the process that started it, before the exec; after a fork it starts anew.
    """
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        sys.exit(code)
