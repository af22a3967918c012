"""Sets how much freed memory the C library keeps for the next training step. Loads no torch.

By default glibc returns a large block to the system when it is freed. The next step then gets new pages instead, which
the system fills with zeros. A step of plain2 spends a fifth of its time there. Measured: `python -m
benchmarks.allocator`, docs/performance.md. Where memory comes from changes no bit of a result.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, MutableMapping

from dgkd_cache.device.variables import require_variables

__all__ = ["VARIABLES", "describe_freed_memory", "keep_freed_memory"]

# The parameters of mallopt(3): by name, which glibc reads when a process starts, and by number, for a running one.
_NUMBERS = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3}

VARIABLES: Mapping[str, str] = {
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),  # the most that mallopt takes
    "MALLOC_MMAP_THRESHOLD_": str(2**28),  # larger blocks, such as images of a data set, are returned as before
}
"""Freed memory that glibc keeps before it returns some, and the block from which it returns each one, in bytes."""

_SAID_BY = (*VARIABLES, "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def keep_freed_memory(environment: MutableMapping[str, str]) -> None:
    """Makes glibc keep freed memory as `VARIABLES` states, unless the environment sets how it allocates.

    This process is set at once; processes that it starts with this environment inherit it. A process then holds
    nearly the memory of its peak until it ends. Another C library is left as it is.
    """
    require_variables("keep_freed_memory", environment, MutableMapping)
    if any(name in environment for name in _SAID_BY) or not hasattr(ctypes.pythonapi, "gnu_get_libc_version"):
        return
    for name, value in VARIABLES.items():
        ctypes.pythonapi.mallopt(_NUMBERS[name], int(value))
        environment[name] = value


def describe_freed_memory(environment: Mapping[str, str]) -> str:
    """Returns the variables in force, such as "MALLOC_TRIM_THRESHOLD_=2147483647"."""
    require_variables("describe_freed_memory", environment, Mapping)
    said = " ".join(f"{name}={environment[name]}" for name in _SAID_BY if name in environment)
    return said or "the C library's own choice"
