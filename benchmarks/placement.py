"""Which cores a process runs on: a server and its clients on all cores together, or on halves of their own.

Over a network the server is another machine. On loopback both would compete for the same cores, and a client that
computes more than another one would slow the server as well.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Placement", "placements", "run_on"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The cores of a server and of its clients, and what that is called in a row."""

    name: str
    server: frozenset[int]
    clients: frozenset[int]

    def enter(self, server: int) -> None:
        """Moves the server, a process ID, and this process to their cores."""
        run_on(server, self.server)
        run_on(os.getpid(), self.clients)

    def __str__(self) -> str:
        return f"{self.name}: the server runs on {_named(self.server)}, its clients on {_named(self.clients)}"


def placements(cores: Collection[int]) -> list[Placement]:
    """The ways to place a server: sharing all cores, and on the upper half of them, where there is more than one."""
    ordered = sorted(cores)
    every, half = frozenset(ordered), len(ordered) // 2
    found = [Placement(name="sharing all cores", server=every, clients=every)]
    if half:
        own = Placement(
            name="server on cores of its own", server=frozenset(ordered[half:]), clients=frozenset(ordered[:half])
        )
        found.insert(0, own)
    return found


def run_on(process: int, cores: Collection[int]) -> None:
    """Moves all threads of a process to these cores; threads that they start later run there as well."""
    moved: set[int] = set()
    while new := {int(path.name) for path in Path(f"/proc/{process}/task").iterdir()} - moved:
        for thread in new:
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, cores)
        moved |= new


def _named(cores: Collection[int]) -> str:
    return f"core{'s' * (len(cores) > 1)} {', '.join(map(str, sorted(cores)))}"
