"""Locks over forks: a child finds one free that a thread of its parent holds much of the time."""

from __future__ import annotations

import os
import threading
import warnings

import pytest

from dgkd_stores.fork_lock import fork_safe_lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def free_in_a_child(lock: threading.Lock) -> bool:
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside threads; that one is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os._exit(0 if lock.acquire(timeout=2) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_child_never_finds_it_taken() -> None:
    lock, done = fork_safe_lock(), threading.Event()

    def work() -> None:
        while not done.is_set():
            with lock:
                done.wait(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            assert free_in_a_child(lock)
    finally:
        done.set()
        thread.join()


def test_the_parent_has_it_free_after_a_fork() -> None:
    lock = fork_safe_lock()
    assert free_in_a_child(lock) and lock.acquire(blocking=False)
    lock.release()
