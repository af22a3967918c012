"""The order of stores, written out."""

from __future__ import annotations

from dgkd_cache.workspace.store_names import by_draw


def test_draws_are_in_the_order_of_their_numbers() -> None:
    wanted = ["ta1", "ta1.d0", "ta1.d2", "ta1.d2-0-5", "ta1.d10", "ta1.d10-3-4", "ta2", "teacher.d1"]
    assert sorted(reversed(wanted), key=by_draw) == wanted
