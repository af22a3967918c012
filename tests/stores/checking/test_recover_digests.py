"""Damaged digests are found again where the rows tell them: every way that is tried, and an end to trying."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dgkd_stores.checking.recover_digests import prove_digests


def test_the_search_for_digests_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, all views but one, one view, one block: no more is tried, however many differ."""
    tried = []
    monkeypatch.setattr(
        "dgkd_stores.checking.recover_digests.array_digest", lambda array: tried.append(array.tobytes()) or ""
    )
    stored, computed = np.zeros((40, 2, 32), np.uint8), np.ones((40, 2, 32), np.uint8)
    assert prove_digests(stored, computed, np.ones((40, 2), np.bool_), "f" * 64) is None
    assert len(tried) == 1 + 40 + 40 + 80 and len(set(tried)) == len(tried) and not stored.any()


VIEWS, BLOCKS = 4, 3


@pytest.mark.parametrize(
    "wrong",
    [
        [(2, 1)],
        [(0, 0), (0, 2)],
        [(view, block) for view in range(VIEWS) for block in range(BLOCKS)],
        [(view, block) for view in (0, 1, 3) for block in range(BLOCKS)],
    ],
    ids=["a block", "a view's blocks", "all", "all views but one"],
)
@pytest.mark.parametrize("damaged_row", [None, (2, 0)])
def test_the_stored_digests_with_some_of_the_rows_own(
    wrong: list[tuple[int, int]], damaged_row: tuple[int, int] | None
) -> None:
    """Rows may be damaged beside digests, in another view or block than those that are replaced."""
    sealed_VB32 = np.random.default_rng(3).integers(1, 256, (VIEWS, BLOCKS, 32), dtype=np.uint8)
    stored_VB32, computed_VB32 = sealed_VB32.copy(), sealed_VB32.copy()
    for place in wrong:
        stored_VB32[place] = 0
    if damaged_row is not None:
        computed_VB32[damaged_row] = 255
    before = stored_VB32.copy()
    found = prove_digests(
        stored_VB32,
        computed_VB32,
        np.ones((VIEWS, BLOCKS), np.bool_),
        hashlib.sha256(sealed_VB32.tobytes()).hexdigest(),
    )
    if damaged_row in wrong:
        assert found is None, "nothing tells what that digest was"
    else:
        assert found is not None and (found == sealed_VB32).all()
    assert (stored_VB32 == before).all()


def test_blocks_that_could_not_be_read_are_left_as_they_are() -> None:
    sealed_VB32 = np.ones((1, 2, 32), np.uint8)
    stored_VB32, computed_VB32 = sealed_VB32.copy(), sealed_VB32.copy()
    stored_VB32[0, 0] = 0
    computed_VB32[0, 1] = 9
    digest = hashlib.sha256(sealed_VB32.tobytes()).hexdigest()
    assert prove_digests(stored_VB32, computed_VB32, np.array([[False, True]]), digest) is None
    assert prove_digests(stored_VB32, computed_VB32, np.array([[True, False]]), digest) is not None
