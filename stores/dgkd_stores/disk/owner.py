"""The owner of a lock: a process, identified on this host and elsewhere.

What is known of a holder:

- On this host and boot, in this PID namespace: alive or dead. A dead one is taken over, a live one never.
- On this host in an earlier boot: dead. Two machines with one name on one shared disk look the same, and so does a
  sandbox with its own boot id; hosts that share a disk need different names.
- On another host, or in another container on this machine (whose PID namespace makes its number meaningless here):
  unknown. It is taken over only if the caller asks for it (`take_over`); a restarted container counts as another one.
- On this host, boot and PID namespace, but in another time namespace: dead if its number is free. If the number is in
  use, it is unknown whose it is, because /proc counts a start from the boot of the reader's time namespace.
- With an owner.json that lacks or garbles these fields: unknown. Further fields are of other versions, and ignored.
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
    """A process, distinguished from any later one with the same number."""

    host: str = ""
    pid: int = 0
    """0 if unknown."""
    boot: str = ""
    """The kernel's boot id; empty if the system has none."""
    pid_namespace: str = ""
    """The namespace of `pid`: containers on one machine have their own; empty if the system has none."""
    start: str = ""
    """The start of the process in ticks since that boot; empty if the system does not report it."""
    time_namespace: str = ""
    """The time namespace from whose boot `start` counts; empty if the system has none, and from earlier versions."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """Returns the owner for an existing process of this host."""
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
        """Returns the owner in an owner.json of any version; fields that are missing or of another type are unknown."""
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
        """Returns the content of an owner.json."""
        return json.dumps(asdict(self)).encode()

    @property
    def elsewhere(self) -> bool:
        """True if it is unknown whether it is alive: a process on another host, in another container, or unknown."""
        return self._fate() == "unknown"

    @property
    def dead(self) -> bool:
        """True if it is certainly dead; never for a process elsewhere."""
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
            # Nothing to compare: /proc may hide other users' processes (hidepid), and the number is in use.
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
"""An owner of whom nothing is known."""


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
