"""The look at a store before any of it is decoded: only what our own writer could have made goes through.

Raw JSON is read with caps on size and depth and compared with the layout that the header implies; every name
in the store is accounted for, and no link is followed. `UnsafeStore` for anything else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .canonical import JsonValue
from .errors import DamagedStore, StoreNotFound
from .header import StoreHeader
from .layout import ArrayLayout, StoreLayout
from .metadata import read_metadata, same_json, unsafe

__all__ = ["MAX_CHUNKS", "MAX_OTHER_BYTES", "Inspection", "dump_again", "inspect"]

MAX_CHUNKS = 2**24
"""Of one array."""

MAX_OTHER_BYTES = 4 * 2**30
"""Of all arrays outside the records together: these are read into memory."""

_HEX64 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"c(?:\.(?:0|[1-9][0-9]{0,9}))+")
# What other Zarr libraries may say, or leave out, without a change of meaning.
_OPTIONAL: Mapping[str, JsonValue] = {"storage_transformers": [], "attributes": {}}
_ENDIAN_OF_BYTES = [{"name": "bytes", "configuration": {"endian": "little"}}]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What lies in a store's folder, by name and size; nothing of it is decoded yet but the header."""

    header: StoreHeader
    seal: str | None
    layout: StoreLayout
    nbytes: int
    """Of every file together."""
    present: Mapping[str, NDArray[np.bool_]]
    """For each array, over its grid of chunks: the file is there in its exact size."""
    wrong_size: tuple[str, ...]
    """Chunk files of another size, relative to the store."""


def inspect(path: Path) -> Inspection:
    """Look a store over.

    `StoreNotFound` where there is none, `UnsafeStore` for whatever our writer does not make, `Mismatch` for a
    newer version of the format, `DamagedStore` for a missing zarr.json.
    """
    if not path.is_dir():
        raise StoreNotFound(
            f"no guide store at {path}",
            expected="a folder",
            found="a file" if path.exists() else "nothing",
            do="check the path; `dgkd-cache ls` lists the stores of a workspace, `dgkd-cache dump` makes one",
        )
    if not os.path.lexists(path / "zarr.json"):
        raise StoreNotFound(
            f"no guide store at {path}",
            expected="a zarr.json",
            found="a folder without one",
            do=f"remove {path} and dump the guide again, or give another path",
        )
    group = read_metadata(path / "zarr.json")
    header, seal = _header(path, group)
    names = {entry.name for entry in _entries(path)}
    layout = StoreLayout(header, chunk_rows=_chunk_rows(path, header))
    others = sum(array.nbytes for array in layout.others.values())
    if others > MAX_OTHER_BYTES:
        raise unsafe(path, "arrays beside the rows", f"at most {MAX_OTHER_BYTES} bytes", f"{others}")
    for odd in sorted(names - {"zarr.json", *layout.arrays}):
        raise unsafe(path, "a name that is none of a guide store's", ", ".join(layout.arrays), odd)
    nbytes = os.stat(path / "zarr.json", follow_symlinks=False).st_size
    present, wrong_size = {}, []
    for name, array in layout.arrays.items():
        _check_array(path / name, array, header)
        there, odd_sizes, size = _chunk_files(path / name, array)
        present[name], nbytes = there, nbytes + size
        wrong_size += odd_sizes
    return Inspection(
        header=header, seal=seal, layout=layout, nbytes=nbytes, present=present, wrong_size=tuple(wrong_size)
    )


def dump_again(path: Path, header: StoreHeader) -> str:
    """What to do about a damaged store, as a sentence."""
    return f"remove {path} and make it again, in its workspace, with `dgkd-cache dump --model {header.guide.name}`"


def _header(path: Path, group: Mapping[str, JsonValue]) -> tuple[StoreHeader, str | None]:
    attributes = group.get("attributes")
    if set(group) != {"zarr_format", "node_type", "attributes"} or group["node_type"] != "group":
        raise unsafe(path, "no plain Zarr group", "zarr_format, node_type group, attributes", ", ".join(group))
    if not isinstance(attributes, Mapping) or not {"dgkd"} <= set(attributes) <= {"dgkd", "dgkd_seal"}:
        found = ", ".join(attributes) if isinstance(attributes, Mapping) else repr(attributes)
        raise unsafe(path, "other attributes", "dgkd and, once finished, dgkd_seal", found)
    seal = attributes.get("dgkd_seal")
    if seal is not None and not (isinstance(seal, str) and _HEX64.fullmatch(seal)):
        raise unsafe(path, "no seal", "64 lower-case hexadecimal digits", repr(seal))
    return StoreHeader.from_dict(attributes["dgkd"]), seal


def _chunk_rows(path: Path, header: StoreHeader) -> int:
    """The one freedom that a container has: rows in a chunk, all of a view or whole digests."""
    grid = _array_metadata(path / "logits", header).get("chunk_grid")
    shape: object = None
    if isinstance(grid, Mapping) and isinstance(configuration := grid.get("configuration"), Mapping):
        shape = configuration.get("chunk_shape")
    rows = shape[1] if isinstance(shape, list) and len(shape) == 3 and isinstance(shape[1], int) else 0
    samples = header.dataset.samples
    if not 0 < rows <= samples or (rows != samples and rows % header.digest_rows):
        expected = f"{samples} rows in a chunk, or fewer in multiples of {header.digest_rows}"
        raise unsafe(path / "logits", "other chunks", expected, repr(shape))
    if (chunks := header.views * -(-samples // rows)) > MAX_CHUNKS:
        raise unsafe(path / "logits", "too many chunks", f"at most {MAX_CHUNKS}", f"{chunks}")
    return int(rows)


def _array_metadata(folder: Path, header: StoreHeader) -> Mapping[str, JsonValue]:
    if not os.path.lexists(folder / "zarr.json"):
        raise DamagedStore(
            f"{folder.parent} has lost an array",
            expected=f"{folder.name}/zarr.json",
            found="no such file",
            do=dump_again(folder.parent, header),
        )
    return read_metadata(folder / "zarr.json")


def _check_array(folder: Path, array: ArrayLayout, header: StoreHeader) -> None:
    metadata = _array_metadata(folder, header)
    found = {key: value for key, value in metadata.items() if value != _OPTIONAL.get(key, ...)}
    wanted = {key: value for key, value in array.metadata().items() if key not in _OPTIONAL}
    if array.numpy_dtype.itemsize == 1 and found.get("codecs") == _ENDIAN_OF_BYTES:
        found["codecs"] = wanted["codecs"]
    for key in sorted({*found, *wanted}):
        if key not in found or key not in wanted or not same_json(found[key], wanted[key]):
            expected = json.dumps(wanted[key]) if key in wanted else "no such key"
            raise unsafe(folder, key, expected, json.dumps(found[key]) if key in found else "nothing")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Plain files and folders; anything else is refused by the way."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            raise unsafe(folder, "neither a plain file nor a folder", "no link, pipe or device", entry.name)
    return found


def _chunk_files(folder: Path, array: ArrayLayout) -> tuple[NDArray[np.bool_], list[str], int]:
    there = np.zeros(array.grid, dtype=np.bool_)
    wrong_size, nbytes = [], 0
    for entry in _entries(folder):
        size = entry.stat(follow_symlinks=False).st_size
        nbytes += size
        if entry.name == "zarr.json" and entry.is_file(follow_symlinks=False):
            continue
        position = tuple(map(int, entry.name.split(".")[1:])) if _KEY.fullmatch(entry.name) else ()
        inside = len(position) == there.ndim and all(at < size for at, size in zip(position, there.shape, strict=True))
        if not inside or not entry.is_file(follow_symlinks=False):
            raise unsafe(folder, "a name that is no chunk's", f"c.0.0 ... within {there.shape}", entry.name)
        there[position] = size == array.chunk_bytes
        if size != array.chunk_bytes:
            wrong_size.append(f"{folder.name}/{entry.name}")
    return there, wrong_size, nbytes
