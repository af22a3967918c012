"""HDF5's checksum and messages of types, against published values and HDF5's own library."""

from __future__ import annotations

from dgkd_stores.containers.hdf5_format import checksum


def test_checksums_as_published() -> None:
    """lookup3.c, driver5."""
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551
