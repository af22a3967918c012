"""A repaired store is the store that was sealed, file by file; what is not proven is not written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stores.support.damage import flip, mend

from dgkd_stores import ChunkSlot, Damaged, GuideStore, InvalidInput, Mismatch, NoSpace, UnsafeStore, convert, verify
from dgkd_stores.format.layout import json_file
from dgkd_stores.writing.repair import StoreRepair

pytestmark = pytest.mark.usefixtures("small_chunks")


def swap(path: Path) -> None:
    first, second = path / "logits" / "c.0.0.0", path / "logits" / "c.2.1.0"
    shutil.move(first, path / "x")
    shutil.move(second, first)
    shutil.move(path / "x", second)


def rechunked(path: Path) -> None:
    file = path / "logits" / "zarr.json"
    metadata = json.loads(file.read_bytes())
    metadata["chunk_grid"]["configuration"]["chunk_shape"][1] = 24
    file.write_bytes(json_file(metadata))


def wrong_digests(path: Path) -> None:
    group = json.loads((path / "zarr.json").read_bytes())
    group["attributes"]["dgkd_digests"]["probe"] = "0" * 64
    (path / "zarr.json").write_bytes(json_file(group))


Damaging = Callable[[Path], Any]

NO_GUIDE: dict[str, tuple[Damaging, list[str]]] = {
    "metadata": (lambda path: flip(path / "label" / "zarr.json", 3), ["label/zarr.json"]),
    "lost metadata": (lambda path: (path / "logits" / "zarr.json").unlink(), ["logits/zarr.json"]),
    "other metadata": (rechunked, ["logits/zarr.json"]),
    "white space": (
        lambda path: os.truncate(path / "zarr.json", (path / "zarr.json").stat().st_size - 1),
        ["zarr.json"],
    ),
    "digests of arrays": (wrong_digests, ["zarr.json"]),
    "padding": (lambda path: flip(path / "logits" / "c.1.3.0", -1), ["logits/c.1.3.0"]),
    "digest": (lambda path: flip(path / "digest" / "c.1.0.0", 5), ["digest/c.1.0.0"]),
    "lost digest": (lambda path: (path / "digest" / "c.1.0.0").unlink(), ["digest/c.1.0.0"]),
    "cut digest": (lambda path: os.truncate(path / "digest" / "c.1.0.0", 3), ["digest/c.1.0.0"]),
}


@pytest.mark.parametrize("name", NO_GUIDE)
def test_what_needs_no_guide(whole: tuple[Any, Path], read_tree: Any, name: str) -> None:
    (small, path), (damaging, files) = whole, NO_GUIDE[name]
    before = read_tree(path)
    damaging(path)
    assert read_tree(path) != before and verify(path, full=True).exit_code == 12
    assert mend(small, path) == (files, [])
    assert read_tree(path.parent) == {"a.zarr": None} | {f"a.zarr/{file}": data for file, data in before.items()}


ROWS: dict[str, tuple[Damaging, list[ChunkSlot]]] = {
    "a bit": (lambda path: flip(path / "logits" / "c.1.1.0", 3), [ChunkSlot(3, 16, 32)]),
    "a lost chunk": (lambda path: (path / "logits" / "c.2.3.0").unlink(), [ChunkSlot(4, 48, 50)]),
    "a cut chunk": (lambda path: os.truncate(path / "logits" / "c.0.0.0", 9), [ChunkSlot(2, 0, 16)]),
    "swapped chunks": (swap, [ChunkSlot(2, 0, 16), ChunkSlot(4, 16, 32)]),
    "padding and rows": (
        lambda path: (flip(path / "logits" / "c.1.3.0", -1), flip(path / "logits" / "c.1.3.0", 0)),
        [ChunkSlot(3, 48, 50)],
    ),
    "an array's folder": (
        lambda path: shutil.rmtree(path / "logits"),
        [ChunkSlot(view, start, min(start + 16, 50)) for view in (2, 3, 4) for start in (0, 16, 32, 48)],
    ),
    "digests of another view": (
        lambda path: (flip(path / "logits" / "c.1.1.0", 3), flip(path / "digest" / "c.2.0.0", 3)),
        [ChunkSlot(3, 16, 32)],
    ),
    "a lost digest of the same view": (
        lambda path: (flip(path / "logits" / "c.1.1.0", 3), (path / "digest" / "c.1.0.0").unlink()),
        [ChunkSlot(3, start, min(start + 16, 50)) for start in (0, 16, 32, 48)],
    ),
    "a flipped digest of the same rows": (
        lambda path: (flip(path / "logits" / "c.1.1.0", 3), flip(path / "digest" / "c.1.0.0", 2 * 32)),
        [ChunkSlot(3, 16, 32)],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_computed_again_and_no_others(whole: tuple[Any, Path], read_tree: Any, name: str) -> None:
    (small, path), (damaging, slots) = whole, ROWS[name]
    before = read_tree(path)
    damaging(path)
    assert verify(path, full=True).exit_code == 12
    assert mend(small, path)[1] == slots
    assert read_tree(path.parent) == {"a.zarr": None} | {f"a.zarr/{file}": data for file, data in before.items()}


@pytest.mark.parametrize("name", ROWS)
def test_other_rows_are_refused_and_nothing_changes(whole: tuple[Any, Path], read_tree: Any, name: str) -> None:
    (small, path), (damaging, _) = whole, ROWS[name]
    damaging(path)
    before = read_tree(path)
    with pytest.raises(Mismatch, match="come out otherwise than they were sealed, and are left as they are") as caught:
        mend(small, path, change=1e-3)
    assert caught.value.exit_code == 13 and "on the machine that made it" in caught.value.do
    after = read_tree(path.parent)
    changed = {name for name, data in before.items() if after[f"a.zarr/{name}"] != data}
    assert changed <= {"digest/c.2.0.0"}, "that one was proven"
    assert not [file for file in after if "writing" in file]


@pytest.mark.parametrize("array", ["label", "sample_digest", "view_digest", "probe", "test_logits", "test_label"])
@pytest.mark.parametrize("change", ["flip", "cut", "lost", "folder"])
def test_whole_arrays(whole: tuple[Any, Path], read_tree: Any, array: str, change: str) -> None:
    small, path = whole
    before = read_tree(path)
    (file,) = (path / array).glob("c.*")
    match change:
        case "flip":
            flip(file, 1)
        case "cut":
            os.truncate(file, 1)
        case "lost":
            file.unlink()
        case "folder":
            shutil.rmtree(path / array)
    with StoreRepair(path) as repair:
        assert repair.lost_arrays == (array,) and repair.lost_chunks == []
        assert (repair.test_rows_MF is None) == (array == "test_logits")
    files, slots = mend(small, path)
    assert slots == [] and files[-1] == f"{array}/{file.name}"
    assert read_tree(path) == before


def test_other_arrays_are_refused(whole: tuple[Any, Path], read_tree: Any) -> None:
    small, path = whole
    flip(path / "label" / "c.0", 0)
    flip(path / "probe" / "c.0.0", 0)
    before = read_tree(path)
    identity = replace(small.identity, probe=np.roll(small.identity.probe, 1))
    with StoreRepair(path) as repair, pytest.raises(Mismatch, match="probe come out otherwise"):
        repair.mend()
        repair.write_arrays(identity)
    assert read_tree(path) == before


@pytest.mark.parametrize("encoding", ["float16", "float32", "uint8", "factored", "topk"])
@pytest.mark.parametrize("codec", ["none", "zstd", "blosc"])
def test_everything_at_once(recipe: Any, tmp_path: Path, read_tree: Any, encoding: str, codec: str) -> None:
    small, path = recipe(encoding=encoding), tmp_path / "a.zarr"
    small.write(tmp_path / "raw.zarr")
    convert(tmp_path / "raw.zarr", path, codec=codec)
    before = read_tree(path)
    for file in (path / "logits" / "c.0.0.0", path / "digest" / "c.1.0.0", path / "test_label" / "c.0"):
        flip(file, 20)
    for file in (path / "probe" / "zarr.json", path / "logits" / "c.2.1.0"):
        file.unlink()
    _, slots = mend(small, path)
    assert [(slot.view, slot.start == 0) for slot in slots] == [(0, True), (2, False)]
    assert read_tree(path) == before


@pytest.mark.parametrize("lost", [("basis",), ("bias", "test_logits"), ("basis", "bias", "test_logits")])
def test_what_rows_share_is_mended(recipe: Any, tmp_path: Path, read_tree: Any, lost: tuple[str, ...]) -> None:
    """With condensed rows, as a dump computes them; the intact test rows come out as they were."""
    small, path = recipe(encoding="factored"), tmp_path / "a.zarr"
    small.write(path)
    before = read_tree(path)
    flip(path / lost[0] / ("c.0" if lost[0] == "bias" else "c.0.0"), 5)
    for name in lost[1:]:
        (path / name / ("c.0" if name == "bias" else "c.0.0")).unlink()
    flip(path / "logits" / "c.1.0.0", 3)
    with pytest.raises(Damaged), GuideStore.open(path):
        pass
    with StoreRepair(path) as repair:
        assert repair.lost_arrays == lost
        rows_MF = (small.identity.test_logits_MC - small.shared["bias"]) @ small.shared["basis"]
        assert repair.test_rows_MF is None if "test_logits" in lost else (repair.test_rows_MF == rows_MF).all()
        repair.mend()
        repair.write_arrays(replace(small.identity, test_logits_MC=rows_MF, condensed=True))
        (slot,) = repair.lost_chunks
        rows = small.logits(slot.view)[slot.start : slot.stop]
        with pytest.raises(InvalidInput, match=r"logits of a chunk: expected float32 \(32, 6\)"):
            repair.write(slot, rows, condensed=True)
        repair.write(slot, (rows - small.shared["bias"]) @ small.shared["basis"], condensed=True)
        assert repair.finish() is not None
    assert read_tree(path) == before


def test_nothing_is_wrong(whole: tuple[Any, Path], read_tree: Any) -> None:
    small, path = whole
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert mend(small, path) == ([], [])
    assert before == {file: file.stat().st_mtime_ns for file in path.rglob("*")}


def test_an_unfinished_store_is_finished(recipe: Any, tmp_path: Path, read_tree: Any) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(tmp_path / "whole.zarr")
    small.write(path, chunks=6)
    flip(path / "logits" / "c.0.1.0", 0)
    flip(path / "label" / "zarr.json", 3)
    (path / "probe" / "c.0.0").unlink()
    _, slots = mend(small, path)
    assert slots == [ChunkSlot(0, 16, 32), ChunkSlot(1, 32, 48), ChunkSlot(1, 48, 50)] + [
        ChunkSlot(2, start, min(start + 16, 50)) for start in (0, 16, 32, 48)
    ]
    assert read_tree(path) == read_tree(tmp_path / "whole.zarr")


def test_an_unfinished_repair_leaves_no_false_digest(recipe: Any, tmp_path: Path) -> None:
    """The repair writes the digests of an unsealed store after the rows, and not before."""
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path, chunks=6)
    flip(path / "logits" / "c.0.1.0", 0)
    with StoreRepair(path) as repair:
        repair.write(repair.lost_chunks[0], small.logits(0)[16:32])
        assert repair.finish() is None
    with GuideStore.open(path, allow_incomplete=True) as store:
        assert (store.gather(np.zeros(50, np.int64), np.arange(50)) == small.logits(0)).all()


@pytest.mark.parametrize("sealed", [True, False])
def test_what_a_zarr_library_has_added(recipe: Any, tmp_path: Path, read_tree: Any, sealed: bool) -> None:
    """Consolidated metadata and attributes of the user's are no part of a store: refused, found, and taken out."""
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path, seal=sealed)
    before = read_tree(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Zarr's specification does not have it
        zarr.consolidate_metadata(path)
        zarr.open_group(path).attrs["note"] = "mine"
    with pytest.raises(UnsafeStore, match="found .*consolidated_metadata"):
        GuideStore.open(path, allow_incomplete=True)
    assert [(one.kind, one.file) for one in verify(path, full=True).damage] == [("metadata", "zarr.json")]
    with StoreRepair(path) as repair:
        repair.mend()
        assert repair.mended == ["zarr.json"] and repair.lost_chunks == []
    assert read_tree(path) == before


@pytest.mark.parametrize("function", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("name", ["a lost chunk", "a lost digest of the same view"])
def test_a_full_disk_at_every_write(
    whole: tuple[Any, Path], read_tree: Any, monkeypatch: pytest.MonkeyPatch, function: str, name: str
) -> None:
    (small, path), (damaging, _) = whole, ROWS[name]
    before = read_tree(path.parent)
    really = getattr(os, function)
    left = 0

    def full(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if function != "open" or args[1] & os.O_CREAT:
            left -= 1
            if left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(*args, **kwargs)

    for point in range(1, 1000):
        damaging(path)
        flip(path / "label" / "zarr.json", 3)
        left = point
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            try:
                mend(small, path)
                if left > 0:
                    break
            except NoSpace as error:
                assert error.exit_code == 14 and "run the same command again" in str(error)
        assert not list(path.parent.glob("*.writing"))
        mend(small, path)
        assert read_tree(path.parent) == before
    assert point > 2
