"""Fresh processes that work by turns: what is set before a process starts can be compared with another setting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from benchmarks.harness import Span
from dgkd_cache.device.autotune import Combination

__all__ = ["ROOT", "FreshProcess", "fresh_process"]

ROOT = Path(__file__).resolve().parent.parent


class FreshProcess:
    """A process of `busy_child.py`, which loads what `work` needs and then waits for `span`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._ready = False

    def begin(self) -> Self:
        """Waits until it has loaded all it needs; several may load at once."""
        if not self._ready:
            assert self._line() == "ready", "the child says what is wrong"
            self._ready = True
        return self

    def span(self, units: int) -> Span:
        """Returns the time of one unit, over so many."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{units}\n")
        self._process.stdin.flush()
        found = json.loads(self._line())
        return Span(found["wall"], found["processor"])

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def fresh_process(
    work: str, combination: Combination, *, environment: Mapping[str, str], own_cores: bool
) -> Iterator[FreshProcess]:
    """Starts a process for `work` with these variables, and ends it."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    words = [work, combination.precision, str(int(combination.channels_last)), str(int(own_cores))]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks" / "busy_child.py"), *words],
        env={**environment, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield FreshProcess(process)
    finally:
        process.kill()
        process.communicate()
