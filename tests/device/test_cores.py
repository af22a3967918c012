"""Cores of threads while a model trains, as the kernel tells it; what is started meanwhile may run anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from dgkd_cache.device import cores

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux where a thread may run")

_ASK = """
import ctypes, json, os, sys
import torch
from dgkd_cache.device import cores

cores.CORES = [int(core) for core in sys.argv[1].split(",")]

def places():
    found = {}
    gomp = cores.libgomp()
    cores.on_each_thread(gomp, lambda thread: found.update({thread: sorted(os.sched_getaffinity(0))}))
    return [found[thread] for thread in sorted(found)]

found = []
for threads in map(int, sys.argv[2:]):
    torch.set_num_threads(threads)
    before = places()
    values = torch.rand(1 << 20)
    expected = values.exp().sum()
    with cores.own_cores(torch.device("cpu")):
        within = places()
        assert torch.equal(values.exp().sum(), expected)
    found.append([before, within, places()])
print(json.dumps(found))
"""
"""The processors of each thread before, within and after the block, with one number of threads after another."""


def _places(wanted: list[int], *threads: int) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    words = [sys.executable, "-c", _ASK, ",".join(map(str, wanted)), *map(str, threads)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@linux
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: there is nothing to spread over")
def test_each_thread_has_a_core_within_the_block_and_all_of_them_after_it() -> None:
    """Fewer threads than cores are left to the system."""
    here = sorted(os.sched_getaffinity(0))
    (before, within, after), (_, of_fewer, _) = _places(here, len(here), len(here) - 1)
    assert within == [[core] for core in here]
    assert before == after == [here] * len(here)
    assert all(place == here for place in of_fewer)


@linux
def test_what_is_started_within_may_run_anywhere() -> None:
    here = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(here)})
        with ThreadPoolExecutor(1, initializer=cores.every_core) as pool:
            assert pool.submit(os.sched_getaffinity, 0).result() == here
    finally:
        os.sched_setaffinity(0, here)


def test_another_device_is_no_business_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "on_each_thread", lambda *_: pytest.fail("nothing is to be done"))
    with cores.own_cores(torch.device("cuda")):
        pass
