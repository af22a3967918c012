"""Transfers on threads: one count, the first error ends all, and a stop is seen."""

from __future__ import annotations

import threading

import pytest

from dgkd_stores import Interrupted
from dgkd_stores.sharing.parallel import Tally, in_parallel


def test_every_item_once_on_several_threads(tally: Tally) -> None:
    done, threads = list[int](), set[int]()
    both = threading.Barrier(2, timeout=30)

    def work(number: int) -> None:
        if number < 2:
            both.wait()
        threads.add(threading.get_ident())
        done.append(number)
        tally.advance(number)

    in_parallel(work, range(50), jobs=2, tally=tally)
    assert sorted(done) == list(range(50)) and tally.done == sum(range(50)) and len(threads) == 2


def test_the_first_error_ends_all(tally: Tally) -> None:
    seen = list[int]()

    def work(number: int) -> None:
        seen.append(number)
        if number == 3:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        in_parallel(work, range(10_000), jobs=3, tally=tally)
    assert len(seen) < 1000
    tally.check()


def test_a_stop_is_seen() -> None:
    asked = list[int]()
    tally = Tally(10, lambda done, total: None, lambda: len(asked) > 5)
    with pytest.raises(Interrupted) as stopped:
        in_parallel(asked.append, range(10_000), jobs=2, tally=tally)
    assert stopped.value.exit_code == 130 and len(asked) < 100


def test_reports() -> None:
    reports = list[tuple[int, int]]()
    tally = Tally(5, lambda done, total: reports.append((done, total)), lambda: False)
    for each in (3, -1, 4):
        tally.advance(each)
    assert reports == [(3, 5), (2, 5), (6, 6)]
