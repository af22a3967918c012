"""Digests and seal against hashlib and struct: the bytes that stores/FORMAT.md says are hashed, and no others."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from dgkd_stores.coding import digests
from dgkd_stores.coding.digests import (
    array_digest,
    block_digest,
    block_digests,
    compute_seal,
    differing_blocks,
    records,
    seal_of,
)

LEVELS = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15]]
SCALES = [[0.5, -1.0], [2.0, 0.0], [1e-3, 3.0], [4.0, 5.0], [-6.0, 7.0]]
RECORDS = [struct.pack("<3B2f", *level, *scale) for level, scale in zip(LEVELS, SCALES, strict=True)]


@pytest.fixture
def arrays() -> list[np.ndarray]:
    return [np.array(LEVELS, np.uint8), np.array(SCALES, "<f4")]


def test_a_record_is_a_rows_elements_in_the_order_of_the_arrays(arrays: list[np.ndarray]) -> None:
    assert records(arrays).tobytes() == b"".join(RECORDS)
    assert records([np.asfortranarray(arrays[1])]).tobytes() == struct.pack("<10f", *sum(SCALES, []))


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_digests_of_blocks(arrays: list[np.ndarray], rows: int) -> None:
    expected = [hashlib.sha256(b"".join(RECORDS[at : at + rows])).digest() for at in range(0, 5, rows)]
    assert [digest.tobytes() for digest in block_digests(arrays, rows)] == expected
    assert block_digest([array[:rows] for array in arrays]) == expected[0]


def test_the_digest_of_an_array_is_of_its_bytes_in_c_order() -> None:
    values = [[1, 2], [3, -4]]
    expected = hashlib.sha256(struct.pack("<4q", 1, 2, 3, -4)).hexdigest()
    assert array_digest(np.array(values)) == array_digest(np.asfortranarray(values)) == expected


def test_the_seal_by_hand() -> None:
    header = b'{"a":1}'
    arrays = {"label": np.array([2, 0], "<i8"), "digest": np.zeros((1, 1, 32), np.uint8), "é": np.array([], "<f4")}
    contents = {"digest": bytes(32), "label": struct.pack("<2q", 2, 0), "é": b""}
    hashes = {name: hashlib.sha256(content) for name, content in contents.items()}
    whole = header + b"".join(name.encode() + b"\0" + hashes[name].digest() for name in ("digest", "label", "é"))
    seal = compute_seal(header, arrays)
    assert seal.digest == hashlib.sha256(whole).hexdigest()
    assert seal.arrays == {name: found.hexdigest() for name, found in hashes.items()}
    assert seal_of(header, dict(reversed(seal.arrays.items()))) == seal.digest
    assert seal_of(header + b" ", seal.arrays) != seal.digest


@pytest.mark.parametrize("step", [1, 200, 2**22])
def test_differing_blocks_one_by_one(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(digests, "COMPARED_BYTES", step)
    first = np.random.default_rng(0).integers(0, 2, (7, 3, 32), dtype=np.uint8)
    second = first.copy()
    second[2, 1, 31] ^= 1
    second[6, 0, 0] ^= 1
    expected = [[first[v, b].tobytes() != second[v, b].tobytes() for b in range(3)] for v in range(7)]
    assert differing_blocks(first, second).tolist() == expected and sum(map(sum, expected)) == 2
