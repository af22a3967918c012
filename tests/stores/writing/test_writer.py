"""Stop, go on, get the same bytes; refuse to go on with anything else; lose nothing to a full disk."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.disk import FullDisk, watched

from dgkd_stores import (
    ChunkSlot,
    Damaged,
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


def recorded(events: list[tuple[str, str]], folder: Path) -> Any:
    """`watched`, with what is seen added to `events`."""

    def before(name: str, path: Path) -> None:
        # The writer's own folder has a name that is used once.
        events.append((name, re.sub("[0-9a-f]{32}", "own", os.path.relpath(path, folder))))

    return watched(before)


@pytest.mark.parametrize("encoding", ["float32", "uint8"])
def test_order_on_disk_of_a_chunk(recipe: Any, tmp_path: Path, encoding: str) -> None:
    """Data and its folder are synced before their digest is begun."""
    small, path = recipe(encoding=encoding), tmp_path / "a.zarr"
    events: list[tuple[str, str]] = []
    with GuideStoreWriter(path, small.header, small.identity) as writer:
        slot = next(writer.missing())
        with recorded(events, tmp_path):
            writer.write(slot, small.logits(0)[slot.start : slot.stop])
    arrays = {"float32": ["logits", "digest"], "uint8": ["logits", "scale", "digest"]}[encoding]
    expected = []
    for name in arrays:
        partial = f"a.zarr.writing/views-0-2/own/{name}.c.0.0.0.partial"
        expected += [("open", partial), ("write", partial), ("write", partial), ("fsync", partial), ("close", partial)]
        expected += [("replace", f"a.zarr/{name}/c.0.0.0"), ("fsync", f"a.zarr/{name}")]
    assert events == expected


def test_order_on_disk_of_a_new_store(recipe: Any, tmp_path: Path) -> None:
    """Whatever the rename publishes is synced since it was last touched, and the folder it appears in at once after."""
    small, path = recipe(), tmp_path / "new" / "guides" / "a.zarr"
    events: list[tuple[str, str]] = []
    with recorded(events, tmp_path), GuideStoreWriter(path, small.header, small.identity):
        pass
    assert events[:4] == [("mkdir", "new"), ("fsync", "."), ("mkdir", "new/guides"), ("fsync", "new")]
    published = events.index(("rename", "new/guides/a.zarr"))
    assert events[published + 1] == ("fsync", "new/guides")
    made = [path, *path.rglob("*")]
    assert len(made) == 1 + 1 + 9 * 2 + 7, "the store, its zarr.json, nine arrays with theirs, seven of them whole"
    for one in made:
        name = os.path.normpath(
            os.path.join("new/guides/a.zarr.writing/views-0-2/own/skeleton.partial", one.relative_to(path))
        )
        synced = max(at for at, event in enumerate(events) if event == ("fsync", name))
        touched = [
            at
            for at, (what, where) in enumerate(events[:published])
            if (what in ("open", "write", "mkdir") and where == name)
            or (what in ("open", "mkdir") and os.path.dirname(where) == name)
        ]
        assert max(touched) < synced < published, name


def test_order_on_disk_of_the_seal(recipe: Any, tmp_path: Path) -> None:
    """Another writer's last digest may have its name but not durably: the seal comes after it all the same."""
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path, seal=False)
    events: list[tuple[str, str]] = []
    with GuideStoreWriter(path, small.header, small.identity, views=range(0, 1)) as writer, recorded(events, tmp_path):
        writer.seal()
    partial = "a.zarr.writing/views-0-0/own/zarr.json.partial"
    assert [event for event in events if event[0] not in ("open", "write", "close")][:4] == [
        ("fsync", "a.zarr/digest"),
        ("fsync", partial),
        ("replace", "a.zarr/zarr.json"),
        ("fsync", "a.zarr"),
    ]


def other_compute(header: StoreHeader) -> StoreHeader:
    return replace(header, compute={**header.compute, "torch": "2.10.0", "threads": 2})


def other_weights(header: StoreHeader) -> StoreHeader:
    return replace(header, guide=replace(header.guide, weights_digest="c" * 64))


@pytest.mark.parametrize(
    ("change", "named", "expected", "found"),
    [
        (other_compute, "compute.threads, compute.torch", 'compute.torch "2.9.0"', 'compute.torch "2.10.0"'),
        (other_weights, "the logits of another model", "a" * 16, "c" * 16),
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
    with pytest.raises(Mismatch, match=f"made with another {name}: expected row 2 to be .*, found") as caught:
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
    ("names", "code", "lasting", "at_least"),
    [(("mkdir",), errno.EDQUOT, False, 12)]
    + [
        ((name,), errno.ENOSPC, False, least)
        for name, least in [("write", 50), ("open", 25), ("fsync", 45), ("close", 25), ("mkdir", 12), ("replace", 7)]
    ]
    + [(("rename",), errno.ENOSPC, False, 2), (("write", "open", "mkdir"), errno.ENOSPC, True, 90)],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_full_disk_at_every_call(
    recipe: Any,
    read_tree: Any,
    tmp_path: Path,
    names: tuple[str, ...],
    code: int,
    lasting: bool,
    at_least: int,
) -> None:
    """Whatever call meets it, once or from there on: NoSpace, nothing lost, and the same bytes once there is room."""
    small = recipe(views=1, encoding="uint8")
    seal, whole = small.write(tmp_path / "whole.zarr"), read_tree(tmp_path / "whole.zarr")
    for point in range(1, 1000):
        folder = tmp_path / str(point)
        store = folder / "guides" / "full.zarr"
        folder.mkdir()
        disk = FullDisk(point, names=names, code=code, lasting=lasting)
        with watched(disk):
            try:
                assert small.write(store) == seal
            except NoSpace as error:
                assert error.exit_code == 14 and "run the same command again" in str(error)
                assert disk.met
        if not disk.met:
            break
        left = [path.name for path in folder.glob("guides/*")]
        assert left in ([], ["full.zarr"]), point
        assert small.write(store) == seal and read_tree(store) == whole, point
        assert [path.name for path in store.parent.iterdir()] == ["full.zarr"]
    assert point - 1 >= at_least


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
    with pytest.raises(Damaged, match="sealed and has lost rows: .*view 1.*dgkd-cache repair") as caught:
        GuideStoreWriter(path, small.header, small.identity)
    assert caught.value.exit_code == 12


def test_no_folder_is_made_into_a_store(recipe: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(Exception, match="expected a zarr.json, found a folder without one"):
        recipe().write(tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]
