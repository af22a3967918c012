"""A safetensors file, read without torch and without following a link.

The header is checked against the size of the file before any tensor is read, so a file with a false size takes no
memory. The file is read once, while it is open: exactly the bytes that were hashed are used. The format:
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import Damaged
from dgkd_cache.run_files.reading import damaged_file, parse_object
from dgkd_stores.disk import fill, plain_file

__all__ = ["Entry", "TensorFile", "broken_file", "is_size", "open_tensors", "tensor_record"]

MAX_HEADER_BYTES = 16 * 2**20
"""Enough for some 100,000 tensors."""

MAX_DIMENSIONS = 64

DTYPES = {
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
    "U16": ("uint16", 2),
    "I16": ("int16", 2),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "U32": ("uint32", 4),
    "I32": ("int32", 4),
    "F32": ("float32", 4),
    "U64": ("uint64", 8),
    "I64": ("int64", 8),
    "F64": ("float64", 8),
    "C64": ("complex64", 8),
}
"""The format's type names, each with torch's name and the bytes of an element."""

_PIECE = 2**20  # bytes that are hashed at a time


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tensor's entry in the header: torch's name of its type, its shape, and where its bytes begin and end."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class TensorFile:
    """An open safetensors file with a checked header."""

    def __init__(self, path: Path, handle: int, entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> None:
        self.path = path
        self.entries = entries
        self.metadata = metadata
        self._handle = handle
        self._data: NDArray[np.uint8] | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        return {name: entry.shape for name, entry in self.entries.items()}

    def read(self, name: str) -> NDArray[np.uint8]:
        """Returns a tensor's bytes, writable. The first call reads the file. Raises Damaged if it is truncated."""
        if self._data is None:
            stop = max((entry.stop for entry in self.entries.values()), default=0)
            start = min((entry.start for entry in self.entries.values()), default=0)
            self._start, self._data = start, self._bytes(start, stop)
        entry = self.entries[name]
        return self._data[entry.start - self._start : entry.stop - self._start]

    def digest(self) -> str:
        """Returns `dgkd_cache.models.tensors_digest` of the file; a file that was not read yet is hashed in pieces."""
        total = hashlib.sha256()
        for name in sorted(self.entries):
            entry = self.entries[name]
            total.update(tensor_record(name, entry.dtype, entry.shape))
            if self._data is not None:
                total.update(self.read(name).data)
                continue
            for start in range(entry.start, entry.stop, _PIECE):
                total.update(self._bytes(start, min(start + _PIECE, entry.stop)).data)
        return total.hexdigest()

    def _bytes(self, start: int, stop: int) -> NDArray[np.uint8]:
        into = np.empty(stop - start, dtype=np.uint8)
        done = fill(self._handle, into, start)
        if done < into.size:
            raise damaged_file(self.path, f"{stop} bytes", f"a file of {start + done} bytes")
        return into


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Opens the file for the `with` block.

    Raises FileNotFoundError if there is none, UnsafeStore (15) for a link, a pipe, a device or a folder in its place,
    and Damaged (12) if it is not a complete safetensors file.
    """
    with plain_file(path) as (handle, size):
        head = os.pread(handle, 8, 0)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise broken_file(path, f"{size} bytes that begin with {head.hex() or 'nothing'}")
        value = parse_object(os.pread(handle, length, 8), path)
        metadata = value.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise broken_file(path, "metadata that is no table of texts")
        entries = {name: _entry(path, name, about, 8 + length) for name, about in value.items()}
        end = 8 + length
        for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.stop)):
            if entry.start != end:
                raise broken_file(path, f"a tensor at byte {entry.start} where byte {end} is next")
            end = entry.stop
        if end != size:
            raise broken_file(path, f"{size} bytes where the header tells of {end}")
        yield TensorFile(path, handle, entries, metadata)


def tensor_record(name: str, dtype: str, shape: Sequence[int]) -> bytes:
    """Returns what comes before a tensor's elements in the digest of a file: its name, type and sizes."""
    sizes = b"".join(size.to_bytes(8, "little") for size in (len(shape), *shape))
    return name.encode() + b"\0" + dtype.encode() + b"\0" + sizes


def _entry(path: Path, name: str, about: Any, base: int) -> Entry:
    if not isinstance(about, dict) or set(about) != {"dtype", "shape", "data_offsets"}:
        raise broken_file(path, f"a header that does not describe {name[:80]!r}")
    shape, offsets = about["shape"], about["data_offsets"]
    sound = all(isinstance(one, list) and all(map(is_size, one)) for one in (shape, offsets))
    if not sound or about["dtype"] not in list(DTYPES) or len(shape) > MAX_DIMENSIONS or len(offsets) != 2:
        raise broken_file(path, f"a header that does not describe {name[:80]!r}")
    dtype, itemsize = DTYPES[about["dtype"]]
    start, stop = offsets
    if stop - start != math.prod(shape) * itemsize:
        raise broken_file(path, f"{stop - start} bytes for {name[:80]!r} of {math.prod(shape)} elements")
    return Entry(dtype=dtype, shape=tuple(shape), start=base + start, stop=base + stop)


def is_size(value: Any) -> bool:
    """Returns True for an integer that a size or an offset may be."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def broken_file(path: Path, found: str) -> Damaged:
    """Returns the error for a file that this program did not write, or not to its end."""
    return damaged_file(path, "a whole safetensors file of this program", found)
