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

from .canonical import JsonValue, canonical_json
from .errors import DamagedStore, DgkdError, InvalidInput, StoreNotFound, UnsafeStore
from .files import read_small
from .header import StoreHeader
from .layout import ArrayLayout, StoreLayout
from .text import clean

__all__ = [
    "MAX_CHUNKS",
    "MAX_JSON_DEPTH",
    "MAX_METADATA_BYTES",
    "MAX_OTHER_BYTES",
    "Inspection",
    "inspect",
    "parse_json",
]

MAX_METADATA_BYTES = 16 * 2**20
"""Of one zarr.json; the header of a million classes still fits."""

MAX_JSON_DEPTH = 32

MAX_CHUNKS = 2**24
"""Of one array."""

MAX_OTHER_BYTES = 4 * 2**30
"""Of all arrays outside the records together: these are read into memory."""

_HEX64 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"c(?:\.(?:0|[1-9][0-9]{0,9}))+")
_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_OPTIONAL: Mapping[str, JsonValue] = {"storage_transformers": [], "attributes": {}}


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
        raise StoreNotFound(f"no guide store at {path}", expected="a zarr.json", found="a folder without one")
    group = _metadata(path / "zarr.json")
    header, seal = _header(path, group)
    names = {entry.name for entry in _entries(path)}
    layout = StoreLayout(header, chunk_rows=_chunk_rows(path, header))
    others = sum(array.nbytes for array in layout.others.values())
    if others > MAX_OTHER_BYTES:
        raise _unsafe(path, "arrays beside the rows", f"at most {MAX_OTHER_BYTES} bytes", f"{others}")
    for odd in sorted(names - {"zarr.json", *layout.arrays}):
        raise _unsafe(path, "a name that is none of a guide store's", ", ".join(layout.arrays), odd)
    nbytes = _size(path / "zarr.json")
    present, wrong_size = {}, []
    for name, array in layout.arrays.items():
        if name not in names:
            raise DamagedStore(f"{path} has lost an array", expected=f"a folder {name}", found="none")
        _check_array(path / name, array)
        there, odd_sizes, size = _chunk_files(path / name, array)
        present[name], nbytes = there, nbytes + size
        wrong_size += odd_sizes
    return Inspection(
        header=header, seal=seal, layout=layout, nbytes=nbytes, present=present, wrong_size=tuple(wrong_size)
    )


def parse_json(data: bytes, path: Path) -> JsonValue:
    """JSON of bounded depth without NaN, infinity or a key given twice; `UnsafeStore` for anything else."""
    depth = deepest = 0
    for token in _JSON_TOKEN.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    if deepest > MAX_JSON_DEPTH:
        raise _unsafe(path, "JSON nested too deep", f"at most {MAX_JSON_DEPTH} levels", f"{deepest}")
    try:
        value: JsonValue = json.loads(
            data.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except ValueError as error:
        raise _unsafe(path, "no proper JSON", "JSON as RFC 8259 has it", str(error)) from error
    return value


def _unsafe(path: Path, problem: str, expected: str, found: str) -> DgkdError:
    return UnsafeStore(
        f"{clean(str(path))}: {problem}",
        expected=expected,
        found=clean(found),
        do="do not use this store; if you put it there yourself, take out what does not belong",
    )


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key given twice")
    return value


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"the number {name}")


def _metadata(path: Path) -> Mapping[str, JsonValue]:
    value = parse_json(read_small(path, limit=MAX_METADATA_BYTES), path)
    if not isinstance(value, Mapping):
        raise _unsafe(path, "no metadata", "a JSON object", type(value).__name__)
    if value.get("zarr_format") != 3:
        raise _unsafe(path, "another Zarr format", "zarr_format 3", repr(value.get("zarr_format")))
    return value


def _header(path: Path, group: Mapping[str, JsonValue]) -> tuple[StoreHeader, str | None]:
    attributes = group.get("attributes")
    if set(group) != {"zarr_format", "node_type", "attributes"} or group["node_type"] != "group":
        raise _unsafe(
            path, "no plain Zarr group", "zarr_format, node_type group, attributes", ", ".join(group)
        )
    if not isinstance(attributes, Mapping) or not {"dgkd"} <= set(attributes) <= {"dgkd", "dgkd_seal"}:
        found = ", ".join(attributes) if isinstance(attributes, Mapping) else repr(attributes)
        raise _unsafe(path, "other attributes", "dgkd and, once finished, dgkd_seal", found)
    seal = attributes.get("dgkd_seal")
    if seal is not None and not (isinstance(seal, str) and _HEX64.fullmatch(seal)):
        raise _unsafe(path, "no seal", "64 lower-case hexadecimal digits", repr(seal))
    return StoreHeader.from_dict(attributes["dgkd"]), seal


def _chunk_rows(path: Path, header: StoreHeader) -> int:
    """The one freedom that a container has: rows in a chunk, all of a view or whole digests."""
    grid = (
        _metadata(path / "logits" / "zarr.json").get("chunk_grid")
        if os.path.lexists(path / "logits" / "zarr.json")
        else None
    )
    if grid is None:
        raise DamagedStore(
            f"{path} has lost an array", expected="a folder logits with a zarr.json", found="none"
        )
    shape: object = None
    if isinstance(grid, Mapping) and isinstance(configuration := grid.get("configuration"), Mapping):
        shape = configuration.get("chunk_shape")
    rows = shape[1] if isinstance(shape, list) and len(shape) == 3 else None
    samples = header.dataset.samples
    if (
        not isinstance(rows, int)
        or not 0 < rows <= samples
        or (rows != samples and rows % header.digest_rows)
    ):
        expected = f"{samples} rows in a chunk, or fewer in multiples of {header.digest_rows}"
        raise _unsafe(path / "logits", "other chunks", expected, repr(shape))
    if (chunks := header.views * -(-samples // rows)) > MAX_CHUNKS:
        raise _unsafe(path / "logits", "too many chunks", f"at most {MAX_CHUNKS}", f"{chunks}")
    return rows


def _check_array(folder: Path, array: ArrayLayout) -> None:
    if not os.path.lexists(folder / "zarr.json"):
        raise DamagedStore(f"{folder} has lost its zarr.json", expected="the file", found="none")
    found = {
        key: value
        for key, value in _metadata(folder / "zarr.json").items()
        if value != _OPTIONAL.get(key, ...)
    }
    wanted = {key: value for key, value in array.metadata().items() if key not in _OPTIONAL}
    if array.numpy_dtype.itemsize == 1 and found.get("codecs") == [
        {"name": "bytes", "configuration": {"endian": "little"}}
    ]:
        found["codecs"] = wanted["codecs"]
    for key in sorted({*found, *wanted}):
        if not _same(found.get(key, ...), wanted.get(key, ...)):
            expected = json.dumps(wanted[key]) if key in wanted else "no such key"
            raise _unsafe(folder, key, expected, json.dumps(found[key]) if key in found else "nothing")


def _same(found: object, wanted: object) -> bool:
    # By canonical bytes: in Python 1 == True == 1.0, in a shape they are not the same.
    if found is ... or wanted is ...:
        return False
    try:
        return canonical_json(found) == canonical_json(wanted)  # type: ignore[arg-type]
    except InvalidInput:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Plain files and folders; anything else is refused by the way."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            raise _unsafe(folder, "neither a plain file nor a folder", "no link, pipe or device", entry.name)
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
        inside = len(position) == there.ndim and all(
            at < size for at, size in zip(position, there.shape, strict=True)
        )
        if not inside or not entry.is_file(follow_symlinks=False):
            raise _unsafe(folder, "a name that is no chunk's", f"c.0.0 ... within {there.shape}", entry.name)
        there[position] = size == array.chunk_bytes
        if size != array.chunk_bytes:
            wrong_size.append(f"{folder.name}/{entry.name}")
    return there, wrong_size, nbytes


def _size(path: Path) -> int:
    return os.stat(path, follow_symlinks=False).st_size
