"""The registry of hostile stores, the good ones that they are made from, and tools to spoil them with.

Seals and digests are made here by stores/FORMAT.md alone, not by the code under test.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.refusals import edit

from dgkd_stores import DgkdError, GuideStoreWriter, convert

__all__ = [
    "BASES",
    "CAP_MIB",
    "CORPUS",
    "Hostile",
    "build",
    "edit_at",
    "enter",
    "hostile",
    "make_bases",
    "redigest",
    "reseal",
    "small_store",
]

ROWS = ("index", "logits", "scale", "tail")
"""The row arrays of all encodings, in the order of a record."""

CAP_MIB = 48
"""Memory that any work on a hostile store may take beyond that of a process at its start."""

BASES: dict[str, dict[str, Any]] = {
    "raw": {},
    "zstd": {"codec": "zstd"},
    "blosc": {"codec": "blosc"},
    "uint8": {"encoding": "uint8"},
    "factored": {"encoding": "factored"},
    "topk": {"encoding": "topk"},
    "unfinished": {"chunks": 3},
}
"""Good stores: 2 views of 24 samples, 3 classes, blocks of 8 rows, chunks of 16, so that a view's last is padded."""


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One store of the corpus."""

    name: str
    tries: str
    """The attack of the store, in words."""
    spoil: Callable[[Path], None]
    refused: tuple[type[DgkdError], ...]
    """Empty for one that is harmless: it must be read like a good one."""
    base: str
    rows: bool
    """Only whoever decodes rows can tell."""
    says: str
    """Pattern of the message."""
    cap_mib: int
    """The bytes that memory may grow by."""
    reserved_mib: int
    """The bytes that address space may grow by; arrays of the header are reserved, and no page of them is touched."""


CORPUS: dict[str, Hostile] = {}


def enter(
    name: str,
    tries: str,
    spoil: Callable[[Path], None],
    refused: type[DgkdError] | tuple[type[DgkdError], ...] | None,
    *,
    base: str = "raw",
    rows: bool = False,
    says: str = "",
    cap_mib: int = CAP_MIB,
    reserved_mib: int = 0,
) -> None:
    """Enter a store of the corpus: what spoils a good one in a folder, and how it is refused."""
    assert name not in CORPUS, name
    CORPUS[name] = Hostile(
        name=name,
        tries=tries,
        spoil=spoil,
        refused=refused if isinstance(refused, tuple) else (refused,) if refused else (),
        base=base,
        rows=rows,
        says=says,
        cap_mib=cap_mib,
        reserved_mib=reserved_mib or cap_mib,
    )


def hostile(
    refused: type[DgkdError] | tuple[type[DgkdError], ...] | None, **how: Any
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Enter a function that spoils the store in a folder, under its name; its docstring says what the store tries."""

    def enter_function(spoil: Callable[[Path], None]) -> Callable[[Path], None]:
        enter(spoil.__name__, spoil.__doc__ or "", spoil, refused, **how)
        return spoil

    return enter_function


def make_bases(recipe: Any, folder: Path) -> None:
    """The good stores, under their names, by a `SmallStore` of conftest.py."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 100)
        patch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 100)
        patch.setattr("os.fsync", lambda handle: None)
        for name, settings in BASES.items():
            small = small_store(recipe, name)
            codec = settings.get("codec", "none")
            with GuideStoreWriter(folder / name, small.header, small.identity, codec=codec) as writer:
                for slot in list(writer.missing())[: settings.get("chunks")]:
                    rows = small.logits(slot.view)[slot.start : slot.stop]
                    # Whole numbers, which a compressor makes smaller; blosc copies what it cannot.
                    writer.write(slot, rows if small.shared else rows.round())
                writer.seal()
        convert(folder / "raw", folder / "hdf5.h5")
        convert(folder / "raw", folder / "hdf5_gzip.h5", codec="gzip")


def small_store(recipe: Any, base: str) -> Any:
    """The recipe of a good store."""
    return recipe(views=2, samples=24, classes=3, tests=5, width=2, encoding=BASES[base].get("encoding", "float32"))


def build(name: str, bases: Path, folder: Path) -> Path:
    """Make a store of the corpus in a folder of its own, where there is room for what it points at."""
    one = CORPUS[name]
    if one.base.startswith("hdf5"):
        place = folder / name / "store.h5"
        place.parent.mkdir()
        shutil.copy(bases / f"{one.base}.h5", place)
    else:
        place = folder / name / "store.zarr"
        shutil.copytree(bases / one.base, place)
    one.spoil(place)
    return place


def edit_at(file: Path, place: str | tuple[Any, ...], value: Any) -> None:
    """`edit` with a place such as `a.b.0`."""
    keys = [int(key) if key.isdecimal() else key for key in place.split(".")] if isinstance(place, str) else place
    edit(file, *keys, value=value)


def redigest(store: Path) -> None:
    """Make every digest fit the raw rows that are there now, and the seal fit the digests."""
    header = json.loads((store / "zarr.json").read_bytes())["attributes"]["dgkd"]
    samples, rows = header["dataset"]["samples"], header["digest_rows"]
    for view in range(header["views"]):
        parts = []
        for name in ROWS:
            files = sorted((store / name).glob(f"c.{view}.*.0"), key=lambda file: int(file.name.split(".")[2]))
            if files:
                whole = np.frombuffer(b"".join(file.read_bytes() for file in files), dtype=np.uint8)
                chunk = json.loads((store / name / "zarr.json").read_bytes())["chunk_grid"]["configuration"]
                parts.append(whole.reshape(len(files) * chunk["chunk_shape"][1], -1)[:samples])
        records = np.concatenate(parts, axis=1)
        digests = [hashlib.sha256(records[at : at + rows].tobytes()).digest() for at in range(0, samples, rows)]
        (store / "digest" / f"c.{view}.0.0").write_bytes(b"".join(digests))
    reseal(store)


def reseal(store: Path) -> None:
    """A seal that fits whatever header and arrays are there now."""
    group = json.loads((store / "zarr.json").read_bytes())
    header = json.dumps(group["attributes"]["dgkd"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digests = {}
    for folder in sorted(store.iterdir()):
        if folder.is_dir() and folder.name not in ROWS:
            # Only `digest` has several chunks, one for each view.
            files = sorted(folder.glob("c.*"), key=lambda file: int(file.name.split(".")[1]))
            digests[folder.name] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    seal = hashlib.sha256(header.encode())
    for name, digest in sorted(digests.items()):
        seal.update(name.encode() + b"\0" + bytes.fromhex(digest))
    group["attributes"] |= {"dgkd_seal": seal.hexdigest(), "dgkd_digests": digests}
    (store / "zarr.json").write_text(json.dumps(group))
