"""What a store lies in: a Zarr folder, plain or compressed."""

from __future__ import annotations

from pathlib import Path

from .container import Container, Place, dump_again
from .zarr_folder import ZarrFolder

__all__ = ["Container", "Place", "ZarrFolder", "dump_again", "open_container"]


def open_container(path: Path) -> Container:
    """Look over whatever lies at `path`, as its container does; nothing in it is decoded but the header."""
    return ZarrFolder.inspect(path)
