"""The most that a store may ask of memory: at each limit it is taken, one beyond it is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import UnsafeStore
from dgkd_stores.coding.codecs import get_codec
from dgkd_stores.format.layout import StoreLayout
from dgkd_stores.format.limits import MAX_CHUNKS, MAX_ENCODED_CHUNK_BYTES, MAX_OTHER_BYTES


def layout(
    recipe: Any, *, samples: int, views: int = 1, rows: int, codec: str = "none", classes: int = 3
) -> StoreLayout:
    header = recipe(views=views, classes=classes, tests=1, digest_rows=8).header
    header = replace(header, dataset=replace(header.dataset, samples=samples))
    return StoreLayout(header, chunk_rows=rows, codec=get_codec(codec))


def refused(path: Path, found: StoreLayout, problem: str, most: int) -> int:
    """The number that the refusal says it found."""
    with pytest.raises(UnsafeStore, match=f"{problem}: expected at most {most}, found") as caught:
        found.check_limits(path)
    return int(caught.value.found)


def test_chunks(recipe: Any, tmp_path: Path) -> None:
    samples = 8 * MAX_CHUNKS // 64
    layout(recipe, views=64, samples=samples, rows=8).check_limits(tmp_path)
    assert refused(tmp_path, layout(recipe, views=64, samples=samples + 1, rows=8), "too many chunks", MAX_CHUNKS) == (
        MAX_CHUNKS + 64
    )


def test_arrays_beside_the_rows(recipe: Any, tmp_path: Path) -> None:
    """By stores/FORMAT.md a sample has a label of 8 bytes, a digest of 16 and, of 8 rows, 32 bytes of SHA-256."""
    # A view's digest of 32 bytes, 64 probes of 32; for one test sample 3 classes in float32, a label and a digest.
    fixed = 32 + 64 * 32 + 3 * 4 + 8 + 16
    samples = (MAX_OTHER_BYTES - fixed) // (8 * 24 + 32) * 8
    layout(recipe, samples=samples, rows=samples).check_limits(tmp_path)
    too_many = layout(recipe, samples=samples + 8, rows=samples + 8)
    found = refused(tmp_path, too_many, "arrays beside the rows", MAX_OTHER_BYTES)
    assert found == fixed + (samples + 8) // 8 * (8 * 24 + 32)


def test_compressed_chunks(recipe: Any, tmp_path: Path) -> None:
    """Compressed chunks have a limit, since they lie in memory as a whole; raw chunks are mapped and may be larger."""
    samples = MAX_ENCODED_CHUNK_BYTES // (4 * 1024)
    layout(recipe, samples=samples, rows=samples, classes=1024, codec="zstd").check_limits(tmp_path)
    more = samples + 8
    layout(recipe, samples=more, rows=more, classes=1024).check_limits(tmp_path)
    found = layout(recipe, samples=more, rows=more, classes=1024, codec="zstd")
    assert refused(tmp_path, found, "compressed chunks that are too large", MAX_ENCODED_CHUNK_BYTES) == (
        more * 4 * 1024
    )
