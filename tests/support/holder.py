"""Other holders of views of a store: a process that has not finished a file, and owners that are put into a lock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dgkd_stores.disk import ViewLock

__all__ = ["FAR", "another_holder", "disguise"]

FAR = {"host": "far-away", "pid": 1, "boot": "x"}
"""An owner on another host."""

_HOLD = """
import sys, time
from pathlib import Path
from dgkd_stores.disk import ViewLock
lock = ViewLock(Path(sys.argv[1]), range(0, 10), guide="ta1")
(lock.folder / "logits.c.3.0.0.partial").write_bytes(b"half")
print("held", flush=True)
time.sleep(300)
"""


@contextmanager
def another_holder(store: Path, *, within: list[str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The process that holds views 0 to 9 of `store`, killed at the end; `within` are words before its command."""
    command = [*(within or []), sys.executable, "-c", _HOLD, str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def disguise(lock: ViewLock | Path, **change: Any) -> dict[str, Any]:
    """Another owner in a lock that this process holds, or in its folder, as if that one had taken it; its owner."""
    place = (lock if isinstance(lock, Path) else lock.folder.parent) / "owner.json"
    owner: dict[str, Any] = json.loads(place.read_bytes())
    place.write_text(json.dumps({**owner, **change}))
    return owner
