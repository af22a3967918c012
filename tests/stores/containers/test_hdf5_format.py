"""HDF5's checksum and messages of types, against published values and HDF5's own library."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from dgkd_stores.containers.hdf5_format import DATATYPE, DATATYPES, SIGNATURE, checksum


def test_checksums_as_published() -> None:
    """lookup3.c, driver5."""
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551


@pytest.mark.parametrize("name", DATATYPES)
def test_types_as_the_library_writes_them(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        file.create_dataset("a", data=np.zeros(3, name))
    data = (tmp_path / "a.h5").read_bytes()
    assert SIGNATURE == data[: len(SIGNATURE)]
    heads = {known: re.escape(struct.pack("<BH", DATATYPE, len(body))) + b"." for known, body in DATATYPES.items()}
    found = [known for known, body in DATATYPES.items() if re.search(heads[known] + re.escape(body), data, re.S)]
    assert found == [name]
