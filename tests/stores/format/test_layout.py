"""Chunk and digest sizes against the rule of the format, dimension names against each other."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from dgkd_stores import default_digest_rows
from dgkd_stores.format.layout import StoreLayout, default_chunk_rows


@pytest.mark.parametrize(
    ("row_bytes", "rows"),
    [(20, 2048), (200, 256), (2000, 32), (65536, 1), (65537, 1), (2**20, 1), (1, 65536)],
)
def test_digest_rows(row_bytes: int, rows: int) -> None:
    assert default_digest_rows(row_bytes) == rows


@pytest.mark.parametrize(
    ("samples", "classes", "batch"), [(50_000, 100, 512), (1_281_167, 1000, 256), (400_000, 100, 500)]
)
def test_chunk_rows(recipe: Any, samples: int, classes: int, batch: int) -> None:
    header = recipe(
        samples=samples, classes=classes, encoding="float16", digest_rows=default_digest_rows(2 * classes)
    ).header
    header = replace(header, compute={"batch": batch})
    rows = default_chunk_rows(header)
    if samples * 2 * classes < 64 * 2**20:
        assert rows == samples
    else:
        assert rows % batch == 0 and rows % header.digest_rows == 0
        step = math.lcm(batch, header.digest_rows)
        assert rows * 2 * classes <= 24 * 2**20 < (rows + step) * 2 * classes


def test_a_dimension_name_has_one_size(recipe: Any) -> None:
    sizes: dict[str, int] = {}
    for probe in ("sha256", "projection"):
        sizes.clear()
        for array in StoreLayout(recipe(probe=probe).header, chunk_rows=50).arrays.values():
            for name, size in zip(array.dimensions, array.shape, strict=True):
                assert sizes.setdefault(name, size) == size
    assert sizes["pair"] == 64 and sizes["probe_value"] == 64 and sizes["block"] == 7
