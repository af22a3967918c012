"""The free choices of a container: the rows in a chunk and their codec. Digests and seal do not depend on them.

In a folder `logits/zarr.json` has both. If it is damaged, they are inferred from the chunk files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs import RAW, Codec, codec_names, codec_of, get_codec
from dgkd_stores.containers.container import damaged
from dgkd_stores.disk.files import lies_at, read_file
from dgkd_stores.errors import DgkdError, UnsafeStore
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import ArrayLayout, StoreLayout, default_chunk_rows
from dgkd_stores.format.limits import MAX_ARRAY_METADATA_BYTES, MAX_ENCODED_CHUNK_BYTES
from dgkd_stores.format.metadata import read_metadata, unsafe

__all__ = ["array_metadata", "chunk_position", "rows_in_chunks", "stored_layout"]

_KEY = re.compile(r"c(?:\.(?:0|[1-9][0-9]{0,9}))+")
_TRIED = 4
"""Maximum number of chunk files of an array that are examined if its metadata is unusable."""

_ROW_TYPES = ("uint8", "uint16", "int32", "float16", "float32")


def stored_layout(path: Path, header: StoreHeader, *, damaged: bool) -> StoreLayout:
    """Returns the layout that `logits` states; with `damaged`, one that matches the chunk files best, if any does."""
    if not damaged:
        return _read_layout(path, header, "logits")
    first, *others = _candidates(path, header)
    if _count_fitting(path, first):
        return first
    return max([first, *others], key=lambda layout: _count_fitting(path, layout))


def array_metadata(folder: Path) -> Mapping[str, JsonValue]:
    """Returns the zarr.json of an array; raises Damaged if it is missing."""
    if not lies_at(folder / "zarr.json"):
        store = folder.parent
        raise damaged(store, f"{store} has lost an array", f"{folder.name}/zarr.json", "no such file")
    return read_metadata(folder / "zarr.json", limit=MAX_ARRAY_METADATA_BYTES)


def chunk_position(name: str) -> tuple[int, ...]:
    """Returns the grid position of the chunk file of that name; empty for any other name."""
    return tuple(map(int, name.split(".")[1:])) if _KEY.fullmatch(name) else ()


def rows_in_chunks(array: Path, header: StoreHeader, shape: object) -> int:
    """Returns the rows in chunks of that shape; raises UnsafeStore for an impossible shape."""
    rows = shape[1] if isinstance(shape, list | tuple) and len(shape) == 3 and isinstance(shape[1], int) else 0
    if not _is_possible(rows, header):
        samples = header.dataset.samples
        expected = f"{samples} rows in a chunk, or fewer in multiples of {header.digest_rows}"
        raise unsafe(array, "other chunks", expected, repr(shape))
    return int(rows)


def _read_layout(path: Path, header: StoreHeader, name: str) -> StoreLayout:
    metadata = array_metadata(path / name)
    codec = _row_codec(path / name, metadata)
    rows = rows_in_chunks(path / name, header, _chunk_shape(metadata))
    return StoreLayout(header, chunk_rows=rows, codec=codec)


def _row_codec(folder: Path, metadata: Mapping[str, JsonValue]) -> Codec:
    stages = metadata.get("codecs")
    dtype = str(metadata.get("data_type"))
    itemsize = np.dtype(dtype).itemsize if dtype in _ROW_TYPES else 1
    found = codec_of(list(stages[1:]), itemsize) if isinstance(stages, list) and stages else None
    if found is None:
        raise unsafe(folder, "codecs", f"bytes and one of {', '.join(codec_names())}", json.dumps(stages))
    return found


def _chunk_shape(metadata: Mapping[str, JsonValue]) -> JsonValue:
    grid = metadata.get("chunk_grid")
    configuration = grid.get("configuration") if isinstance(grid, Mapping) else None
    return configuration.get("chunk_shape") if isinstance(configuration, Mapping) else None


def _is_possible(rows: int, header: StoreHeader) -> bool:
    samples = header.dataset.samples
    return 0 < rows <= samples and (rows == samples or rows % header.digest_rows == 0)


def _candidates(path: Path, header: StoreHeader) -> list[StoreLayout]:
    """Lists candidates: the metadata's choices for each row array, those of its files' sizes, and a dump's."""
    default = StoreLayout(header, chunk_rows=default_chunk_rows(header))
    found: list[StoreLayout] = []
    for name, array in default.rows.items():
        try:
            found.append(_read_layout(path, header, name))
        except (DgkdError, OSError):
            pass
        sizes = {file.stat().st_size for file, _ in _files(path / name)}
        rows = {size // array.row_bytes for size in sizes if size % array.row_bytes == 0}
        found += [StoreLayout(header, chunk_rows=each) for each in sorted(rows) if _is_possible(each, header)]
    rows_of_all = dict.fromkeys(layout.chunk_rows for layout in [*found, default])
    codecs = [get_codec(name) for name in codec_names()]
    return found + [StoreLayout(header, chunk_rows=rows, codec=codec) for rows in rows_of_all for codec in codecs]


def _count_fitting(path: Path, layout: StoreLayout) -> int:
    """Counts first chunk files of each array that have a place and a size in this layout, and can be decoded."""
    return sum(
        _decodes(file, array, position) for name, array in layout.rows.items() for file, position in _files(path / name)
    )


def _decodes(file: Path, array: ArrayLayout, position: tuple[int, ...]) -> bool:
    size = file.stat().st_size
    if any(at >= most for at, most in zip(position, array.grid, strict=True)):
        return False
    if array.codec is RAW or not array.codec.plausible(size, array.chunk_bytes):
        return array.codec.plausible(size, array.chunk_bytes)
    if array.chunk_bytes > MAX_ENCODED_CHUNK_BYTES:
        return False
    try:
        array.codec.decode(read_file(file), array.chunk_bytes)
    except (ValueError, OSError, UnsafeStore):
        return False
    return True


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """Yields some chunk files of an array, only regular ones, each with its position."""
    names = sorted(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else []
    found = [(folder / name, chunk_position(name)) for name in names]
    yield from [each for each in found if len(each[1]) == 3 and each[0].is_file() and not each[0].is_symlink()][:_TRIED]
