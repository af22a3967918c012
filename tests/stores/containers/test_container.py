"""Every container under the same tests: Zarr folders with each codec, HDF5 files plain and compressed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from stores.containers.store_tests import StoreTests
from stores.support.checksums import add_checksum

from dgkd_stores import convert
from dgkd_stores.containers.hdf5_blocks import UNDEFINED
from dgkd_stores.format.layout import ArrayLayout


class ZarrTests(StoreTests):
    kind = "zarr"

    def write(self, small: Any, path: Path) -> str:
        return small.write(path, codec=self.codec)

    def lose(self, path: Path, array: ArrayLayout, position: tuple[int, ...]) -> None:
        (path / array.name / array.key(*position)).unlink()

    def cut_short(self, path: Path) -> None:
        chunk = path / "label" / "c.0"
        os.truncate(chunk, chunk.stat().st_size - 1)


class TestZarr(ZarrTests):
    codec = "none"


class TestZarrRead(TestZarr):
    reader = "pread"


class TestZarrZstd(ZarrTests):
    codec = "zstd"


class TestZarrBlosc(ZarrTests):
    codec = "blosc"


FACTORED = {"encoding": "factored", "classes": 16, "width": 14}


class TestZarrFactored(ZarrTests):
    codec = "none"
    how = FACTORED


class TestZarrFactoredRead(TestZarrFactored):
    reader = "pread"


class TestZarrFactoredZstd(TestZarrFactored):
    codec = "zstd"


TOPK = {"encoding": "topk", "classes": 6}


class TestZarrTopk(ZarrTests):
    codec = "none"
    how = TOPK
    logits_bytes = 5 * 2


class TestZarrTopkRead(TestZarrTopk):
    reader = "pread"


class TestZarrTopkBlosc(TestZarrTopk):
    codec = "blosc"


class Hdf5Tests(StoreTests):
    kind = "hdf5"

    def write(self, small: Any, path: Path) -> str:
        folder, file = path.with_name(f"{path.name}-source.zarr"), path.with_name(f"{path.name}.h5")
        small.write(folder)
        seal = convert(folder, file, codec=self.codec).seal
        file.rename(path)
        return seal

    def lose(self, path: Path, array: ArrayLayout, position: tuple[int, ...]) -> None:
        """Write an undefined address into the index, which is a fixed array of one page, under a valid checksum."""
        number = int(np.ravel_multi_index(position, array.grid))
        filtered = array.codec.name != "none"
        data = path.read_bytes()
        count = int(np.prod(array.grid))
        at = next(
            at
            for at in _all(data, b"FAHD")
            if data[at + 5] == filtered and int.from_bytes(data[at + 8 : at + 16], "little") == count
        )
        entry, block = data[at + 6], int.from_bytes(data[at + 16 : at + 24], "little")
        body = bytearray(data[block : block + 14 + count * entry])
        body[14 + number * entry : 14 + number * entry + 8] = UNDEFINED.to_bytes(8, "little")
        path.write_bytes(data[:block] + add_checksum(bytes(body)) + data[block + len(body) + 4 :])

    def cut_short(self, path: Path) -> None:
        os.truncate(path, path.stat().st_size - 1)


class TestHdf5(Hdf5Tests):
    codec = "none"


class TestHdf5Read(TestHdf5):
    reader = "pread"


class TestHdf5Gzip(Hdf5Tests):
    codec = "gzip"


class TestHdf5Factored(TestHdf5Gzip):
    how = FACTORED


class TestHdf5Topk(TestHdf5):
    how = TOPK
    logits_bytes = 5 * 2


class TestHdf5TopkGzip(TestHdf5Gzip):
    how = TOPK
    logits_bytes = 5 * 2


def _all(data: bytes, signature: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(signature, at)]
