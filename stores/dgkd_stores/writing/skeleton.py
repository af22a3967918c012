"""Creates a store's folder without its rows: metadata and whole arrays, before it is published.

Zarr's own API does not give the bytes that stores/FORMAT.md lays out: it keeps keys in an order of its own, adds
`storage_transformers`, escapes letters outside ASCII and ends without a newline (3.1.6 and 3.4.2). Its files mean the
same; `test_metadata_is_what_zarr_would_write` shows both.
"""

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
            write_synced(folder / name / array.key(*array.only_chunk), array.encode(identity[name]))
        sync_folder(folder / name)
    write_synced(folder / "zarr.json", json_file(group_metadata(header, seal)))
    sync_folder(folder)
