"""The rows of one chunk, read in pieces of any size: digests by hashlib, numbers that are none, padding."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import GuideStore, verify
from dgkd_stores.checking.rows import ChunkRows, check_chunk, open_rows

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.mark.parametrize("piece", [1, 60, 1000])
@pytest.mark.parametrize("digest_rows", [1, 8, 64])
def test_pieces_of_any_size_give_the_same(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, digest_rows: int
) -> None:
    monkeypatch.setattr("dgkd_stores.checking.rows.PIECE_BYTES", piece)
    recipe(encoding="uint8", digest_rows=digest_rows).write(tmp_path / "a.zarr")
    assert verify(tmp_path / "a.zarr", full=True).damage == ()


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("piece", [1, 100, 10**6])
def test_a_chunk_against_hashlib(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, piece: int
) -> None:
    """Chunk 1 of a view has rows 16 to 31, chunk 3 rows 48 and 49 and 14 rows of padding."""
    monkeypatch.setattr("dgkd_stores.checking.rows.PIECE_BYTES", piece)
    small = recipe()
    small.write(tmp_path / "a.zarr", codec=codec)
    told: list[int] = []
    with GuideStore.open(tmp_path / "a.zarr") as store:
        for part, blocks in ((1, [(16, 24), (24, 32)]), (3, [(48, 50)])):
            found = check_chunk(store.container, 2, part, advance=told.append)
            expected = [hashlib.sha256(small.logits(2)[start:stop].tobytes()).digest() for start, stop in blocks]
            assert [digest.tobytes() for digest in found.digests] == expected
            assert found.finite.tolist() == [True] * len(blocks) and found.padded == (True,)
    assert sum(told) == (16 + 2) * 7 * 4


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_the_rows_of_an_open_chunk(recipe: Any, tmp_path: Path, codec: str) -> None:
    small = recipe()
    small.write(tmp_path / "a.zarr", codec=codec)
    with GuideStore.open(tmp_path / "a.zarr") as store:
        rows = open_rows(store.container, 2, 1)
        assert isinstance(rows, ChunkRows)
        assert (rows(store.container.layout.rows["logits"], 3, 5) == small.logits(2)[19:21]).all()


@pytest.mark.parametrize("piece", [1, 100, 10**6])
def test_what_is_no_number_and_what_is_no_padding(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr("dgkd_stores.checking.rows.PIECE_BYTES", piece)
    recipe().write(tmp_path / "a.zarr")
    for part, row, number in ((1, 13, np.nan), (3, 1, -np.inf), (3, 5, 1.5)):
        file = tmp_path / "a.zarr" / "logits" / f"c.0.{part}.0"
        rows = np.frombuffer(file.read_bytes(), "<f4").reshape(16, 7).copy()
        rows[row, 3] = number
        file.write_bytes(rows.tobytes())
    with GuideStore.open(tmp_path / "a.zarr") as store:
        checks = [check_chunk(store.container, 0, part, advance=lambda nbytes: None) for part in (0, 1, 3)]
    assert [check.finite.tolist() for check in checks] == [[True, True], [True, False], [False]]
    assert [check.padded for check in checks] == [(True,), (True,), (False,)]


def test_a_file_cut_short_since_it_was_looked_over(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        os.truncate(tmp_path / "a.zarr" / "logits" / "c.0.0.0", 300)
        with pytest.raises(ValueError, match="300"):
            check_chunk(store.container, 0, 0, advance=lambda nbytes: None)
