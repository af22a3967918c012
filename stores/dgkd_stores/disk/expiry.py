"""Takes over locks elsewhere whose lease is no longer renewed, judged by the reader's own clock.

A reader needs no clock of the holder's host: a lock is removed once its lease has been read, again and again for
`PATIENCE`, with the same content. A holder that was only paused finds its folder gone at its next write, and stops.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dgkd_stores.disk.folder_lock import Stop, folder_lock, never
from dgkd_stores.disk.leases import RENEWAL, read_lease
from dgkd_stores.disk.locks import discard, locks_in, writing_folder
from dgkd_stores.disk.owner import Owner

__all__ = ["PATIENCE", "LeaseWatch"]

PATIENCE = 600.0
"""Seconds that a lease must stand still: 20 renewals, and ten times as long as NFS keeps old attributes."""


@dataclass
class _Standing:
    """A lease that stands still, with the times of the first and the last look at it."""

    lease: tuple[str, bytes]
    since: float
    last: float


class LeaseWatch:
    """Observes the leases of holders elsewhere; `clock` counts the seconds of this host, for `patience`."""

    def __init__(self, *, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._seen: dict[Path, _Standing] = {}

    def look(self, target: Path, names: re.Pattern[str], *, stop: Stop = never) -> list[Owner]:
        """Looks at the locks of that kind on `target`; removes those that have expired and returns their owners.

        Call it every few seconds. After more than `RENEWAL` without a look the observation starts again, because then
        this process, or its disk, may be what stood still. Raises Interrupted as a lock does.
        """
        expired = []
        for lock, owner in locks_in(writing_folder(target), names):
            if owner is not None and owner.elsewhere and names.fullmatch(lock.name) and self._has_expired(lock):
                with folder_lock(target.parent, stop=stop):
                    # It may have been renewed, released or taken over by others since.
                    if read_lease(lock) == self._seen.pop(lock).lease:
                        discard(lock)
                        expired.append(owner)
        return expired

    def _has_expired(self, lock: Path) -> bool:
        lease, now = read_lease(lock), self._clock()
        seen = self._seen.get(lock)
        if lease is None:
            self._seen.pop(lock, None)
            return False
        if seen is None or seen.lease != lease or now - seen.last > RENEWAL:
            self._seen[lock] = _Standing(lease, since=now, last=now)
            return False
        seen.last = now
        return now - seen.since >= self._patience
