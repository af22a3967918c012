"""Files of rows and digests as they are replaced: a digest never stands over rows that it was not made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import ChunkSlot, GuideStore, InvalidInput, get_encoding
from dgkd_stores.disk.locks import ViewLock
from dgkd_stores.format.layout import StoreLayout
from dgkd_stores.writing.chunk_files import ChunkFiles

EXACT = get_encoding("float32")


@pytest.fixture
def small(recipe: Any) -> Any:
    return recipe(first_view=2)


@pytest.fixture
def files(small: Any, small_chunks: None, tmp_path: Path) -> Iterator[ChunkFiles]:
    """Writes a store of views 2 to 4, 50 samples in chunks of 16 and blocks of 8."""
    small.write(tmp_path / "a.zarr")
    with ViewLock(tmp_path / "a.zarr", range(2, 5), guide="ta1") as lock:
        yield ChunkFiles(tmp_path / "a.zarr", small.header, StoreLayout(small.header, chunk_rows=16), lock)


@pytest.mark.parametrize(
    ("slot", "place"),
    [((2, 0, 16), (0, 0, slice(0, 2))), ((3, 32, 48), (1, 2, slice(4, 6))), ((4, 48, 50), (2, 3, slice(6, 7)))],
)
def test_places(files: ChunkFiles, slot: tuple[int, int, int], place: tuple[int, int, slice]) -> None:
    assert files.place(ChunkSlot(*slot)) == place


@pytest.mark.parametrize("numbers", [(-1, 0, 16), (0, True, 16), (0, 0, 1.0), ("0", 0, 16)])
def test_what_is_no_slot(numbers: Any) -> None:
    with pytest.raises(InvalidInput, match="ChunkSlot"):
        ChunkSlot(*numbers)


def test_rows_that_do_not_fit_their_slot(files: ChunkFiles, small: Any) -> None:
    slot, rows = ChunkSlot(2, 0, 16), small.logits(2)[:16]
    files.check(slot, rows, condensed=False)
    for bad in (rows[:15], rows[:, :6], rows.astype(np.float64), rows.tolist(), None):
        with pytest.raises(InvalidInput):
            files.check(slot, bad, condensed=False)


def test_digests_are_of_the_stored_rows(files: ChunkFiles, small: Any) -> None:
    rows = small.logits(2)[:16]
    stored, digests = files.encode(EXACT, rows, condensed=False)
    assert list(stored) == ["logits"] and (stored["logits"] == rows).all()
    expected = [hashlib.sha256(rows[start : start + 8].astype("<f4").tobytes()).digest() for start in (0, 8)]
    assert [digest.tobytes() for digest in digests] == expected


def test_digests_are_zeroed_before_their_rows_change(files: ChunkFiles, small: Any, monkeypatch: Any) -> None:
    with GuideStore.open(files.path) as store:
        digest_VB32 = store.container.digests()
    before, on_disk = digest_VB32.copy(), files.path / "digest" / "c.1.0.0"
    seen: list[tuple[str, list[bool]]] = []
    really = files.replace

    def replace(array: Any, position: Any, content: Any) -> None:
        really(array, position, content)
        there_B = np.frombuffer(on_disk.read_bytes(), np.uint8).reshape(-1, 32).any(axis=1)
        seen.append((files.replaced[-1], there_B[:3].tolist()))

    monkeypatch.setattr(files, "replace", replace)
    stored, digests = files.encode(EXACT, small.logits(9)[:16], condensed=False)
    files.write(ChunkSlot(3, 0, 16), stored, digests, digest_VB32)
    assert seen == [
        ("digest/c.1.0.0", [False, False, True]),
        ("logits/c.1.0.0", [False, False, True]),
        ("digest/c.1.0.0", [True, True, True]),
    ]
    assert (files.path / "logits" / "c.1.0.0").read_bytes() == small.logits(9)[:16].tobytes()
    assert (digest_VB32[1, :2] == digests).all() and on_disk.read_bytes() == digest_VB32[1].tobytes()
    before[1, :2] = digests
    assert (digest_VB32 == before).all(), "no other digest changed"


def test_a_last_chunk_is_filled_up(files: ChunkFiles, small: Any) -> None:
    stored, _ = files.encode(EXACT, small.logits(7)[48:], condensed=False)
    files.write_rows(ChunkSlot(4, 48, 50), stored)
    content = np.frombuffer((files.path / "logits" / "c.2.3.0").read_bytes(), "<f4").reshape(16, 7)
    assert (content[:2] == small.logits(7)[48:]).all() and np.isnan(content[2:]).all()
    assert files.replaced == ["logits/c.2.3.0"]
