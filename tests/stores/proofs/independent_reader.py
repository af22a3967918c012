"""A second reader of guide stores, written from stores/FORMAT.md and not from the code.

Standard library and numpy; it reads the whole store at once, checks all of it and knows no other way. What only a
library can do, decompressing and HDF5, is handed in.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NOT_FINISHED, NOT_FOUND, DAMAGED, MISMATCH, UNSAFE = 3, 10, 12, 13, 15
DTYPES = {"float16": "<f2", "float32": "<f4", "uint8": "u1", "int32": "<i4", "int64": "<i8"}
HEX64 = re.compile("[0-9a-f]{64}")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,400})?")
CHUNK = re.compile(r"c(\.(0|[1-9][0-9]{0,9}))+")

Array = np.ndarray[Any, Any]
Decode = Callable[[Mapping[str, Any], bytes, int], bytes]
"""From the second codec of an array, a chunk's file and its decoded size to its bytes; ValueError where it fails."""


class Refused(Exception):
    """A store that is not to be used; `code` says why, as an exit code."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


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


def refuse(code: int, condition: object, why: str) -> None:
    if condition:
        raise Refused(code, why)


# Header


def integer(least: int, most: int) -> Callable[[Any], bool]:
    return lambda x: type(x) is int and least <= x <= most


def is_text(x: Any) -> bool:
    return type(x) is str


def is_hex(x: Any) -> bool:
    return is_text(x) and HEX64.fullmatch(x) is not None


def is_decimal(x: Any) -> bool:
    return is_text(x) and DECIMAL.fullmatch(x) is not None


def is_object(x: Any) -> bool:
    return type(x) is dict


RULES: dict[str, Any] = {
    "format": lambda x: x == "dgkd-guide-store",
    "version": lambda x: type(x) is int and x == 1,
    "dataset": {
        "name": is_text,
        "split": is_text,
        "classes": lambda x: (
            type(x) is list and 1 <= len(x) <= 2**20 and all(map(is_text, x)) and all(x) and len({*x}) == len(x)
        ),
        "samples": integer(1, 2**31),
        "test_samples": integer(0, 2**31),
        "digest": is_hex,
        "sample_digest": lambda x: x in ("pixels", "file"),
    },
    "plan": is_object,
    "plan_digest": is_hex,
    "first_view": integer(0, 2**53),
    "views": integer(1, 2**20),
    "guide": {
        "name": lambda x: is_text(x) and re.fullmatch("[a-z0-9_-]{1,64}", x) is not None,
        "architecture": is_text,
        "parameters": integer(0, 2**53),
        "weights_digest": is_hex,
        "accuracy": lambda x: x == "" or is_decimal(x),
        "training": is_object,
        "guides": lambda x: is_object(x) and all(map(is_hex, x.values())),
    },
    "encoding": lambda x: x in ("float32", "float16", "uint8"),
    "fidelity": {"kl": is_decimal, "top1": is_decimal, "rows": integer(0, 2**31)},
    "temperature": lambda x: is_decimal(x) and float(x) > 0,
    "digest_rows": integer(1, 2**31),
    "probe": lambda x: x in ("sha256", "projection"),
    "compute": lambda x: is_object(x) and integer(1, 2**31)(x.get("batch")),
    "licence": is_text,
}


def fits(rule: Any, value: Any) -> bool:
    if callable(rule):
        return bool(rule(value))
    return is_object(value) and set(value) == set(rule) and all(fits(rule[key], value[key]) for key in rule)


def canonical(value: Any) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Refused(UNSAFE, "a lone surrogate") from error


def checked_group(group: Any) -> tuple[dict[str, Any], str | None, dict[str, str]]:
    """Header, seal and the digests of arrays from the group's zarr.json."""
    attributes = group.get("attributes")
    refuse(UNSAFE, not is_object(attributes), "attributes")
    header = attributes.get("dgkd")
    refuse(UNSAFE, not is_object(header) or header.get("format") != "dgkd-guide-store", "format")
    refuse(MISMATCH, integer(2, 2**53)(header.get("version")), f"version {header.get('version')}, known is 1")
    refuse(UNSAFE, group != {"zarr_format": 3, "node_type": "group", "attributes": attributes}, "group")
    refuse(UNSAFE, type(group["zarr_format"]) is not int, "zarr_format")
    refuse(UNSAFE, not fits(RULES, header), "header")
    refuse(UNSAFE, hashlib.sha256(canonical(header["plan"])).hexdigest() != header["plan_digest"], "plan_digest")
    canonical(header)
    rows = header["views"] * header["dataset"]["samples"] * row_bytes(header)
    refuse(UNSAFE, row_bytes(header) > 2**24 or rows > 2**47, "size of the rows")
    specs = array_specs(header)
    others = set(specs) - set(row_names(header))
    size = sum(math.prod(specs[name][1]) * np.dtype(DTYPES[specs[name][0]]).itemsize for name in others)
    refuse(UNSAFE, size > 2**30, "size of the other arrays")
    if set(attributes) == {"dgkd"}:
        return header, None, {}
    refuse(UNSAFE, set(attributes) != {"dgkd", "dgkd_seal", "dgkd_digests"}, "attributes")
    seal, digests = attributes["dgkd_seal"], attributes["dgkd_digests"]
    refuse(UNSAFE, not is_hex(seal) or not fits(dict.fromkeys(others, is_hex), digests), "seal")
    return header, seal, digests


# Arrays


def array_specs(header: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """dtype, shape and dimension names of every array, by name."""
    views, samples, tests = header["views"], header["dataset"]["samples"], header["dataset"]["test_samples"]
    classes, blocks = len(header["dataset"]["classes"]), -(-samples // header["digest_rows"])
    encoding = header["encoding"]
    pixels, signs = ("uint8", (64, 32), ("pair", "digest_byte")), ("int32", (64, 64), ("pair", "probe_value"))
    specs: dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]] = {
        "logits": (encoding, (views, samples, classes), ("view", "sample", "class")),
        "test_logits": (encoding, (tests, classes), ("test_sample", "class")),
        "digest": ("uint8", (views, blocks, 32), ("view", "block", "digest_byte")),
        "label": ("int64", (samples,), ("sample",)),
        "sample_digest": ("uint8", (samples, 16), ("sample", "sample_digest_byte")),
        "view_digest": ("uint8", (views, 32), ("view", "digest_byte")),
        "probe": pixels if header["probe"] == "sha256" else signs,
        "test_label": ("int64", (tests,), ("test_sample",)),
        "test_sample_digest": ("uint8", (tests, 16), ("test_sample", "sample_digest_byte")),
    }
    if encoding == "uint8":
        specs["scale"] = ("float32", (views, samples, 2), ("view", "sample", "affine"))
        specs["test_scale"] = ("float32", (tests, 2), ("test_sample", "affine"))
    return specs


def row_names(header: Mapping[str, Any]) -> tuple[str, ...]:
    return ("logits", "scale") if header["encoding"] == "uint8" else ("logits",)


def row_bytes(header: Mapping[str, Any]) -> int:
    classes = len(header["dataset"]["classes"])
    return {"float32": 4 * classes, "float16": 2 * classes, "uint8": classes + 8}[header["encoding"]]


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


# Files


def names(folder: Path) -> list[str]:
    """What is in a folder, once all of it is plain files and folders."""
    for entry in folder.iterdir():
        mode = entry.lstat().st_mode
        refuse(UNSAFE, not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)), f"a link or device {entry.name!r}")
    return [entry.name for entry in folder.iterdir()]


def metadata(file: Path, limit: int) -> dict[str, Any]:
    """The object in a zarr.json."""
    refuse(DAMAGED, not os.path.lexists(file), f"no {file}")
    refuse(UNSAFE, file.is_symlink() or not file.is_file() or file.stat().st_size > limit, "metadata")
    return parsed(file.read_bytes())


def parsed(data: bytes) -> dict[str, Any]:
    """A JSON object without floats, NaN and keys given twice, not too deep."""
    refuse(UNSAFE, data.count(b"[") + data.count(b"{") > 2**16 or data.count(b",") > 2**21, "JSON of too many parts")
    try:
        value = json.loads(data.decode(), object_pairs_hook=unique, parse_constant=no_number, parse_float=no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(UNSAFE, str(error)) from error
    refuse(UNSAFE, not is_object(value) or depth(value) > 32, "JSON")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def no_number(text: str) -> Any:
    raise ValueError(f"the number {text}")


def depth(value: Any) -> int:
    """Levels, as far as they matter."""
    level, levels = [value], 0
    while level and levels <= 32:
        levels += 1
        inside = (outer.values() if is_object(outer) else outer for outer in level if type(outer) in (dict, list))
        level = [inner for values in inside for inner in values]
    return levels


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


# Content


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
    refuse(NOT_FINISHED, seal is None and not allow_incomplete, "no seal")
    length, samples = header["digest_rows"], header["dataset"]["samples"]
    rows = decoded(header, {name: arrays[name] for name in row_names(header)})
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
    refuse(DAMAGED, seal and not written.all(), "no digest")
    for view, block in np.argwhere(~written).tolist():
        rows[view, block * length : (block + 1) * length] = np.nan
    tests = decoded(header, {name: arrays[f"test_{name}"] for name in row_names(header)}).astype("<f4")
    refuse(DAMAGED, not np.isfinite(tests).all(), "no numbers in the test rows")
    return Store(header=header, seal=seal, arrays=arrays, written=written, rows=rows, tests=tests)


def decoded(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    """Softened logits from row arrays [..., columns]."""
    if header["encoding"] != "uint8":
        return arrays["logits"].copy()
    with np.errstate(over="ignore", invalid="ignore"):
        product = arrays["logits"].astype("<f4") * arrays["scale"][..., :1]
        return product + arrays["scale"][..., 1:]
