"""Stop, go on, get the same bytes; refuse to go on with anything else; lose nothing to a full disk."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import (
    ChunkSlot,
    DamagedStore,
    GuideStore,
    GuideStoreWriter,
    Incomplete,
    InvalidInput,
    Mismatch,
    NoSpace,
    StoreHeader,
)

pytestmark = pytest.mark.usefixtures("small_chunks")


def test_stopped_after_every_chunk(recipe: Any, read_tree: Any, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole.zarr", tmp_path / "stopped.zarr"
    seal = recipe().write(whole)
    runs = 0
    while (again := recipe().write(stopped, chunks=1)) is None:
        runs += 1
        assert {path.name for path in tmp_path.iterdir()} == {"whole.zarr", "stopped.zarr"}
        with pytest.raises(Incomplete, match="is not finished: expected a sealed store of 3 views, found no seal"):
            GuideStore.open(stopped)
    assert again == seal and runs == 3 * 4 - 1
    assert read_tree(stopped) == read_tree(whole)


def test_slots_are_whole_chunks_in_order(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity, views=range(1, 3)) as writer:
        starts = [(0, 16), (16, 32), (32, 48), (48, 50)]
        assert list(writer.missing()) == [ChunkSlot(view, *rows) for view in (1, 2) for rows in starts]
        writer.write(ChunkSlot(2, 16, 32), small.logits(2)[16:32])
        assert ChunkSlot(2, 16, 32) not in list(writer.missing())
        assert writer.seal() is None


def test_two_writers_of_different_views(recipe: Any, read_tree: Any, tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole.zarr", tmp_path / "shared.zarr"
    seal, small = recipe().write(whole), recipe()
    with (
        GuideStoreWriter(shared, small.header, small.identity, views=range(0, 1)) as first,
        GuideStoreWriter(shared, small.header, small.identity, views=range(1, 3)) as second,
    ):
        for writer in (second, first):
            assert writer.seal() is None
            for slot in writer.missing():
                writer.write(slot, small.logits(slot.view)[slot.start : slot.stop])
        assert second.seal() == seal == first.seal()
    assert read_tree(shared) == read_tree(whole)
    assert not (tmp_path / "shared.zarr.writing").exists()


def test_a_sealed_store_stays_as_it_is(recipe: Any, read_tree: Any, tmp_path: Path) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    seal, before = small.write(path), read_tree(path)
    with GuideStoreWriter(path, small.header, small.identity) as writer:
        assert list(writer.missing()) == [] and writer.seal() == seal
        with pytest.raises(InvalidInput, match="expected one that `missing\\(\\)` gives"):
            writer.write(ChunkSlot(0, 0, 16), small.logits(1)[:16])
    assert read_tree(path) == before


def test_order_on_disk(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and its folder are synced before the digest that vouches for them is begun."""
    small, names, events = recipe(), {}, []
    path = tmp_path / "a.zarr"
    really = {name: getattr(os, name) for name in ("open", "fsync", "replace")}

    def opened(file: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        handle = really["open"](file, flags, *args, **kwargs)
        names[handle] = os.path.relpath(file, tmp_path)
        return handle

    def synced(handle: int) -> None:
        really["fsync"](handle)
        events.append(("fsync", names[handle]))

    def replaced(source: Any, target: Any) -> None:
        really["replace"](source, target)
        events.append(("replace", os.path.relpath(target, tmp_path)))

    with GuideStoreWriter(path, small.header, small.identity) as writer:
        for name, function in (("open", opened), ("fsync", synced), ("replace", replaced)):
            monkeypatch.setattr(os, name, function)
        writer.write(ChunkSlot(0, 0, 16), small.logits(0)[:16])
        monkeypatch.undo()
    assert events == [
        ("fsync", "a.zarr.writing/views-0-2/logits.c.0.0.0.partial"),
        ("replace", "a.zarr/logits/c.0.0.0"),
        ("fsync", "a.zarr/logits"),
        ("fsync", "a.zarr.writing/views-0-2/digest.c.0.0.0.partial"),
        ("replace", "a.zarr/digest/c.0.0.0"),
        ("fsync", "a.zarr/digest"),
    ]


def other_compute(header: StoreHeader) -> StoreHeader:
    return replace(header, compute={**header.compute, "torch": "2.10.0", "threads": 2})


def other_weights(header: StoreHeader) -> StoreHeader:
    return replace(header, guide=replace(header.guide, weights_digest="c" * 64))


@pytest.mark.parametrize(
    ("change", "named", "expected", "found"),
    [
        (other_compute, "compute.threads, compute.torch", 'compute.torch "2.9.0"', 'compute.torch "2.10.0"'),
        (other_weights, "guide.weights_digest", "a" * 64, "c" * 64),
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_another_header(
    recipe: Any,
    read_tree: Any,
    tmp_path: Path,
    change: Any,
    named: str,
    expected: str,
    found: str,
    sealed: bool,
) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path, chunks=None if sealed else 2)
    before = read_tree(tmp_path)
    with pytest.raises(Mismatch) as caught:
        GuideStoreWriter(path, change(small.header), small.identity)
    assert caught.value.exit_code == 13
    assert named in caught.value.problem and expected in caught.value.expected and found in caught.value.found
    assert f"remove {path}" in caught.value.do
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("label_N", "label"),
        ("sample_digest_N16", "sample_digest"),
        ("view_digest_V32", "view_digest"),
        ("probe", "probe"),
        ("test_logits_MC", "test_logits"),
        ("test_label_M", "test_label"),
        ("test_sample_digest_M16", "test_sample_digest"),
    ],
)
def test_another_identity(recipe: Any, tmp_path: Path, field: str, name: str) -> None:
    small = recipe()
    small.write(tmp_path / "a.zarr", chunks=1)
    changed = getattr(small.identity, field).copy()
    changed[2] = np.roll(changed[2], 1) if changed.ndim > 1 else (changed[2] + 1) % 7
    with pytest.raises(Mismatch, match=f"begun with another {name}: expected row 2 to be .*, found") as caught:
        GuideStoreWriter(tmp_path / "a.zarr", small.header, replace(small.identity, **{field: changed}))
    assert caught.value.exit_code == 13


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("label_N", np.zeros(49, np.int64), r"array label: expected int64 \(50,\), found int64 \(49,\)"),
        ("label_N", np.zeros(50, np.int32), "array label: expected int64 .*, found int32"),
        ("label_N", np.full(50, 7), "expected labels from 0 to 6, found 7 to 7"),
        ("probe", np.zeros((64, 64), np.int32), r"array probe: expected uint8 \(64, 32\)"),
        ("test_logits_MC", np.zeros((11, 7)), "test_logits: expected float32, found float64"),
    ],
)
def test_identity_that_does_not_fit(recipe: Any, tmp_path: Path, field: str, value: Any, message: str) -> None:
    small = recipe()
    with pytest.raises(InvalidInput, match=message):
        GuideStoreWriter(tmp_path / "a.zarr", small.header, replace(small.identity, **{field: value}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("views", [range(0, 0), range(2, 4), range(-1, 1), range(0, 3, 2)])
def test_views_outside_the_store(recipe: Any, tmp_path: Path, views: range) -> None:
    with pytest.raises(InvalidInput, match=r"views to write: expected some of range\(0, 3\), found"):
        GuideStoreWriter(tmp_path / "a.zarr", recipe().header, recipe().identity, views=views)


def test_bad_rows_are_refused_and_stay_missing(recipe: Any, tmp_path: Path) -> None:
    small = recipe(encoding="float16")
    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity, views=range(1, 2)) as writer:
        slot = next(writer.missing())
        rows = small.logits(1)[slot.start : slot.stop]
        for bad, message in (
            (rows[:-1], r"expected float32 \(32, 7\), found float32 \(31, 7\)"),
            (rows.astype(np.float64), "found float64"),
            (rows * np.float32(1e8), "too large for float16"),
            (np.full_like(rows, np.nan), "expected finite logits"),
        ):
            with pytest.raises(InvalidInput, match=message):
                writer.write(slot, bad)
        with pytest.raises(InvalidInput, match="a slot to write"):
            writer.write(ChunkSlot(0, 0, 32), rows)
        with pytest.raises(InvalidInput, match="a slot to write"):
            writer.write(ChunkSlot(1, 8, 40), rows)
        assert next(writer.missing()) == slot
        assert list((tmp_path / "a.zarr" / "logits").iterdir()) == [tmp_path / "a.zarr" / "logits" / "zarr.json"]


@pytest.mark.parametrize(
    ("function", "code"),
    [("write", errno.ENOSPC), ("write", errno.EDQUOT)]
    + [(name, errno.ENOSPC) for name in ("open", "mkdir", "fsync", "replace", "rename")],
)
def test_a_full_disk_at_every_write(
    recipe: Any, read_tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, code: int
) -> None:
    small = recipe(views=1, samples=20)
    seal, whole = small.write(tmp_path / "whole.zarr"), read_tree(tmp_path / "whole.zarr")
    really = getattr(os, function)
    left = 0

    def full(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if function != "open" or args[1] & os.O_CREAT:
            left -= 1
            if left == 0:
                raise OSError(code, os.strerror(code))
        return really(*args, **kwargs)

    for point in range(1, 1000):
        store = tmp_path / f"{point}" / "full.zarr"
        store.parent.mkdir()
        left = point
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            try:
                assert small.write(store) == seal
                if left > 0:
                    break
            except NoSpace as error:
                assert error.exit_code == 14 and "run the same command again" in str(error)
        assert [path.name for path in store.parent.iterdir()] in ([], ["full.zarr"])
        assert small.write(store) == seal and read_tree(store.parent / "full.zarr") == whole
    assert point > (1 if function == "rename" else 3)


def test_the_same_writer_goes_on_after_a_full_disk(
    recipe: Any, read_tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = recipe()
    seal = small.write(tmp_path / "whole.zarr")

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity) as writer:
        for slot in list(writer.missing()):
            rows = small.logits(slot.view)[slot.start : slot.stop]
            with monkeypatch.context() as patch, pytest.raises(NoSpace, match="no space left while writing"):
                patch.setattr(os, "replace", full)
                writer.write(slot, rows)
            assert next(writer.missing()) == slot
            writer.write(slot, rows)
        with monkeypatch.context() as patch, pytest.raises(NoSpace):
            patch.setattr(os, "replace", full)
            writer.seal()
        assert writer.seal() == seal
    assert read_tree(tmp_path / "a.zarr") == read_tree(tmp_path / "whole.zarr")


def test_a_chunk_lost_before_the_seal_is_written_again(recipe: Any, read_tree: Any, tmp_path: Path) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(tmp_path / "whole.zarr")
    small.write(path, seal=False)
    (path / "logits" / "c.1.2.0").unlink()
    os.truncate(path / "logits" / "c.2.0.0", 5)
    with GuideStoreWriter(path, small.header, small.identity) as writer:
        assert writer.seal() is None
        lost = list(writer.missing())
        assert lost == [ChunkSlot(1, 32, 48), ChunkSlot(2, 0, 16)]
        for slot in lost:
            writer.write(slot, small.logits(slot.view)[slot.start : slot.stop])
        assert writer.seal()
    assert read_tree(path) == read_tree(tmp_path / "whole.zarr")


def test_a_sealed_store_that_lost_a_chunk(recipe: Any, tmp_path: Path) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path)
    (path / "logits" / "c.1.2.0").unlink()
    with pytest.raises(DamagedStore, match="sealed and has lost rows: .*view 1.*dump --model ta1") as caught:
        GuideStoreWriter(path, small.header, small.identity)
    assert caught.value.exit_code == 12


def test_no_folder_is_made_into_a_store(recipe: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(Exception, match="expected a zarr.json, found a folder without one"):
        recipe().write(tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]
