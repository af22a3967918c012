"""The order of runs and stores, written out."""

from __future__ import annotations

from dgkd_cache.workspace.store_names import by_draw, chain_first


def test_draws_are_in_the_order_of_their_numbers() -> None:
    wanted = ["ta1", "ta1.d0", "ta1.d2", "ta1.d2-0-5", "ta1.d10", "ta1.d10-3-4", "ta2", "teacher.d1"]
    assert sorted(reversed(wanted), key=by_draw) == wanted


def test_the_chain_comes_first() -> None:
    names = ["z", "ta1.d10", "student", "ta1", "ta1.d2", "ta1", "teacher"]
    assert chain_first(iter(names), ("teacher", "ta1", "ta2", "student")) == (
        *("teacher", "ta1", "student"),
        *("ta1.d2", "ta1.d10", "z"),
    )
