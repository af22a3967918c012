"""Rows of compressed chunks: decoded ahead, proven before they are given out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.waiting import until

from dgkd_stores import Damaged, GuideStore
from dgkd_stores.containers import Container
from dgkd_stores.format.layout import ArrayLayout
from dgkd_stores.reading import decoded as decoding
from dgkd_stores.reading.chunk_cache import DecodedChunks


@pytest.fixture
def compressed(recipe: Any, small_chunks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Path]:
    """A zstd store of 3 views of 4 chunks, the last of two rows, and a cache of its own."""
    monkeypatch.setattr(decoding, "DECODED", DecodedChunks(2**20))
    small = recipe()
    small.write(tmp_path / "a.zarr", codec="zstd")
    return small, tmp_path / "a.zarr"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the chunks decoded, in order."""
    numbers: list[int] = []
    really = Container.chunk

    def chunk(self: Container, array: ArrayLayout, position: tuple[int, ...], **how: Any) -> Any:
        if array.name == "logits":
            numbers.append(position[0] * array.grid[1] + position[1])
        return really(self, array, position, **how)

    monkeypatch.setattr(Container, "chunk", chunk)
    return numbers


def test_a_store_that_is_never_asked_is_never_decoded(compressed: tuple[Any, Path], decoded: list[int]) -> None:
    with GuideStore.open(compressed[1]):
        assert decoded == []


def test_the_same_part_of_the_next_view_is_decoded_ahead(compressed: tuple[Any, Path], decoded: list[int]) -> None:
    small, path = compressed
    with GuideStore.open(path) as store:
        assert (store.gather([0, 0], [17, 18]) == small.logits(0)[[17, 18]]).all()
        until(lambda: decoded == [1, 5])
        assert (store.gather([1], [31]) == small.logits(1)[31]).all()
        until(lambda: decoded == [1, 5, 9])


def test_a_damaged_block_is_refused_and_its_neighbours_are_not(compressed: tuple[Any, Path]) -> None:
    small, path = compressed
    file = path / "logits" / "c.0.0.0"
    rows = small.logits(0)[:16].copy()
    rows[9, 2] += 1
    with GuideStore.open(path) as store:
        file.write_bytes(store.container.layout.rows["logits"].encode(rows))
        for _ in range(2):
            assert (store.gather([0] * 8, np.arange(8)) == small.logits(0)[:8]).all()
            for sample in (8, 9, 15):
                with pytest.raises(Damaged, match="view 0, samples 8 to 15: damaged: expected SHA-256"):
                    store.gather([0], [sample])


def test_a_chunk_that_changed_since_it_was_let_go(compressed: tuple[Any, Path]) -> None:
    small, path = compressed
    with GuideStore.open(path) as store:
        store.gather([0], [0])
        layout = store.container.layout.rows["logits"]
        (path / "logits" / "c.0.0.0").write_bytes(layout.encode(small.logits(1)[:16]))
        assert (store.gather([0], [1]) == small.logits(0)[1]).all()  # As it was proven.
        store.close()
        with pytest.raises(Damaged, match="view 0, samples 0 to 7: damaged"):
            store.gather([0], [1])
        (path / "logits" / "c.0.0.0").unlink()
        store.close()
        with pytest.raises(Damaged, match="expected a chunk of 448 bytes, found no such file"):
            store.gather([0], [1])
