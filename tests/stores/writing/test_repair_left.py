"""Things that repair leaves as they are: foreign files, links, a lost header, rows that are no numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.damage import flip, mend

from dgkd_stores import (
    ChunkSlot,
    Damaged,
    InvalidInput,
    Locked,
    StoreNotFound,
    UnsafeStore,
    convert,
)
from dgkd_stores.disk.locks import ViewLock
from dgkd_stores.writing.repair import StoreRepair

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.mark.parametrize("name", ["evil.py", "logits/c.9.0.0", "label/more"])
def test_foreign_files_are_named_and_kept(whole: tuple[Any, Path], read_tree: Any, name: str) -> None:
    small, path = whole
    (path / name).write_text("mine")
    flip(path / "label" / "zarr.json", 3)
    before = read_tree(path.parent)
    with pytest.raises(UnsafeStore, match=f"found {name}; remove them, which no repair does") as caught:
        mend(small, path)
    assert caught.value.exit_code == 15 and read_tree(path.parent) == before


def test_links_are_not_followed(whole: tuple[Any, Path], tmp_path: Path) -> None:
    small, path = whole
    (tmp_path / "mine").write_text("precious")
    (path / "probe" / "c.0.0").unlink()
    (path / "probe" / "c.0.0").symlink_to(tmp_path / "mine")
    with pytest.raises(UnsafeStore, match="probe/c.0.0"):
        mend(small, path)
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_lost_header(whole: tuple[Any, Path], read_tree: Any) -> None:
    small, path = whole
    good = (path / "zarr.json").read_bytes()
    (path / "zarr.json").write_bytes(good.replace(b'"licence": ""', b'"licence": "x"'))
    with pytest.raises(Damaged, match="header or the seal is not what was sealed.*dump --model ta1"):
        mend(small, path)
    (path / "zarr.json").write_bytes(good[:100])
    with pytest.raises(UnsafeStore, match="no proper JSON.*nothing else tells a header: check the path, get"):
        mend(small, path)
    (path / "zarr.json").unlink()
    with pytest.raises(StoreNotFound, match="a folder without one; check the path.*lost its header"):
        mend(small, path)


def test_rows_that_are_no_numbers_stay(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            "dgkd_stores.coding.encodings.Float32.encode", lambda self, logits_BC: {"logits": logits_BC * np.inf}
        )
        small = recipe()
        small.write(tmp_path / "a.zarr")
    with pytest.raises(Damaged, match="no numbers"):
        mend(small, tmp_path / "a.zarr")


def test_one_at_a_time(whole: tuple[Any, Path]) -> None:
    small, path = whole
    with ViewLock(path, range(3, 4), guide="ta1"), pytest.raises(Locked, match="are being written"):
        mend(small, path)
    mend(small, path)


def test_what_does_not_come_back_from_the_disk(whole: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    small, path = whole
    flip(path / "logits" / "c.0.0.0", 0)
    really = os.replace

    def broken(source: Any, target: Any) -> None:
        really(source, target)
        flip(Path(target), 1)

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(Damaged, match=r"logits/c.0.0.0 is still damaged after its repair.*look at the disk"):
        mend(small, path)


def test_hdf5_is_not_mended(whole: tuple[Any, Path], tmp_path: Path) -> None:
    convert(whole[1], tmp_path / "a.h5")
    with pytest.raises(InvalidInput, match="get it again, or export it again"):
        StoreRepair(tmp_path / "a.h5")


def test_rows_that_were_not_asked_for(whole: tuple[Any, Path]) -> None:
    small, path = whole
    flip(path / "logits" / "c.1.1.0", 5)
    with StoreRepair(path) as repair:
        (slot,) = repair.lost_chunks
        for bad in (small.logits(3)[16:31], small.logits(3)[16:32].astype(np.float64), small.logits(3)[16:32, :6]):
            with pytest.raises(InvalidInput, match="logits of a chunk"):
                repair.write(slot, bad)
        with pytest.raises(InvalidInput, match="expected one of `lost_chunks`"):
            repair.write(ChunkSlot(2, 0, 16), small.logits(2)[:16])
        assert repair.lost_chunks == [slot] and repair.mended == []
