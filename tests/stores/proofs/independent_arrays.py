"""The metadata and chunks of a folder's arrays for the second reader; written from stores/FORMAT.md alone."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stores.proofs.independent_header import (
    DAMAGED,
    DTYPES,
    UNSAFE,
    Array,
    Refused,
    canonical,
    fits,
    integer,
    is_object,
    parsed,
    refuse,
)

CHUNK = re.compile(r"c(\.(0|[1-9][0-9]{0,9}))+")


Decode = Callable[[Mapping[str, Any], bytes, int], bytes]
"""From the second codec of an array, a chunk's file and its decoded size to its bytes; ValueError where it fails."""


def chunk_shape(name: str, shape: tuple[int, ...], is_row: bool, rows: int) -> tuple[int, ...]:
    if is_row:
        return (1, rows, shape[2])
    if name == "digest":
        return (1, *shape[1:])
    return tuple(max(1, size) for size in shape)


def row_codec(found: Any) -> Any:
    codecs = found.get("codecs")
    return codecs[1] if type(codecs) is list and len(codecs) == 2 else None


def codec_name(codec: Any) -> Any:
    return codec["name"] if is_object(codec) and "name" in codec else None


def checked_chunk_rows(header: Mapping[str, Any], found: Any) -> int:
    """S, of the array `logits`."""
    try:
        rows = found["chunk_grid"]["configuration"]["chunk_shape"][1]
    except (KeyError, TypeError, IndexError):
        rows = 0
    samples = header["dataset"]["samples"]
    allowed = integer(1, samples)(rows) and (rows == samples or rows % header["digest_rows"] == 0)
    refuse(UNSAFE, not allowed or header["views"] * -(-samples // rows) > 2**24, "chunks")
    return int(rows)


CODECS: dict[str, Any] = {
    "zstd": {"level": integer(-131072, 22), "checksum": lambda x: type(x) is bool},
    "blosc": {
        "typesize": integer(1, 255),
        "cname": lambda x: x in ("zstd", "lz4", "lz4hc", "zlib", "blosclz"),
        "clevel": integer(0, 9),
        "shuffle": lambda x: x in ("noshuffle", "shuffle", "bitshuffle"),
        "blocksize": integer(0, 2**31 - 1),
    },
}


def checked_array(
    found: Any, dtype: str, shape: tuple[int, ...], dimensions: tuple[str, ...], chunk: tuple[int, ...], is_row: bool
) -> Any:
    """The second codec of an array whose zarr.json is as the page says, or None."""
    found = dict(found)
    for key, empty in (("attributes", "{}"), ("storage_transformers", "[]")):
        refuse(UNSAFE, canonical(found.pop(key, json.loads(empty))).decode() != empty, key)
    codecs = found.pop("codecs", None)
    wanted = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": "NaN" if dtype.startswith("float") else 0,
        "dimension_names": list(dimensions),
    }
    refuse(UNSAFE, canonical(found) != canonical(wanted), f"another {dimensions}")
    refuse(UNSAFE, type(codecs) is not list or not 1 <= len(codecs) <= 1 + is_row, "codecs")
    plain = [{"name": "bytes", "configuration": {"endian": "little"}}]
    plain += [{"name": "bytes"}] if dtype == "uint8" else []
    refuse(UNSAFE, codecs[0] not in plain, "byte order")
    if len(codecs) == 1:
        return None
    known = CODECS.get(codec_name(codecs[1]))
    refuse(UNSAFE, known is None or set(codecs[1]) != {"name", "configuration"}, "codec")
    refuse(UNSAFE, not fits(known, codecs[1]["configuration"]), "codec configuration")
    return codecs[1]


def names(folder: Path) -> list[str]:
    """Returns the names in a folder, once all of it is plain files and folders."""
    for entry in folder.iterdir():
        mode = entry.lstat().st_mode
        refuse(UNSAFE, not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)), f"a link or device {entry.name!r}")
    return [entry.name for entry in folder.iterdir()]


def metadata(file: Path, limit: int) -> dict[str, Any]:
    """The object in a zarr.json."""
    refuse(DAMAGED, not os.path.lexists(file), f"no {file}")
    refuse(UNSAFE, file.is_symlink() or not file.is_file() or file.stat().st_size > limit, "metadata")
    return parsed(file.read_bytes())


def read_chunks(
    folder: Path, dtype: str, shape: tuple[int, ...], chunk: tuple[int, ...], codec: Any, decode: Decode | None
) -> tuple[Array, Array, bool]:
    """The array (without padding), which chunks are there [grid], and whether one has another size."""
    grid = tuple(-(-size // part) for size, part in zip(shape, chunk, strict=True))
    padded = np.zeros([count * part for count, part in zip(grid, chunk, strict=True)], DTYPES[dtype])
    there, wrong = np.zeros(grid, bool), False
    nbytes = math.prod(chunk) * padded.itemsize
    positions = {".".join(["c", *map(str, at)]): at for at in itertools.product(*map(range, grid))}
    for name in names(folder):
        if name == "zarr.json":
            continue
        refuse(UNSAFE, not CHUNK.fullmatch(name) or name not in positions or not (folder / name).is_file(), name)
        size, at = (folder / name).stat().st_size, positions[name]
        if not (size == nbytes if codec is None else 0 < size <= nbytes + nbytes // 64 + 4096):
            wrong = True
            continue
        stored = (folder / name).read_bytes()
        if codec is not None:
            assert decode is not None, "a compressed store, and nothing to decompress it with"
            try:
                stored = decode(codec, stored, nbytes)
            except ValueError as error:
                raise Refused(DAMAGED, f"{name}: {error}") from error
            refuse(DAMAGED, len(stored) != nbytes, name)
        place = tuple(slice(i * part, (i + 1) * part) for i, part in zip(at, chunk, strict=True))
        padded[place] = np.frombuffer(stored, DTYPES[dtype]).reshape(chunk)
        there[at] = True
    return padded[tuple(slice(0, size) for size in shape)], there, wrong
