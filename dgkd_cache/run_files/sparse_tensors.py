"""Tensors with many zeros in a safetensors file: their other elements, and a bitmap of where these are.

A tensor NAME is then two entries: `NAME:values`, its elements that have any bit set, in C order and in its dtype, and
`NAME:bitmap`, uint8, a bit for each of its elements in C order (element i is bit i mod 8 of byte i div 8, the least
significant one first; unused bits are 0). The metadata's `sparse` is a JSON object of each such name with its sizes.
The tensor is exact to the bit: a negative zero counts as a value. Loads no torch, and never unpickles anything.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.run_files.reading import parse_object
from dgkd_cache.run_files.tensor_file import DTYPES, MAX_DIMENSIONS, TensorFile, broken_file, is_size, tensor_record

__all__ = ["BITMAP", "VALUES", "DenseTensors", "pack_elements", "sparse_metadata"]

_METADATA = "sparse"
VALUES, BITMAP = ":values", ":bitmap"

_ITEMSIZES = dict(DTYPES.values())

_ENTRY_BYTES = 256
"""The most that a second entry and the metadata take in the header: a tensor must save more."""


def pack_elements(elements_NS: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Returns (the elements with a bit set, the bitmap) of N elements of S bytes; None if they are not smaller so."""
    found_N = elements_NS.any(1)
    bitmap = np.packbits(found_N, bitorder="little")
    if int(found_N.sum()) * elements_NS.shape[1] + bitmap.size + _ENTRY_BYTES >= elements_NS.size:
        return None
    return elements_NS[found_N], bitmap


class DenseTensors:
    """The tensors of an open file as the model has them, whatever form each is stored in."""

    def __init__(self, file: TensorFile) -> None:
        """Raises Damaged (exit 12) for sparse tensors without their entries, or with entries of other sizes."""
        self._file = file
        self._sparse = _sparse_shapes(file)
        self.dtypes: dict[str, str] = {}
        """torch's name of each tensor's type."""
        self.shapes: dict[str, tuple[int, ...]] = {}
        """The sizes of each tensor."""
        parts = {name + suffix for name in self._sparse for suffix in (VALUES, BITMAP)}
        for name, entry in file.entries.items():
            if name not in parts:
                self.dtypes[name], self.shapes[name] = entry.dtype, entry.shape
        for name, shape in self._sparse.items():
            self.dtypes[name], self.shapes[name] = file.entries[name + VALUES].dtype, shape

    def read(self, name: str) -> NDArray[np.uint8]:
        """Returns a tensor's bytes, writable. Raises Damaged for a bitmap that does not fit its values."""
        if name not in self._sparse:
            return self._file.read(name)
        count = math.prod(self._sparse[name])
        entry = self._file.entries[name + VALUES]
        bits_N = np.unpackbits(self._file.read(name + BITMAP), bitorder="little")
        if int(bits_N.sum()) != entry.shape[0] or bits_N[count:].any():
            raise broken_file(self._file.path, f"a bitmap of {name[:80]!r} that does not fit its values")
        itemsize = _ITEMSIZES[entry.dtype]
        elements_NS = np.zeros((count, itemsize), np.uint8)
        elements_NS[bits_N[:count].astype(np.bool_)] = self._file.read(name + VALUES).reshape(-1, itemsize)
        return elements_NS.reshape(-1)

    def digest(self) -> str:
        """Returns the SHA-256 of the tensors as the model has them, which is that on its card: see `tensors_digest`."""
        if not self._sparse:
            return self._file.digest()
        total = hashlib.sha256()
        for name in sorted(self.shapes):
            total.update(tensor_record(name, self.dtypes[name], self.shapes[name]))
            total.update(self.read(name).data)
        return total.hexdigest()


def sparse_metadata(shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Returns the metadata of a file whose sparse tensors have these sizes; none without any."""
    return {_METADATA: json.dumps({name: list(shape) for name, shape in shapes.items()})} if shapes else {}


def _sparse_shapes(file: TensorFile) -> dict[str, tuple[int, ...]]:
    """Returns the sizes of each sparse tensor, all of them checked against its two entries."""
    if _METADATA not in file.metadata:
        return {}
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in parse_object(file.metadata[_METADATA].encode(), file.path).items():
        values, bitmap = (file.entries.get(name + suffix) for suffix in (VALUES, BITMAP))
        sound = isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS and all(map(is_size, shape))
        if not sound or values is None or bitmap is None or name in file.entries:
            raise broken_file(file.path, f"no sparse tensor {name[:80]!r}")
        count = math.prod(shape)
        if len(values.shape) != 1 or bitmap.dtype != "uint8" or bitmap.shape != ((count + 7) // 8,):
            raise broken_file(file.path, f"entries of other sizes than those of {name[:80]!r}")
        found[name] = tuple(shape)
    return found
