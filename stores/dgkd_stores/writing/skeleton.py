"""Creates a store's folder without its rows: metadata and whole arrays, before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dgkd_stores.coding.digests import Seal
from dgkd_stores.disk.files import sync_folder, write_synced
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import StoreLayout, group_metadata, json_file

__all__ = ["write_skeleton"]


def write_skeleton(
    folder: Path,
    header: StoreHeader,
    layout: StoreLayout,
    identity: Mapping[str, NDArray[Any]],
    *,
    seal: Seal | None = None,
) -> None:
    """Creates `folder`, durable except for its own name; `identity` is that of `IdentityArrays.encoded`."""
    folder.mkdir()
    for name, array in layout.arrays.items():
        (folder / name).mkdir()
        write_synced(folder / name / "zarr.json", json_file(array.metadata()))
        if name in identity and array.nbytes:
            write_synced(folder / name / array.key(*(0 for _ in array.shape)), array.encode(identity[name]))
        sync_folder(folder / name)
    write_synced(folder / "zarr.json", json_file(group_metadata(header, seal)))
    sync_folder(folder)
