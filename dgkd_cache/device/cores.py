"""Pins each OpenMP thread to its own core while a model trains, so that threads that wait for each other never share
one.

Beside a busy process the system puts both on the remaining core. oneDNN's kernels (bfloat16, backward) wait there in a
loop that never sleeps: a step took three to four times as long as on an idle machine, and takes twice as long when
pinned. Where a thread runs changes no bit of its results. Linux and libgomp only; elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from dgkd_cache.device.device import usable_device

__all__ = ["every_core", "libgomp", "on_each_thread", "own_cores"]

CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
"""The cores of this process."""


@contextmanager
def own_cores(device: torch.device | str) -> Iterator[None]:
    """Pins each of torch's threads to its own core, if there are as many threads as cores.

    Fewer threads are not pinned: the system finds a free core, and two processes would choose the same ones. Threads
    and processes that are started inside the block must call `every_core` first.
    """
    kind = (device if isinstance(device, torch.device) else usable_device(device, call="own_cores")).type
    gomp = libgomp()
    if gomp is None or kind != "cpu" or not 1 < torch.get_num_threads() == len(CORES):
        yield
        return
    on_each_thread(gomp, lambda thread: os.sched_setaffinity(0, {CORES[thread]}))
    try:
        yield
    finally:
        on_each_thread(gomp, lambda thread: every_core())


def every_core(worker: int = 0) -> None:
    """Lets the calling thread run on every core of the process; an initialiser for pools and data loader workers."""
    if CORES:
        with suppress(OSError):  # the machine may have fewer cores than at the start of the process
            os.sched_setaffinity(0, CORES)


def on_each_thread(gomp: ctypes.CDLL, action: Callable[[int], None]) -> None:
    """Runs `action` with its number on each OpenMP thread of the calling thread; torch uses these threads."""

    def task(_: int | None) -> None:
        with suppress(OSError):
            action(gomp.omp_get_thread_num())

    gomp.GOMP_parallel(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(task), None, len(CORES), 0)


def libgomp() -> ctypes.CDLL | None:
    """Returns the libgomp that torch has loaded, None if it has another OpenMP or none."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            paths = {line.split(maxsplit=5)[5].strip() for line in maps if "libgomp" in line}
    except OSError:
        return None
    beside_torch = [path for path in paths if os.sep + "torch" in path]
    found = beside_torch or list(paths)
    return ctypes.CDLL(found[0]) if len(found) == 1 else None
