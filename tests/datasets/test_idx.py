"""The idx format, written here from its description; each damage is refused with the file's name."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.datasets.idx import read_idx
from dgkd_cache.errors import DataUnreadable

PIXELS_NHW = np.random.default_rng(3).integers(0, 256, (7, 28, 28), np.uint8)
CONTENT = b"\0\0\x08\x03" + struct.pack(">3i", 7, 28, 28) + PIXELS_NHW.tobytes()
ZIPPED = gzip.compress(CONTENT)


@pytest.mark.parametrize("content", [CONTENT, ZIPPED], ids=["plain", "zipped"])
def test_the_array_of_a_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images").write_bytes(content)
    assert np.array_equal(read_idx(tmp_path / "images", dimensions=3), PIXELS_NHW)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], r"expected 5488 elements for the sizes \[7, 28, 28\], found 5487"),
        (lambda content: content + b"\0", r"expected 5488 elements .*, found more"),
        (lambda content: b"\0\0\x0d\x03" + content[4:], "3-dimensional bytes, found magic 00000d03"),
        (lambda content: content[:9], "3 sizes after the magic number, found 5 bytes"),
        (lambda content: b"", "found magic "),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], r"at most 4294967296 elements"),
        (lambda content: ZIPPED[:-20], "readable idx file, found EOFError"),
        (lambda content: ZIPPED[:-6] + b"\0\0\0\0\0\0", "readable idx file, found BadGzipFile"),
        (lambda content: ZIPPED[:30] + b"\xff" * 40 + ZIPPED[70:], "readable idx file, found"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(damage(CONTENT))
    with pytest.raises(DataUnreadable, match=message) as caught:
        read_idx(path, dimensions=3)
    assert str(path) in str(caught.value)
