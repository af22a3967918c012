"""A store as a Zarr v3 group in a folder, inspected before any of it is decoded.

Only stores that our own writer could have made are accepted: raw JSON is read with limits on size and depth and
compared with the layout of the header; every name in the store must be known, and no link is followed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.digests import Seal
from dgkd_stores.containers.chunking import array_metadata, chunk_position, stored_layout
from dgkd_stores.containers.container import Container, Place, no_store
from dgkd_stores.disk.files import lies_at
from dgkd_stores.errors import Damaged, DgkdError, StoreNotFound, UnsafeStore
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import ArrayLayout, StoreLayout, group_metadata, json_file
from dgkd_stores.format.metadata import read_metadata, read_seal, same_json, unsafe

__all__ = ["ZarrFolder"]

# Keys that other Zarr libraries may add or omit without a change of meaning.
_OPTIONAL: Mapping[str, JsonValue] = {"storage_transformers": [], "attributes": {}}
_ENDIAN_OF_BYTES: JsonValue = {"name": "bytes", "configuration": {"endian": "little"}}
_SEAL = {"dgkd_seal", "dgkd_digests"}

Note = Callable[[str, DgkdError], None]
"""Gets the name of a file, and its error."""


@dataclass(frozen=True, kw_only=True)
class ZarrFolder(Container):
    """A store as a folder of chunk files."""

    kind = "zarr"

    @classmethod
    def inspect(cls, path: Path, *, note: Note | None = None) -> Self:
        """Inspects a store.

        Raises StoreNotFound if there is none, UnsafeStore for anything that our writer does not make, Mismatch for a
        newer version of the format, Damaged for a missing zarr.json. With `note`, errors of single files are passed
        to it, by name, and not raised; the header itself must be valid.
        """
        damaged, note = note is not None, note or _raise
        header, attributes = _header(path, note)
        names = {entry.name for entry in _entries(path, "", note)}
        layout = stored_layout(path, header, damaged=damaged)
        layout.check_limits(path)
        seal = _seal(path, attributes, names, layout, note)
        nbytes = os.stat(path / "zarr.json", follow_symlinks=False).st_size
        present, wrong_size = {}, []
        for name, array in layout.arrays.items():
            if (path / name).is_symlink() or (os.path.lexists(path / name) and not (path / name).is_dir()):
                note(name, unsafe(path, "an array that is no folder", f"a folder {name}", "another kind of file"))
                present[name] = np.zeros(array.grid, dtype=np.bool_)
                continue
            _check_array(path / name, array, note)
            there, odd_sizes, size = _chunk_files(path / name, array, note)
            present[name], nbytes = there, nbytes + size
            wrong_size += odd_sizes
        return cls(
            path=path,
            header=header,
            seal=seal,
            layout=layout,
            nbytes=nbytes,
            present=present,
            wrong_size=tuple(wrong_size),
        )

    @classmethod
    def read_head(cls, path: Path) -> tuple[StoreHeader, Seal | None]:
        """Returns the header and the seal; raises as `inspect` for the folder's own zarr.json and names."""
        header, attributes = _header(path, _raise)
        names = {entry.name for entry in _entries(path, "", _raise)}
        layout = StoreLayout(header, chunk_rows=header.dataset.samples)  # for the names
        return header, _seal(path, attributes, names, layout, _raise)

    def place(self, array: ArrayLayout, position: tuple[int, ...]) -> Place:
        return Place(path=self.path / self.name_of(array, position), codec=array.codec)

    def metadata_files(self) -> Iterator[tuple[str, bytes]]:
        for name, array in self.layout.arrays.items():
            yield f"{name}/zarr.json", json_file(_as_found(self.path / name, array))
        yield "zarr.json", json_file(group_metadata(self.header, self.seal))


def _raise(name: str, error: DgkdError) -> None:
    raise error


def _find(path: Path) -> None:
    if not path.is_dir():
        raise no_store(path, expected="a folder", found="a file" if path.exists() else "nothing")
    if any(os.path.lexists(path / name) for name in (".zgroup", ".zarray", ".zmetadata")):
        raise unsafe(path, "another Zarr format", "zarr_format 3", "files of zarr_format 2")
    if not lies_at(path / "zarr.json"):
        raise StoreNotFound(
            f"no guide store at {path}",
            expected="a zarr.json",
            found="a folder without one",
            do="check the path; a store without this file has lost its header: get a copy, or dump the guide again",
        )


def _header(path: Path, note: Note) -> tuple[StoreHeader, Mapping[str, JsonValue]]:
    _find(path)
    group = read_metadata(path / "zarr.json")
    attributes = group.get("attributes")
    # The header comes first: a newer version is refused by name, whatever else it contains.
    header = StoreHeader.from_dict(attributes.get("dgkd") if isinstance(attributes, Mapping) else None)
    assert isinstance(attributes, Mapping)
    if set(attributes) & _SEAL not in (set(), _SEAL):
        found = ", ".join(attributes)
        raise unsafe(path, "other attributes", "dgkd and, once finished, dgkd_seal and dgkd_digests", found)
    # Keys that a Zarr library may have added; header and seal do not depend on them, and a repair removes them.
    if set(group) != {"zarr_format", "node_type", "attributes"} or group["node_type"] != "group":
        plain = "exactly zarr_format, node_type group and attributes"
        note("zarr.json", unsafe(path, "no plain Zarr group", plain, ", ".join(group)))
    if more := sorted(set(attributes) - _SEAL - {"dgkd"}):
        note("zarr.json", unsafe(path, "other attributes", "dgkd, dgkd_seal, dgkd_digests", ", ".join(more)))
    return header, attributes


def _seal(
    path: Path, attributes: Mapping[str, JsonValue], names: set[str], layout: StoreLayout, note: Note
) -> Seal | None:
    """Returns the seal of a store whose folder has these names, each checked against the layout."""
    seal = None
    if "dgkd_seal" in attributes:
        seal = read_seal(path, attributes["dgkd_seal"], attributes["dgkd_digests"], arrays=layout.others)
    for odd in sorted(names - {"zarr.json", *layout.arrays}):
        note(odd, unsafe(path, "a name that is none of a guide store's", ", ".join(layout.arrays), odd))
    return seal


def _check_array(folder: Path, array: ArrayLayout, note: Note) -> None:
    try:
        metadata = array_metadata(folder)
        found = {key: value for key, value in metadata.items() if value != _OPTIONAL.get(key, ...)}
        wanted = {key: value for key, value in array.metadata().items() if key not in _OPTIONAL}
        if _same_codecs(found.get("codecs"), array):
            found["codecs"] = wanted["codecs"]
        for key in sorted({*found, *wanted}):
            if key not in found or key not in wanted or not same_json(found[key], wanted[key]):
                expected = json.dumps(wanted[key]) if key in wanted else "no such key"
                raise unsafe(folder, key, expected, json.dumps(found[key]) if key in found else "nothing")
    except (UnsafeStore, Damaged) as error:
        note(f"{folder.name}/zarr.json", error)


def _as_found(folder: Path, array: ArrayLayout) -> dict[str, JsonValue]:
    """Returns our writer's metadata, but with the compressor's settings as found."""
    ours = array.metadata()
    try:
        found = read_metadata(folder / "zarr.json").get("codecs")
    except (DgkdError, OSError):
        return ours
    if isinstance(found, list) and array.zarr_codec.matches(found[1:], array.numpy_dtype.itemsize):
        stages = ours["codecs"]
        assert isinstance(stages, list)
        ours["codecs"] = [*stages[:1], *found[1:]]
    return ours


def _same_codecs(found: JsonValue, array: ArrayLayout) -> bool:
    """Returns True if the codecs are equivalent to ours; a byte order of uint8 and a compression level are free."""
    if not isinstance(found, list) or not found:
        return False
    itemsize = array.numpy_dtype.itemsize
    plain = same_json(found[0], _ENDIAN_OF_BYTES) or (itemsize == 1 and same_json(found[0], {"name": "bytes"}))
    return plain and array.zarr_codec.matches(found[1:], itemsize)


def _entries(folder: Path, prefix: str, note: Note) -> list[os.DirEntry[str]]:
    """Lists regular files and folders; refuses anything else."""
    with os.scandir(folder) as entries:
        found = list(entries)
    plain = []
    for entry in found:
        if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
            plain.append(entry)
        else:
            odd = unsafe(folder, "neither a plain file nor a folder", "no link, pipe or device", entry.name)
            note(prefix + entry.name, odd)
    return plain


def _chunk_files(folder: Path, array: ArrayLayout, note: Note) -> tuple[NDArray[np.bool_], list[str], int]:
    there = np.zeros(array.grid, dtype=np.bool_)
    wrong_size, nbytes = [], 0
    for entry in _entries(folder, f"{folder.name}/", note) if folder.is_dir() else []:
        size = entry.stat(follow_symlinks=False).st_size
        nbytes += size
        if entry.name == "zarr.json" and entry.is_file(follow_symlinks=False):
            continue
        position = chunk_position(entry.name)
        inside = len(position) == there.ndim and all(at < size for at, size in zip(position, there.shape, strict=True))
        if not inside or not entry.is_file(follow_symlinks=False):
            odd = unsafe(folder, "a name that is no chunk's", f"c.0.0 ... within {there.shape}", entry.name)
            note(f"{folder.name}/{entry.name}", odd)
            continue
        there[position] = array.codec.plausible(size, array.chunk_bytes)
        if not there[position]:
            wrong_size.append(f"{folder.name}/{entry.name}")
    return there, wrong_size, nbytes
