"""Chooses the reader of a store: chunks are mapped on local disks, and copied block by block on others.

Other machines can write to a network file system, and the host to a folder shared with a virtual machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from dgkd_stores.arguments import describe_value
from dgkd_stores.errors import InvalidInput

__all__ = ["READERS", "file_system", "reason_to_copy", "require_reader"]

READERS = ("auto", "mmap", "pread")

MOUNTS = Path("/proc/self/mountinfo")

_SHARED = frozenset(
    # network and cluster file systems, then those of virtual machines' hosts
    "nfs nfs4 cifs smb3 smbfs afs coda ceph glusterfs lustre gpfs beegfs panfs wekafs orangefs pvfs2 dvs gfs2 ocfs2 "
    "davfs ncpfs 9p virtiofs vboxsf vmhgfs prl_fs drvfs".split()
)


def reason_to_copy(path: Path, wanted: str = "auto") -> str:
    """Returns why the chunks of the store at `path` are copied; "" if they are mapped.

    `wanted` is one of READERS; `auto` depends on the file system.
    """
    if wanted != "auto":
        return "reader is set" if wanted == "pread" else ""
    try:
        kind = file_system(path, mounts=MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        kind = ""
    if not kind:
        return "its file system is not known"
    shared = kind in _SHARED or re.match(r"fuse(\.|$)", kind)
    return f"others may write to a file system of type {kind}" if shared else ""


def require_reader(wanted: object) -> None:
    """Raises InvalidInput unless it is one of READERS."""
    if not isinstance(wanted, str) or wanted not in READERS:
        raise InvalidInput("no such reader", expected=f"one of {', '.join(READERS)}", found=describe_value(wanted))


def file_system(path: Path, *, mounts: str) -> str:
    """Returns the type of the file system of `path`, by the table of mounts (proc(5), mountinfo), or ""."""
    place, found = os.path.realpath(path), (-1, "")
    device = os.stat(place).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        # 36 35 98:0 /root /mount/point options... - type source options
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.partition(" ")[0]
        if len(fields) < 5:
            continue
        if fields[2] == number:
            return kind
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        # The last of several mounts at one place hides the others.
        if (place + "/").startswith(point.rstrip("/") + "/") and len(point) >= found[0]:
            found = (len(point), kind)
    return found[1]
