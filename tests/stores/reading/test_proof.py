"""The proof of a block: rows that fit their digest and are numbers, and no others; a refusal names view and samples."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import Damaged, GuideStore
from dgkd_stores.containers import Container
from dgkd_stores.reading.proof import LOST, BlockProof

ROWS = [range(0, 8), range(8, 16), range(16, 24), range(24, 32), range(32, 40), range(40, 48), range(48, 50)]


@pytest.fixture
def held(recipe: Any, tmp_path: Path) -> Container:
    recipe(first_view=4).write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        return store.container


def digests_of(rows_VNC: np.ndarray) -> np.ndarray:
    """Digests [V, blocks, 32] by hashlib."""
    found = [[hashlib.sha256(rows_NC[list(rows)].tobytes()).digest() for rows in ROWS] for rows_NC in rows_VNC]
    return np.frombuffer(b"".join(sum(found, [])), np.uint8).reshape(len(rows_VNC), len(ROWS), 32)


def test_blocks_are_so_many_rows_and_the_last_what_is_left(held: Container) -> None:
    proof = BlockProof(held, held.digests())
    assert [proof.rows(block) for block in range(7)] == ROWS
    for view, block, where in ((0, 1, "view 4, samples 8 to 15"), (2, 6, "view 6, samples 48 to 49")):
        assert f": {where}: damaged: expected a, found b; " in str(proof.damaged(view, block, "a", "b"))


def test_rows_that_fit_and_rows_that_do_not(held: Container, recipe: Any) -> None:
    rows_VNC = np.stack([recipe().logits(view) for view in range(3)])
    proof = BlockProof(held, digests_of(rows_VNC))
    for view in range(3):
        for block, rows in enumerate(ROWS):
            proof.check(view, block, {"logits": rows_VNC[view, list(rows)]})
    changed = rows_VNC[1, 8:16].copy()
    changed[3, 2] = np.nextafter(changed[3, 2], np.float32(9))
    digest = hashlib.sha256(changed.tobytes()).hexdigest()
    for block, rows, found in ((1, changed, digest), (2, rows_VNC[1, 8:16], ""), (1, rows_VNC[1, 8:15], "")):
        with pytest.raises(Damaged, match=rf"view 5, samples {8 * block} to .*: damaged: expected SHA-256 .*{found}"):
            proof.check(1, block, {"logits": rows})


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_no_number_under_a_digest_that_fits(held: Container, recipe: Any, number: float) -> None:
    rows_VNC = np.stack([recipe().logits(view) for view in range(3)])
    rows_VNC[2, 49, 6] = number
    proof = BlockProof(held, digests_of(rows_VNC))
    with pytest.raises(Damaged, match="view 6, samples 48 to 49: damaged: expected finite numbers") as caught:
        proof.check(2, 6, {"logits": rows_VNC[2, 48:]})
    assert caught.value.do == LOST, "no repair mends what was sealed"
