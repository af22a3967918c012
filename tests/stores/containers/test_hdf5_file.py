"""An HDF5 file as a store: changed anywhere, it is read as before or refused, and opening it reads no row."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from stores.support.checksums import add_checksum

from dgkd_stores import Damaged, DgkdError, GuideStore, Mismatch, UnsafeStore, convert, read_header
from dgkd_stores.containers.hdf5_blocks import checksum
from dgkd_stores.containers.hdf5_file import Hdf5File


@pytest.fixture
def path(recipe: Any, small_chunks: None, tmp_path: Path) -> Path:
    recipe(views=2, samples=20).write(tmp_path / "a.zarr")
    convert(tmp_path / "a.zarr", tmp_path / "a.h5")
    return tmp_path / "a.h5"


def rows_of(path: Path) -> bytes:
    """All rows and all that identifies them."""
    with GuideStore.open(path) as store:
        rows = store.gather(np.repeat(np.arange(2), 20), np.tile(np.arange(20), 2))
        return rows.tobytes() + store.header.canonical + store.label_N.tobytes() + store.probe.tobytes()


def test_a_link_to_the_file_is_refused(path: Path) -> None:
    path.with_name("link.h5").symlink_to(path)
    for way_in in (GuideStore.open, read_header):
        with pytest.raises(UnsafeStore, match="found a link"):
            way_in(path.with_name("link.h5"))


def test_a_library_may_change_nothing_that_matters(path: Path) -> None:
    """Opened for writing by the library and closed: other bytes may be, the store is not another one."""
    before = rows_of(path)
    with h5py.File(path, "r+", libver=("v110", "v110")):
        pass
    assert rows_of(path) == before


def test_any_flipped_bit_is_refused_or_changes_nothing(path: Path) -> None:
    data, expected, refused = path.read_bytes(), rows_of(path), 0
    checked = range(0, len(data), 13)
    for at in checked:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            assert rows_of(path) == expected, at
        except (Damaged, UnsafeStore):
            refused += 1
        except Mismatch:  # a later version of the format is refused by its number, before the seal
            assert data[:at].endswith(b'"version":')
            refused += 1
    # What changes nothing is padding between pieces, and between samples and the end of a last chunk.
    assert refused > 0.8 * len(checked)


def test_metadata_changed_under_valid_checksums(path: Path) -> None:
    """HDF5's own library crashes on some of these."""
    data, expected = path.read_bytes(), rows_of(path)
    blocks = [(0, 44)]
    for signature in (b"OHDR", b"FAHD", b"FADB", b"FRHP", b"BTHD", b"BTLF"):
        starts = [at for at in range(len(data)) if data.startswith(signature, at)]
        blocks += [next((at, end) for end in range(at + 8, len(data)) if fits(data, at, end)) for at in starts]
    assert len(blocks) == 1 + 13 + 2 * 2 + 3
    outcomes = []
    for seed in range(600):
        chance = random.Random(seed)
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 2, 4])):
            start, end = chance.choice(blocks)
            at = chance.randrange(start, end)
            width = chance.choice([1, 1, 2, 8])
            number = chance.choice(
                [0, 1, 2**63, 2**64 - 1, len(data), chance.randrange(2**16), chance.choice(blocks)[0]]
            )
            changed[at : min(at + width, end)] = number.to_bytes(8, "little")[: min(width, end - at)]
            changed[start : end + 4] = add_checksum(bytes(changed[start:end]))
        path.write_bytes(changed)
        try:
            assert rows_of(path) == expected, seed
            outcomes.append("same")
        except DgkdError as error:
            assert error.exit_code in (12, 15), (seed, error)
            outcomes.append(type(error).__name__)
    assert {"same", "UnsafeStore", "Damaged"} == set(outcomes)


def fits(data: bytes, start: int, end: int) -> bool:
    return int.from_bytes(data[end : end + 4], "little") == checksum(data[start:end])


def test_how_much_is_read_of_a_large_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only metadata, header and seal: no row."""
    count = []
    really = os.pread

    def pread(handle: int, size: int, at: int) -> bytes:
        count.append(size)
        return really(handle, size, at)

    monkeypatch.setattr(os, "pread", pread)
    held = Hdf5File.inspect(path)
    rows = sum(held.places["logits"].reshape(-1, 2)[:, 1].tolist())
    assert rows == 2 * 2 * 16 * 28 and sum(count) < path.stat().st_size - rows + 4000
