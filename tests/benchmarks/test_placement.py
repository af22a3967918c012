"""Cores of a server and of its clients: halves that share none, and every thread of a process on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.placement import placements, run_on

THREADS = """
import threading
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
input()
"""


@pytest.mark.parametrize(
    ("cores", "clients", "server"),
    [({0, 1}, {0}, {1}), ({7, 3, 5}, {3}, {5, 7}), ({*range(16)}, {*range(8)}, {*range(8, 16)})],
)
def test_the_server_has_the_upper_half(cores: set[int], clients: set[int], server: set[int]) -> None:
    own, shared = placements(cores)
    assert (own.clients, own.server) == (clients, server)
    assert shared.clients == shared.server == cores
    assert str(placements({0, 1})[1]) == "sharing all cores: the server runs on cores 0, 1, its clients on cores 0, 1"


def test_one_core_is_shared() -> None:
    (shared,) = placements({4})
    assert str(shared) == "sharing all cores: the server runs on core 4, its clients on core 4"


def test_every_thread_of_a_process_is_moved() -> None:
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, "-c", THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        run_on(process.pid, {core})
        threads = [int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir()]
        assert len(threads) == 4 and all(os.sched_getaffinity(thread) == {core} for thread in threads)
        process.kill()
