"""Addresses for the rows of many chunks: bounded, given back, and files mapped from any byte on."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.mappings import mappings, needs_maps

from dgkd_stores.reading import mapped
from dgkd_stores.reading.address_space import Addresses
from dgkd_stores.reading.row_index import Placed

pytestmark = [pytest.mark.usefixtures("small_chunks"), needs_maps]


@pytest.mark.slow
def test_as_many_mappings_as_the_limit_can_be_had(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(4096))
    rows = Addresses(chunks=mapped.MAX_MAPPINGS + 1000, chunk_bytes=4096, row_bytes=8)
    for chunk in range(mapped.MAX_MAPPINGS):
        rows.map(chunk, tmp_path / "rows")
    assert mappings(tmp_path) == mapped.MAX_MAPPINGS


def test_addresses_are_given_back(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")

    def addresses() -> int:
        fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
        return int(fields[0]) * 4096

    def use() -> None:
        rows = Addresses(chunks=2**10, chunk_bytes=2**30, row_bytes=8)
        del rows

    use()
    gc.collect()
    before = addresses()
    for _ in range(100):  # 100 TiB in all
        use()
    gc.collect()
    assert addresses() - before < 2**40


def test_chunks_anywhere_in_a_file(tmp_path: Path) -> None:
    content = np.random.default_rng(0).integers(0, 256, 40_000, dtype=np.uint8)
    (tmp_path / "rows").write_bytes(content.tobytes())
    rows = Addresses(chunks=3, chunk_bytes=9000, row_bytes=90)
    starts = (1, 4096, 31_000)
    for chunk, start in enumerate(starts):
        assert (rows.map(chunk, tmp_path / "rows", start, 9000) == content[start : start + 9000]).all()
    chunk_B, row_B = np.array([2, 0, 1, 2, 0]), np.array([99, 0, 50, 0, 98])
    expected = [content[starts[chunk] + 90 * row :][:90] for chunk, row in zip(chunk_B, row_B, strict=True)]
    assert (rows.gather(Placed(chunk_B, row_B)).view(np.uint8).reshape(-1, 90) == np.stack(expected)).all()
    for start, nbytes in ((31_001, 9000), (0, 0), (0, 20_000)):
        with pytest.raises(ValueError, match="a file of 40000 bytes where"):
            rows.map(0, tmp_path / "rows", start, nbytes)


def test_too_few_addresses_are_an_error_and_no_crash(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")
    code = f"""
import resource
from dgkd_stores import GuideStore, InvalidInput, RowIndex
from dgkd_stores.reading.address_space import Addresses
from dgkd_stores.reading.row_index import Placed
with GuideStore.open({str(tmp_path / "a.zarr")!r}) as store:
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    store.gather([0], [0])
    try:
        Addresses(chunks=2**10, chunk_bytes=2**30, row_bytes=8)
    except OSError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ulimit -v" in done.stdout
