"""Freed memory is kept for the next step, by the kernel's own count of new pages, and never over a user's word."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from dgkd_cache.device.allocator import VARIABLES, describe_freed_memory, keep_freed_memory

GLIBC = platform.libc_ver()[0] == "glibc"

# Frees and takes blocks as a step does, and prints the new pages of a round after the first ones (getrusage(2)).
_STEPS = """
import ctypes, os, resource, sys
{before}
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes, c.memset.argtypes = (
    ctypes.c_void_p, [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t])
SIZE, COUNT = 8 * 2**20, 8

def step():
    blocks = [c.malloc(SIZE) for _ in range(COUNT)]
    for block in blocks:
        c.memset(block, 1, SIZE)
    for block in blocks:
        c.free(block)

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(pages * resource.getpagesize() / (SIZE * COUNT))
"""
_SET = "from dgkd_cache.device.allocator import keep_freed_memory\nkeep_freed_memory(os.environ)"


def _new_share(before: str, said: dict[str, str]) -> float:
    """Returns the share of a step's memory that came as new pages, in a fresh process."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    words = [sys.executable, "-c", _STEPS.format(before=before)]
    done = subprocess.run(words, env={**bare, **said}, capture_output=True, text=True)
    return float(done.stdout or done.stderr)


@pytest.mark.skipif(not GLIBC, reason="the C library here is not glibc: nothing is set")
def test_a_step_gets_the_memory_of_the_step_before() -> None:
    assert _new_share("", {}) > 0.5, "glibc as it comes returns the blocks"
    assert _new_share(_SET, {}) < 0.05, "set by the call"
    assert _new_share("", dict(VARIABLES)) < 0.05, "inherited by a process that is started later"
    assert _new_share(_SET, {"MALLOC_TRIM_THRESHOLD_": "131072"}) > 0.5, "the user's word stands"


@pytest.mark.skipif(not GLIBC, reason="the C library here is not glibc: nothing is set")
def test_the_environment_of_later_processes() -> None:
    environment = {"PATH": "/"}
    keep_freed_memory(environment)
    assert environment == {"PATH": "/", **VARIABLES}


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES"])
def test_a_variable_of_the_user_is_left_alone(name: str) -> None:
    environment = {name: "1"}
    keep_freed_memory(environment)
    assert environment == {name: "1"}


def test_what_is_shown() -> None:
    assert describe_freed_memory({"MALLOC_TOP_PAD_": "7", "PATH": "/"}) == "MALLOC_TOP_PAD_=7"
    assert describe_freed_memory({}) == "the C library's own choice"
