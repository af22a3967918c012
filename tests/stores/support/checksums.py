"""Blocks of HDF5 metadata with the checksum that fits them, for tests that change such blocks."""

from __future__ import annotations

from dgkd_stores.containers.hdf5_blocks import checksum

__all__ = ["add_checksum"]


def add_checksum(block: bytes) -> bytes:
    """Returns a block with its checksum after it."""
    return block + checksum(block).to_bytes(4, "little")
