"""Who holds a lock: a process, by what tells it apart from any other, on this host or elsewhere.

What can be known of a holder, and what cannot:

- Of this host and boot, in this PID namespace: whether it lives. Dead, it is taken over; alive, it never is.
- Of this host and an earlier boot: dead. Two machines of one name on one shared disk look the same, and so
  does a sandbox with a boot id of its own; hosts that share a disk need names of their own.
- Of another host, or of another container on this machine (its own PID namespace, so that its number says
  nothing here): unknown. It is taken over where the caller says so (`take_over`), and never without; a
  container restarted in its place is another one.
- Of this host, boot and PID namespace, but another time namespace: dead, where its number is free. Where the number is
  in use nothing tells whose it is, because /proc counts a start from the boot of the reader's own time namespace.
- Of an owner.json that leaves out or garbles what would tell: unknown, too. What it says beyond that is another
  version's business.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from dgkd_stores.sanitize import clean

__all__ = ["UNKNOWN", "Owner"]

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, told apart from any later one with its number."""

    host: str = ""
    pid: int = 0
    """0 where unknown."""
    boot: str = ""
    """The kernel's boot id; empty where the system has none."""
    pid_namespace: str = ""
    """The namespace of `pid`: containers on one machine have numbers of their own; empty where the system has none."""
    start: str = ""
    """When the process started, in ticks since that boot; empty where the system does not say."""
    time_namespace: str = ""
    """Whose boot `start` counts from; empty where the system has none, and from earlier versions."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process of that number on this host; the caller knows that there is one."""
        return cls(
            host=socket.gethostname(),
            pid=pid,
            boot=_content(_BOOT_ID),
            pid_namespace=_namespace("pid"),
            start=_start(_content(f"/proc/{pid}/stat")),
            time_namespace=_namespace("time"),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The owner in an owner.json of this version or another; what is missing or not of its type is unknown."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            return cls()
        texts = {name: found.get(name) for name in ("host", "boot", "pid_namespace", "start", "time_namespace")}
        pid = found.get("pid")
        return cls(
            pid=pid if type(pid) is int and 0 < pid < 2**31 else 0,
            **{name: text for name, text in texts.items() if isinstance(text, str)},
        )

    def to_bytes(self) -> bytes:
        """An owner.json."""
        return json.dumps(asdict(self)).encode()

    @property
    def elsewhere(self) -> bool:
        """True where nothing here tells if it lives: a process of another host, of another container, or unknown."""
        return self._fate() == "unknown"

    @property
    def dead(self) -> bool:
        """True where this is certain to be no more; a process elsewhere never is."""
        return self._fate() == "dead"

    def _fate(self) -> Literal["alive", "dead", "unknown"]:
        if not self.pid or self.host != socket.gethostname():
            return "unknown"
        here = _content(_BOOT_ID)
        if self.boot and here and self.boot != here:
            return "dead"
        if not self._of_this_container(here):
            return "unknown"
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return "dead"
        except PermissionError:
            pass
        stat = _content(f"/proc/{self.pid}/stat")
        if not (stat and self.start):
            # Nothing to compare: /proc may hide what belongs to other users (hidepid), and the number is in use.
            return "alive"
        start = _start(stat)
        if start == self.start:
            return "alive"
        return "dead" if not start or self.time_namespace == _namespace("time") else "unknown"

    def _of_this_container(self, boot: str) -> bool:
        return (self.boot, self.pid_namespace) == (boot, _namespace("pid"))

    def __str__(self) -> str:
        if not (self.pid and self.host):
            return "an owner that this version cannot read"
        where = ""
        if self.host == socket.gethostname() and self.elsewhere:
            own = self._of_this_container(_content(_BOOT_ID))
            where = ", in another time namespace" if own else ", in another container"
        return f"process {self.pid} on host {clean(self.host)}{where}"


UNKNOWN = Owner()
"""Somebody of whom nothing is known."""


def _namespace(kind: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return ""


def _start(stat: str) -> str:
    # Field 22 of /proc/PID/stat; the name before it may hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    # A zombie is dead already: it only waits for its parent.
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _content(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
