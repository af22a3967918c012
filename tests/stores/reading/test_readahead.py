"""Reading ahead: the files and bytes of exactly the expected rows are asked for, once, and nothing depends on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import GuideStore, InvalidInput, convert
from dgkd_stores.reading import readahead

pytestmark = [
    pytest.mark.usefixtures("small_chunks"),
    pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system reads nothing ahead"),
]


def test_the_expected_bytes_are_asked_for_once(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = recipe(first_view=2)
    small.write(tmp_path / "a.zarr")
    asked: list[tuple[str, int, int]] = []

    def advise(handle: int, offset: int, nbytes: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        asked.append((Path(os.readlink(f"/proc/self/fd/{handle}")).name, offset, nbytes))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    monkeypatch.setattr(readahead, "STRETCH_BYTES", 8 * 28)  # 8 of the 16 rows of a chunk; a row is 7 float32
    with GuideStore.open(tmp_path / "a.zarr") as store:
        store.expect([2, 2, 3], [0, 25, 49])
        assert sorted(asked) == [("c.0.0.0", 0, 224), ("c.0.1.0", 224, 224), ("c.1.3.0", 0, 224)]
        store.expect([3, 2, 2], [48, 7, 31])
        assert len(asked) == 3
        with pytest.raises(InvalidInput):
            store.expect([5], [0])
        os.unlink(tmp_path / "a.zarr" / "logits" / "c.2.0.0")
        store.expect([4], [0])  # what is lost is told when it is read
        assert len(asked) == 3 and (store.gather([2], [25])[0] == small.logits(2)[25]).all()


def test_compressed_chunks_are_asked_for_whole(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe().write(tmp_path / "raw.zarr")
    convert(tmp_path / "raw.zarr", tmp_path / "a.zarr", codec="zstd")
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda handle, offset, nbytes, advice: asked.append((offset, nbytes)))
    with GuideStore.open(tmp_path / "a.zarr") as store:
        store.expect(np.zeros(50, np.int64), np.arange(50))
        assert asked == [(0, 0)] * 4
