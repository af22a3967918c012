"""A second reader of guide stores, written from stores/FORMAT.md and not from the code.

Standard library and numpy; it reads the whole store at once, checks all of it and knows no other way. What only a
library can do, decompressing and HDF5, is handed in.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stores.proofs.independent_arrays import (
    Decode,
    checked_array,
    checked_chunk_rows,
    chunk_shape,
    codec_name,
    metadata,
    names,
    read_chunks,
    row_codec,
)
from stores.proofs.independent_header import (
    DAMAGED,
    DTYPES,
    NOT_FINISHED,
    NOT_FOUND,
    UNSAFE,
    Array,
    array_specs,
    canonical,
    checked_group,
    parsed,
    refuse,
    row_names,
)


@dataclass
class Store:
    """A store that was read as a whole: `rows` of the views in `views`, NaN where `written` [V, K] says no."""

    header: dict[str, Any]
    seal: str | None
    arrays: dict[str, Array]
    written: Array
    rows: Array
    tests: Array

    @property
    def views(self) -> range:
        return range(self.header["first_view"], self.header["first_view"] + self.header["views"])


def read(path: Path, *, allow_incomplete: bool = False, decode: Decode | None = None) -> Store:
    """The store in the folder `path`; `Refused` for whatever the page says a reader refuses."""
    refuse(UNSAFE, any(os.path.lexists(path / name) for name in (".zgroup", ".zarray", ".zmetadata")), "Zarr 2")
    refuse(NOT_FOUND, not path.is_dir() or not os.path.lexists(path / "zarr.json"), "no store")
    group = metadata(path / "zarr.json", 2**24)
    header, seal, digests = checked_group(group)
    specs = array_specs(header)
    refuse(UNSAFE, set(names(path)) - {"zarr.json", *specs}, "names")
    first = metadata(path / "logits" / "zarr.json", 2**16) if (path / "logits").is_dir() else None
    refuse(DAMAGED, first is None, "logits")
    rows_of_chunk = checked_chunk_rows(header, first)
    arrays, there, absent = {}, {}, set()
    for name, (dtype, shape, dimensions) in specs.items():
        refuse(UNSAFE, (path / name).is_file(), name)
        refuse(DAMAGED, not (path / name).is_dir(), name)
        found = metadata(path / name / "zarr.json", 2**16)
        is_row = name in row_names(header)
        chunk = chunk_shape(name, shape, is_row, rows_of_chunk)
        codec = checked_array(found, dtype, shape, dimensions, chunk, is_row)
        if codec is not None:
            refuse(UNSAFE, math.prod(chunk) * np.dtype(DTYPES[dtype]).itemsize > 2**29, "compressed chunk")
        refuse(UNSAFE, is_row and codec_name(codec) != codec_name(row_codec(first)), "codecs that differ")
        arrays[name], there[name], wrong = read_chunks(path / name, dtype, shape, chunk, codec, decode)
        if wrong or not there[name].all():
            absent.add(name)
    return checked(header, seal, digests, arrays, there, absent, rows_of_chunk, allow_incomplete)


def read_hdf5(file: Mapping[str, Any]) -> Store:
    """The store in an open HDF5 file, which maps names to data sets."""
    header, seal, digests = checked_group(
        {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {
                "dgkd": parsed(file["dgkd"][()].tobytes()),
                "dgkd_seal": file["dgkd_seal"][()].tobytes().hex(),
                "dgkd_digests": parsed(file["dgkd_digests"][()].tobytes()),
            },
        }
    )
    specs = array_specs(header)
    refuse(UNSAFE, set(file) ^ {"dgkd", "dgkd_seal", "dgkd_digests", *specs}, "names")
    rows_of_chunk = file["logits"].chunks[1]
    arrays, there = {}, {}
    for name, (dtype, shape, _) in specs.items():
        refuse(UNSAFE, file[name].shape != shape or file[name].dtype != np.dtype(DTYPES[dtype]), name)
        arrays[name] = file[name][()]
        chunk = chunk_shape(name, shape, name in row_names(header), rows_of_chunk)
        there[name] = np.ones([-(-size // part) for size, part in zip(shape, chunk, strict=True)], bool)
    return checked(header, seal, digests, arrays, there, set(), rows_of_chunk, False)


def checked(
    header: dict[str, Any],
    seal: str | None,
    digests: Mapping[str, str],
    arrays: dict[str, Array],
    there: Mapping[str, Array],
    absent: set[str],
    rows_of_chunk: int,
    allow_incomplete: bool,
) -> Store:
    """The store, once its seal and every block are what they should be."""
    refuse(DAMAGED, seal and absent, f"chunks are missing: {absent}")
    refuse(DAMAGED, absent - {"digest", *row_names(header)}, f"arrays are missing: {absent}")
    if seal:
        found = {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in digests}
        refuse(DAMAGED, found != digests, "digests")
        message = canonical(header) + b"".join(
            name.encode() + b"\0" + bytes.fromhex(found[name]) for name in sorted(found)
        )
        refuse(DAMAGED, hashlib.sha256(message).hexdigest() != seal, "seal")
    for name in ("label", "test_label"):
        refuse(UNSAFE, ((arrays[name] < 0) | (arrays[name] >= len(header["dataset"]["classes"]))).any(), name)
    for name, most in (("basis", 2.0), ("bias", 2.0**120)) if header["encoding"] == "factored" else ():
        refuse(DAMAGED, not (np.abs(arrays[name]) <= most).all(), f"{name} over its bound")
    refuse(NOT_FINISHED, seal is None and not allow_incomplete, "no seal")
    length, samples = header["digest_rows"], header["dataset"]["samples"]
    rows = decoded(header, arrays, "")
    written = arrays["digest"].any(axis=2)
    for view, block in np.argwhere(written).tolist():
        start, stop = block * length, min((block + 1) * length, samples)
        if not all(there[name][view, start // rows_of_chunk, 0] for name in row_names(header)):
            written[view, block] = False
            continue
        content = hashlib.sha256()
        for row in range(start, stop):
            for name in row_names(header):
                content.update(arrays[name][view, row].tobytes())
        refuse(DAMAGED, content.digest() != arrays["digest"][view, block].tobytes(), f"block {view}, {block}")
        refuse(DAMAGED, not np.isfinite(rows[view, start:stop]).all(), f"no numbers in block {view}, {block}")
        refuse(DAMAGED, not in_order(header, arrays, "", view, slice(start, stop)), f"order in block {view}, {block}")
    refuse(DAMAGED, seal and not written.all(), "no digest")
    for view, block in np.argwhere(~written).tolist():
        rows[view, block * length : (block + 1) * length] = np.nan
    tests = decoded(header, arrays, "test_").astype("<f4")
    refuse(DAMAGED, not np.isfinite(tests).all(), "no numbers in the test rows")
    refuse(DAMAGED, not in_order(header, arrays, "test_"), "order in the test rows")
    return Store(header=header, seal=seal, arrays=arrays, written=written, rows=rows, tests=tests)


def decoded(header: Mapping[str, Any], arrays: Mapping[str, Array], prefix: str) -> Array:
    """Softened logits from the row arrays [..., columns] whose names have this prefix."""
    logits = arrays[f"{prefix}logits"]
    if header["encoding"] == "factored":
        with np.errstate(over="ignore", invalid="ignore"):
            sums = np.einsum("ci,...i->...c", arrays["basis"].astype("<f8"), logits.astype("<f8"))
            return (arrays["bias"] + sums).astype("<f4")
    if header["encoding"] == "topk":
        return spread(header, arrays[f"{prefix}index"], logits, arrays[f"{prefix}tail"], 0)
    if header["encoding"] != "uint8":
        return logits.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        product = logits.astype("<f4") * arrays[f"{prefix}scale"][..., :1]
        return product + arrays[f"{prefix}scale"][..., 1:]


def spread(header: Mapping[str, Any], index: Array, logits: Array, tail: Array, number: int) -> Array:
    """Rows of `topk` [..., C] for the temperature of that number; NaN where a row's classes are none."""
    classes, k = len(header["dataset"]["classes"]), header["encoding_settings"]["k"]
    rows = np.full((*index.shape[:-1], classes), np.nan, "<f4")
    first, at = (np.float64(header["encoding_settings"]["temperatures"][i]) for i in (0, number))
    for row in np.ndindex(index.shape[:-1]):
        if int(index[row].max()) >= classes or int(index[row].min()) < 0:
            continue
        even = np.float32(tail[row][number]) - np.float32(math.log(classes - k))
        rows[row] = even if number == 0 else even * np.float32(at / first)
        for label, logit in zip(index[row].tolist(), logits[row], strict=True):
            rows[row][label] = np.float32(logit)
    return rows


def in_order(header: Mapping[str, Any], arrays: Mapping[str, Array], prefix: str, *at: Any) -> bool:
    """Classes that ascend, and tails within their bound; of `topk` alone."""
    if header["encoding"] != "topk":
        return True
    index, tail = arrays[f"{prefix}index"][at], arrays[f"{prefix}tail"][at]
    return bool((np.diff(index.astype("<i8")) > 0).all() and (np.abs(tail) <= 2.0**40).all())
