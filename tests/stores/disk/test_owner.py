"""Who holds a lock: what another version says is taken as far as it goes, and only what is certain is called dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores.disk.owner import UNKNOWN, Owner

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@pytest.fixture
def mine() -> Owner:
    return Owner.of(os.getpid())


@needs_proc
def test_what_tells_a_process_apart(mine: Owner) -> None:
    assert (mine.host, mine.pid) == (socket.gethostname(), os.getpid())
    assert mine.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert mine.start == Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    assert (mine.pid_namespace, mine.time_namespace) == (
        os.readlink("/proc/self/ns/pid"),
        os.readlink("/proc/self/ns/time"),
    )


def test_there_and_back(mine: Owner) -> None:
    assert Owner.from_bytes(mine.to_bytes()) == mine
    assert json.loads(mine.to_bytes()) == asdict(mine)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"7", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000, b'{"host": ["a"], "pid": "1", "boot": 3}']
)
def test_what_is_no_owner_is_unknown(data: bytes) -> None:
    assert Owner.from_bytes(data) == UNKNOWN
    assert UNKNOWN.elsewhere and not UNKNOWN.dead and str(UNKNOWN) == "an owner that this version cannot read"


@pytest.mark.parametrize("pid", [True, 0, -1, 2**31, 1.0, "1", None])
def test_numbers_that_no_process_has(mine: Owner, pid: Any) -> None:
    assert Owner.from_bytes(json.dumps({**asdict(mine), "pid": pid}).encode()) == replace(mine, pid=0)


def test_what_a_later_version_adds_is_left_out(mine: Owner) -> None:
    assert Owner.from_bytes(json.dumps({**asdict(mine), "more": {"than": ["ours"]}}).encode()) == mine


FATES: list[tuple[dict[str, Any], str]] = [
    ({}, "alive"),
    ({"host": "far-away"}, "elsewhere"),
    ({"host": "far-away", "boot": "another"}, "elsewhere"),
    ({"boot": "another"}, "dead"),
    ({"boot": "another", "pid_namespace": "pid:[1]"}, "dead"),
    ({"boot": ""}, "elsewhere"),
    ({"pid_namespace": "pid:[1]"}, "elsewhere"),
    ({"start": "1"}, "dead"),
    ({"start": "1", "time_namespace": "time:[1]"}, "elsewhere"),
    ({"time_namespace": "time:[1]"}, "alive"),
    ({"start": ""}, "alive"),
    ({"pid": 2**22 + 1}, "dead"),
    ({"pid": 2**22 + 1, "time_namespace": "time:[1]"}, "dead"),
    ({"pid": 0}, "elsewhere"),
]
"""The differences to this process, and what is known of its life then."""


@needs_proc
@pytest.mark.parametrize(("change", "fate"), FATES)
def test_what_is_known_of_a_holder(mine: Owner, change: dict[str, Any], fate: str) -> None:
    owner = replace(mine, **change)
    assert (owner.elsewhere, owner.dead) == (fate == "elsewhere", fate == "dead")


@needs_proc
def test_a_zombie_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = Owner.of(process.pid)
        assert not owner.dead
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.dead


@needs_proc
def test_a_holder_in_words(mine: Owner) -> None:
    here = f"process {os.getpid()} on host {socket.gethostname()}"
    assert str(mine) == here
    assert str(replace(mine, pid_namespace="pid:[1]")) == f"{here}, in another container"
    assert str(replace(mine, start="1", time_namespace="time:[1]")) == f"{here}, in another time namespace"
    assert str(replace(mine, host="far\x1b[31maway")).isprintable()
