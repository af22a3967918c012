"""A second writer of guide stores, written from stores/FORMAT.md and not from the code: raw stores, written at once."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {"float16": "<f2", "float32": "<f4", "uint8": "u1", "uint16": "<u2", "int32": "<i4", "int64": "<i8"}
NAMES = {
    "basis": ("class", "component"),
    "bias": ("class",),
    "logits": ("view", "sample", "class"),
    "scale": ("view", "sample", "affine"),
    "index": ("view", "sample", "entry"),
    "tail": ("view", "sample", "temperature"),
    "digest": ("view", "block", "digest_byte"),
    "label": ("sample",),
    "sample_digest": ("sample", "sample_digest_byte"),
    "view_digest": ("view", "digest_byte"),
    "test_logits": ("test_sample", "class"),
    "test_scale": ("test_sample", "affine"),
    "test_index": ("test_sample", "entry"),
    "test_tail": ("test_sample", "temperature"),
    "test_label": ("test_sample",),
    "test_sample_digest": ("test_sample", "sample_digest_byte"),
}

ROWS = ("index", "logits", "scale", "tail")
Array = np.ndarray[Any, Any]


def write(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array], *, chunk_rows: int) -> str:
    """Write a finished store from its header and all its arrays but `digest`; the seal."""
    arrays, found, seal = sealed(header, arrays)
    path.mkdir()
    for name, array in arrays.items():
        (path / name).mkdir()
        metadata = array_metadata(name, array, chunk_rows, third_name(header))
        (path / name / "zarr.json").write_bytes(text(metadata))
        for key, content in chunks(name, array, chunk_rows).items():
            (path / name / key).write_bytes(content)
    attributes = {"dgkd": header, "dgkd_seal": seal, "dgkd_digests": found}
    (path / "zarr.json").write_bytes(text({"zarr_format": 3, "node_type": "group", "attributes": attributes}))
    return seal


def write_hdf5(
    path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array], *, chunk_rows: int, gzip: bool
) -> str:
    """The same store as one HDF5 file, by HDF5's own library; the seal."""
    import h5py

    arrays, found, seal = sealed(header, arrays)
    texts = {"dgkd": canonical(header), "dgkd_digests": canonical(found), "dgkd_seal": bytes.fromhex(seal)}
    filters = {"compression": 9, "shuffle": True} if gzip else {}
    with h5py.File(path, "w", libver=("v110", "v110"), alignment_threshold=1, alignment_interval=8) as file:
        for name, content in texts.items():
            file.create_dataset(name, data=np.frombuffer(content, "u1"))
        for name, array in arrays.items():
            if name in (*ROWS, "digest"):
                shape = chunk_shape(name, array, chunk_rows)
                fill = np.nan if array.dtype.kind == "f" else 0
                more = filters if name != "digest" else {}
                file.create_dataset(name, data=array, chunks=shape, fillvalue=fill, **more)
            else:
                file.create_dataset(name, data=array)
    return seal


def sealed(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, str], str]:
    """The arrays with `digest`, the digests of all but the row arrays, and the seal."""
    rows = [name for name in ROWS if name in arrays]
    arrays = {**arrays, "digest": digests([arrays[name] for name in rows], header["digest_rows"])}
    found = {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in arrays if name not in rows}
    seal = hashlib.sha256(canonical(header))
    for name in sorted(found):
        seal.update(name.encode() + b"\0" + bytes.fromhex(found[name]))
    return arrays, found, seal.hexdigest()


def encode(
    encoding: str,
    logits: Array,
    shared: Mapping[str, Array] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Array]:
    """The row arrays of float32 logits [..., C]; `shared` are the basis and the bias of `factored`."""
    if encoding == "topk":
        assert settings is not None
        return largest(logits, settings["k"], [float(text) for text in settings["temperatures"]])
    if encoding == "factored":
        assert shared is not None
        basis, bias = shared["basis"].astype("<f8"), shared["bias"].astype("<f8")
        return {"logits": np.einsum("ci,...c->...i", basis, logits - bias).astype("<f2")}
    if encoding != "uint8":
        return {"logits": logits.astype(DTYPES[encoding])}
    levels, scales = np.zeros(logits.shape, "u1"), np.zeros((*logits.shape[:-1], 2), "<f4")
    for at in np.ndindex(logits.shape[:-1]):
        row = logits[at]
        offset = min(row)
        scale = np.float32(max(row) - offset) / np.float32(255)
        scales[at] = [scale + np.float32(0), offset + np.float32(0)]
        if scale > 0:
            levels[at] = [min(round(float((x - offset) / scale)), 255) for x in row]
    return {"logits": levels, "scale": scales}


def largest(logits: Array, k: int, temperatures: list[float]) -> dict[str, Array]:
    """The row arrays of `topk`, a class after the other."""
    classes = logits.shape[-1]
    index = np.zeros((*logits.shape[:-1], k), "<u2" if classes <= 65536 else "<i4")
    kept = np.zeros((*logits.shape[:-1], k), "<f2")
    tail = np.zeros((*logits.shape[:-1], len(temperatures)), "<f4")
    for at in np.ndindex(logits.shape[:-1]):
        row = [float(x) for x in logits[at]]
        ranked = sorted(range(classes), key=lambda label, row=row: (-row[label], label))  # type: ignore[misc]
        index[at] = sorted(ranked[:k])
        kept[at] = [row[label] for label in sorted(ranked[:k])]
        for number, t in enumerate(temperatures):
            others = [row[label] * temperatures[0] / t for label in ranked[k:]]
            tail[at][number] = max(others) + math.log(math.fsum(math.exp(x - max(others)) for x in others))
    return {"index": index, "logits": kept, "tail": tail}


def digests(rows: list[Array], length: int) -> Array:
    """`digest` [V, K, 32] of the row arrays in name order."""
    views, samples = rows[0].shape[:2]
    found = [
        hashlib.sha256(b"".join(array[v, i].tobytes() for i in range(b, min(b + length, samples)) for array in rows))
        for v in range(views)
        for b in range(0, samples, length)
    ]
    return np.frombuffer(b"".join(each.digest() for each in found), "u1").reshape(views, -1, 32)


def chunk_shape(name: str, array: Array, chunk_rows: int) -> tuple[int, ...]:
    if name in ROWS:
        return (1, chunk_rows, array.shape[2])
    return (1, *array.shape[1:]) if name == "digest" else tuple(max(1, size) for size in array.shape)


def chunks(name: str, array: Array, chunk_rows: int) -> dict[str, bytes]:
    """The chunk files of an array by name."""
    zeros = ".0" * (array.ndim - 1)
    if name not in (*ROWS, "digest"):
        return {f"c.0{zeros}": array.tobytes()} if array.size else {}
    if name == "digest":
        return {f"c.{view}.0.0": digest.tobytes() for view, digest in enumerate(array)}
    files = {}
    for view, rows in enumerate(array):
        for at, start in enumerate(range(0, len(rows), chunk_rows)):
            chunk = np.full((chunk_rows, rows.shape[1]), np.nan if rows.dtype.kind == "f" else 0, rows.dtype)
            part = rows[start : start + chunk_rows]
            chunk[: len(part)] = part
            files[f"c.{view}.{at}.0"] = chunk.tobytes()
    return files


def third_name(header: Mapping[str, Any]) -> str:
    """The name of the last dimension of `logits`."""
    return {"factored": "component", "topk": "entry"}.get(header["encoding"], "class")


def array_metadata(name: str, array: Array, chunk_rows: int, last: str = "class") -> dict[str, Any]:
    """The content of an array's zarr.json; `last` is the name of the last dimension of the logits."""
    dtype = array.dtype.name
    third = "digest_byte" if dtype == "uint8" else "probe_value"
    dimensions = (*NAMES.get(name, ("pair", third)),)
    if name in ("logits", "test_logits"):
        dimensions = (*dimensions[:-1], last)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(array.shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape(name, array, chunk_rows)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": "NaN" if dtype.startswith("float") else 0,
        "codecs": [{"name": "bytes"} if dtype == "uint8" else {"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
        "dimension_names": dimensions,
    }


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def text(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"
