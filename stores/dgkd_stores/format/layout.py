"""Every array of a guide store: name, dtype, shape, dimension names, chunks and fill, from the header alone.

The zarr.json of each array is also made here, so that metadata does not depend on the installed Zarr. Source: the Zarr
v3 core specification; stores/FORMAT.md.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_integer
from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs import RAW, Codec, ZarrCodec
from dgkd_stores.coding.digests import Seal
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.limits import MAX_CHUNKS, MAX_ENCODED_CHUNK_BYTES, MAX_OTHER_BYTES
from dgkd_stores.format.metadata import unsafe

__all__ = [
    "ONE_CHUNK_BYTES",
    "PROBES",
    "TARGET_CHUNK_BYTES",
    "ArrayLayout",
    "StoreLayout",
    "default_chunk_rows",
    "default_digest_rows",
    "finished_bytes",
    "group_metadata",
    "json_file",
]

ONE_CHUNK_BYTES = 64 * 2**20
"""A view of up to this size is a single chunk."""

TARGET_CHUNK_BYTES = 24 * 2**20
"""The approximate size of each chunk of a larger view."""

DIGEST_BYTES = 64 * 2**10
"""A digest covers at most this size, unless a single row is larger."""

PROBES = 64
"""Number of (view, sample) pairs in the probe array."""


@dataclass(frozen=True, kw_only=True)
class ArrayLayout:
    """One Zarr array: little-endian, in a regular grid of chunks."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dimensions: tuple[str, ...]
    codec: Codec = RAW

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype of the raw bytes."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of chunks along each dimension."""
        return tuple(-(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True))

    @property
    def chunk_bytes(self) -> int:
        """The exact size of every decoded chunk in bytes."""
        return math.prod(self.chunks) * self.numpy_dtype.itemsize

    @property
    def fill(self) -> int | str:
        """The fill as in zarr.json: NaN for floating-point numbers, else 0."""
        return "NaN" if self.numpy_dtype.kind == "f" else 0

    @property
    def fill_value(self) -> float:
        """The fill as a number."""
        return float(self.fill)

    @property
    def row_bytes(self) -> int:
        """The size in bytes of a row of an array of the rows."""
        return self.chunk_bytes // self.chunks[1]

    @property
    def only_chunk(self) -> tuple[int, ...]:
        """The grid position of the chunk of an array that is stored whole."""
        return (0,) * len(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes, without padding."""
        return math.prod(self.shape) * self.numpy_dtype.itemsize

    @property
    def zarr_codec(self) -> ZarrCodec:
        """The codec of an array in a folder, which cannot have HDF5's own codecs."""
        assert isinstance(self.codec, ZarrCodec)
        return self.codec

    def key(self, *position: int) -> str:
        """Returns the file name of a chunk inside the array's folder."""
        return ".".join(("c", *map(str, position)))

    def encode(self, rows: NDArray[Any]) -> bytes | memoryview:
        """Returns the bytes of a chunk's file for its rows [S, columns]; a last chunk is padded."""
        chunk = rows
        if rows.nbytes < self.chunk_bytes:
            chunk = np.full(self.chunks, self.fill_value, dtype=self.numpy_dtype).reshape(-1)
            chunk[: rows.size] = rows.reshape(-1)
        raw = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8)
        return self.codec.encode(raw, self.numpy_dtype.itemsize)

    def metadata(self) -> dict[str, JsonValue]:
        """Returns the content of the array's zarr.json."""
        endian: dict[str, JsonValue] = {"name": "bytes"}
        if self.numpy_dtype.itemsize > 1:
            endian["configuration"] = {"endian": "little"}
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.chunks)}},
            # One flat folder per array: one directory to fsync and to scan, not one for each view.
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "fill_value": self.fill,
            "codecs": [endian, *self.zarr_codec.metadata(self.numpy_dtype.itemsize)],
            "attributes": {},
            "dimension_names": list(self.dimensions),
        }


class StoreLayout:
    """All arrays of the store that a header describes, by name.

    `rows` are the arrays whose blocks have digests, and the only compressed ones; `others` are those that the seal
    covers as a whole.
    """

    def __init__(self, header: StoreHeader, *, chunk_rows: int, codec: Codec = RAW) -> None:
        samples, views, tests = header.dataset.samples, header.views, header.dataset.test_samples
        encoding = header.row_encoding
        row_arrays, shared_arrays = encoding.row_arrays(header.classes), encoding.shared_arrays(header.classes)
        self.chunk_rows, self.codec = chunk_rows, codec
        self.chunks_per_view = -(-samples // chunk_rows)
        self.rows = {
            array.name: ArrayLayout(
                name=array.name,
                dtype=array.dtype,
                shape=(views, samples, array.columns),
                chunks=(1, chunk_rows, array.columns),
                dimensions=("view", "sample", array.dimension),
                codec=codec,
            )
            for array in row_arrays
        }
        self.digest = ArrayLayout(
            name="digest",
            dtype="uint8",
            shape=(views, header.blocks, 32),
            chunks=(1, header.blocks, 32),
            dimensions=("view", "block", "digest_byte"),
        )
        values, dtype = ("digest_byte", "uint8") if header.probe == "sha256" else ("probe_value", "int32")
        self.identity = {
            array.name: array
            for array in (
                _whole("label", "int64", sample=samples),
                _whole("sample_digest", "uint8", sample=samples, sample_digest_byte=16),
                _whole("view_digest", "uint8", view=views, digest_byte=32),
                _whole("probe", dtype, pair=PROBES, **{values: 32 if header.probe == "sha256" else 64}),
                _whole("test_label", "int64", test_sample=tests),
                _whole("test_sample_digest", "uint8", test_sample=tests, sample_digest_byte=16),
                *(_whole(shared.name, shared.dtype, **shared.sizes) for shared in shared_arrays),
                *(
                    _whole(f"test_{row.name}", row.dtype, test_sample=tests, **{row.dimension: row.columns})
                    for row in row_arrays
                ),
            )
        }
        self.others = dict(sorted({"digest": self.digest, **self.identity}.items()))
        self.arrays = dict(sorted({**self.rows, **self.others}.items()))

    def check_limits(self, path: Path) -> None:
        """Raises UnsafeStore for more chunks, larger whole arrays or larger compressed chunks than a writer makes."""
        rows = list(self.rows.values())
        decoded = max(array.chunk_bytes for array in rows) if self.codec is not RAW else 0
        for problem, most, found in (
            ("too many chunks", MAX_CHUNKS, math.prod(rows[0].grid)),
            ("arrays beside the rows", MAX_OTHER_BYTES, sum(array.nbytes for array in self.others.values())),
            ("compressed chunks that are too large", MAX_ENCODED_CHUNK_BYTES, decoded),
        ):
            if found > most:
                raise unsafe(path, problem, f"at most {most}", f"{found}")


def default_digest_rows(row_bytes: int) -> int:
    """Returns the largest power of two whose rows of `row_bytes` bytes fit in 64 KiB, at least one.

    Raises InvalidInput for a size below one.
    """
    require_integer("default_digest_rows", "row_bytes", row_bytes, low=1)
    return 1 << max(0, (DIGEST_BYTES // row_bytes).bit_length() - 1)


def default_chunk_rows(header: StoreHeader) -> int:
    """Returns the rows of a view in one chunk: all of them, or about 24 MiB in whole digests and whole dump batches."""
    samples = header.dataset.samples
    if samples * header.row_bytes < ONE_CHUNK_BYTES:
        return samples
    batch = header.compute["batch"]
    assert isinstance(batch, int)
    unit = math.lcm(header.digest_rows, batch)
    return min(samples, max(1, TARGET_CHUNK_BYTES // header.row_bytes // unit) * unit)


def group_metadata(header: StoreHeader, seal: Seal | None) -> dict[str, JsonValue]:
    """Returns the content of the store's own zarr.json."""
    attributes: dict[str, JsonValue] = {"dgkd": header.to_dict()}
    if seal is not None:
        attributes |= {"dgkd_seal": seal.digest, "dgkd_digests": dict(seal.arrays)}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def finished_bytes(header: StoreHeader) -> int:
    """Returns the size of all files of a finished, uncompressed store with this header; nothing is read or written."""
    layout = StoreLayout(header, chunk_rows=default_chunk_rows(header))
    arrays = layout.arrays.values()
    chunks = sum(math.prod(array.grid) * array.chunk_bytes for array in arrays if array.nbytes)
    seal = Seal(digest="0" * 64, arrays=dict.fromkeys(layout.others, "0" * 64))
    metadata = [group_metadata(header, seal), *(array.metadata() for array in arrays)]
    return chunks + sum(len(json_file(one)) for one in metadata)


def json_file(value: JsonValue) -> bytes:
    """Returns the bytes of a zarr.json: sorted, so that equal values give equal files, and indented for readers."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


def _whole(name: str, dtype: str, **sizes: int) -> ArrayLayout:
    shape = tuple(sizes.values())
    chunks = tuple(max(1, size) for size in shape)
    return ArrayLayout(name=name, dtype=dtype, shape=shape, chunks=chunks, dimensions=tuple(sizes))
