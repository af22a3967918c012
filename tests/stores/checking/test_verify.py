"""Whatever is wrong with a store is found and placed; what is right is not called wrong."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import Interrupted, Mismatch, StoreNotFound, UnsafeStore, verify
from dgkd_stores.checking.damage import KINDS, Damage
from dgkd_stores.checking.recover_digests import prove_digests
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import StoreLayout, json_file

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def path(recipe: Any, tmp_path: Path) -> Path:
    recipe(first_view=2).write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def flip(file: Path, at: int, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def damage(path: Path, *, full: bool = True) -> list[Damage]:
    found = verify(path, full=full)
    assert found.exit_code == 12 and {one.kind for one in found.damage} <= set(KINDS)
    json.dumps(found.to_dict())
    return list(found.damage)


def places(path: Path, *, full: bool = True) -> list[tuple[Any, ...]]:
    return [(one.kind, one.file, one.view, one.samples) for one in damage(path, full=full)]


@pytest.mark.parametrize("encoding", ["float16", "float32", "uint8"])
@pytest.mark.parametrize("full", [False, True])
def test_a_whole_store(recipe: Any, tmp_path: Path, read_tree: Any, encoding: str, full: bool) -> None:
    seal = recipe(encoding=encoding).write(tmp_path / "a.zarr")
    before, told = read_tree(tmp_path), []
    found = verify(tmp_path / "a.zarr", full=full, report=lambda done, total: told.append((done, total)))
    assert (found.exit_code, found.damage, found.complete, found.seal) == (0, (), True, seal)
    assert (found.blocks, found.blocks_written, found.blocks_checked) == (21, 21, 21 if full else 0)
    assert found.nbytes == sum(len(data) for data in read_tree(tmp_path / "a.zarr").values() if data)
    assert found.container == "zarr" and found.codec == "none"
    assert told[-1][0] == told[-1][1], "what was said to be read was read"
    assert read_tree(tmp_path) == before


def test_an_unfinished_store(recipe: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    recipe().write(path, chunks=6)
    found = verify(path, full=True)
    assert (found.exit_code, found.damage, found.complete, found.seal) == (3, (), False, None)
    assert (found.blocks_written, found.blocks_checked) == (11, 11)
    flip(path / "logits" / "c.1.1.0", 0)
    assert places(path) == [("digest", "logits/c.1.1.0", 1, (16, 24))]
    (path / "logits" / "c.1.1.0").unlink()
    assert places(path) == places(path, full=False) == [("missing", "logits/c.1.1.0", 1, (16, 32))]


def test_rows(path: Path) -> None:
    flip(path / "logits" / "c.1.1.0", 9 * 28)
    assert verify(path).damage == (), "quick does not read rows"
    (one,) = damage(path)
    assert (one.kind, one.file, one.arrays, one.view, one.samples) == (
        "digest",
        "logits/c.1.1.0",
        ("logits",),
        3,
        (24, 32),
    )
    assert one.expected.startswith("SHA-256 ") and one.found.startswith("SHA-256 ") and one.expected != one.found
    flip(path / "logits" / "c.1.1.0", 0)
    flip(path / "logits" / "c.1.2.0", 15 * 28)
    assert places(path) == [
        ("digest", "logits/c.1.1.0", 3, (16, 32)),
        ("digest", "logits/c.1.2.0", 3, (40, 48)),
    ], "blocks side by side in a chunk are one place"


def test_swapped_chunks_are_told(path: Path) -> None:
    first, second = path / "logits" / "c.0.0.0", path / "logits" / "c.2.1.0"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    found = damage(path)
    assert [(one.file, one.samples) for one in found] == [("logits/c.0.0.0", (0, 16)), ("logits/c.2.1.0", (16, 32))]
    assert found[0].found.endswith(", that of view 4, samples 16 to 23")
    assert found[1].found.endswith(", that of view 2, samples 0 to 7")


def test_a_chunk_of_another_view(path: Path) -> None:
    shutil.copy(path / "logits" / "c.0.3.0", path / "logits" / "c.1.3.0")
    (one,) = damage(path)
    assert (one.view, one.samples) == (3, (48, 50)) and one.found.endswith("that of view 2, samples 48 to 49")


@pytest.mark.parametrize("full", [False, True])
def test_sizes_and_missing_files(path: Path, full: bool) -> None:
    os.truncate(path / "logits" / "c.0.1.0", 5)
    (path / "logits" / "c.2.3.0").unlink()
    os.truncate(path / "label" / "c.0", 0)
    (path / "probe" / "c.0.0").unlink()
    (path / "digest" / "c.1.0.0").unlink()
    (path / "test_label" / "zarr.json").unlink()
    assert sorted(places(path, full=full)) == [
        ("missing", "digest/c.1.0.0", 3, None),
        ("missing", "logits/c.2.3.0", 4, (48, 50)),
        ("missing", "probe/c.0.0", None, None),
        ("missing", "test_label/zarr.json", None, None),
        ("size", "label/c.0", None, None),
        ("size", "logits/c.0.1.0", 2, (16, 32)),
    ]


@pytest.mark.parametrize("array", ["label", "sample_digest", "view_digest", "probe", "test_logits", "test_label"])
def test_whole_arrays(path: Path, array: str) -> None:
    (file,) = (path / array).glob("c.*")
    flip(file, 0)
    for full in (False, True):
        assert places(path, full=full) == [("array", f"{array}/{file.name}", None, None)]


def test_a_chunk_of_digests_is_told_from_the_rows(path: Path) -> None:
    flip(path / "digest" / "c.1.0.0", 40)
    assert places(path, full=False) == [("array", "digest", None, None)]
    assert places(path) == [("array", "digest/c.1.0.0", 3, None)]
    flip(path / "logits" / "c.2.0.0", 0)
    flip(path / "logits" / "c.0.0.0", 0)
    assert places(path) == [
        ("array", "digest/c.1.0.0", 3, None),
        ("digest", "logits/c.0.0.0", 2, (0, 8)),
        ("digest", "logits/c.2.0.0", 4, (0, 8)),
    ]


def test_digests_and_rows_of_one_view(path: Path) -> None:
    flip(path / "digest" / "c.1.0.0", 40)  # of samples 8 to 15
    flip(path / "logits" / "c.1.0.0", 0)
    assert places(path) == [
        ("array", "digest/c.1.0.0", 3, None),
        ("digest", "logits/c.1.0.0", 3, (0, 8)),
    ]


def test_a_lost_chunk_of_digests_and_damaged_rows_under_it(path: Path) -> None:
    (path / "digest" / "c.1.0.0").unlink()
    assert places(path) == [("missing", "digest/c.1.0.0", 3, None)], "the rows prove themselves"
    flip(path / "logits" / "c.1.0.0", 0)
    assert places(path) == [("missing", "digest/c.1.0.0", 3, None)], "nothing tells which rows are wrong"


def test_padding(path: Path) -> None:
    file = path / "logits" / "c.1.3.0"
    flip(file, 2 * 28)  # two rows, the rest is NaN
    assert verify(path).damage == ()
    (one,) = damage(path)
    assert (one.kind, one.file, one.view, one.expected) == ("padding", "logits/c.1.3.0", 3, "NaN")


def test_rows_that_are_no_numbers(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dgkd_stores.coding.encodings.Float32.encode", lambda self, logits_BC: {"logits": logits_BC})
        small = recipe()
        logits = small.logits
        small.logits = lambda view: logits(view) * (float("inf") if view == 1 else 1)
        small.write(tmp_path / "a.zarr")
    found = places(tmp_path / "a.zarr")
    assert found[0] == ("not-finite", "logits/c.1.0.0", 1, (0, 16)) and len(found) == 4


@pytest.mark.parametrize("name", ["logits", "label", "digest", "."])
def test_metadata_byte_for_byte(path: Path, name: str) -> None:
    file = path / name / "zarr.json"
    file.write_bytes(file.read_bytes() + b" ")
    assert verify(path).damage == (), "it means the same"
    assert [(one.kind, one.file) for one in damage(path)] == [("metadata", str(file.relative_to(path)))]


def test_metadata_of_an_array(path: Path) -> None:
    (path / "logits" / "zarr.json").write_text("{")
    metadata = json.loads((path / "label" / "zarr.json").read_bytes())
    (path / "label" / "zarr.json").write_text(json.dumps(metadata | {"fill_value": 1}))
    for full in (False, True):
        assert sorted(places(path, full=full)) == [
            ("metadata", "label/zarr.json", None, None),
            ("metadata", "logits/zarr.json", None, None),
        ]


@pytest.mark.parametrize("rows", [8, 24, 50])
def test_chunks_are_known_by_their_files(path: Path, rows: int) -> None:
    """A zarr.json that another valid one replaced is one damaged file, and not a store of damaged chunks."""
    file = path / "logits" / "zarr.json"
    metadata = json.loads(file.read_bytes())
    metadata["chunk_grid"]["configuration"]["chunk_shape"][1] = rows
    file.write_bytes(json_file(metadata))
    for full in (False, True):
        assert places(path, full=full) == [("metadata", "logits/zarr.json", None, None)]


def test_the_header_and_the_seal(path: Path) -> None:
    file = path / "zarr.json"
    group = json.loads(file.read_bytes())
    for keys, value in (
        (("dgkd", "licence"), "other"),
        (("dgkd_seal",), "0" * 64),
        (("dgkd", "guide", "accuracy"), "0.9"),
    ):
        changed = json.loads(json.dumps(group))
        place = changed["attributes"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        file.write_bytes(json_file(changed))
        for full in (False, True):
            assert places(path, full=full) == [("seal", "zarr.json", None, None)]


def test_digests_of_arrays_are_told_from_the_arrays(path: Path) -> None:
    group = json.loads((path / "zarr.json").read_bytes())
    group["attributes"]["dgkd_digests"]["probe"] = "0" * 64
    (path / "zarr.json").write_bytes(json_file(group))
    for full in (False, True):
        (one,) = damage(path, full=full)
        assert (one.kind, one.file, one.found) == ("metadata", "zarr.json", "another SHA-256 of probe")


@pytest.mark.parametrize("name", ["logits/c.3.0.0", "evil.py", "logits/zarr.json.bak", "logits/c.0.0.0"])
@pytest.mark.parametrize("what", ["link", "pipe"])
def test_foreign_things(path: Path, name: str, what: str) -> None:
    (path / name).unlink(missing_ok=True)
    if what == "link":
        (path / name).symlink_to("zarr.json")
    else:
        os.mkfifo(path / name)
    found = verify(path, full=True)
    assert found.exit_code == 15
    assert [(one.kind, one.file) for one in found.damage] == [("foreign", name)]


@pytest.mark.parametrize("what", ["file", "link"])
def test_an_array_that_is_no_folder(path: Path, what: str) -> None:
    shutil.move(path / "probe", path.parent / "probe")
    if what == "link":
        (path / "probe").symlink_to(path.parent / "probe")
    else:
        (path / "probe").write_text("")
    found = verify(path, full=True)
    assert found.exit_code == 15
    assert ("foreign", "probe") in [(one.kind, one.file) for one in found.damage]


def test_labels_that_are_no_class_under_a_valid_seal(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for module in ("format.identity", "containers.container"):
            patch.setattr(f"dgkd_stores.{module}.labels_within", lambda labels, classes: True)

        class Labelled(recipe):
            @property
            def identity(self) -> Any:
                return replace(super().identity, label_N=np.full(50, 7))

        Labelled().write(tmp_path / "a.zarr")
    found = verify(tmp_path / "a.zarr")
    assert found.exit_code == 15 and [(one.kind, one.file) for one in found.damage] == [("foreign", "label/c.0")]


def test_files_that_cannot_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad sector: the system gives an error, and the check goes on with the next file."""
    bad = {os.stat(path / name).st_ino for name in ("logits/c.1.0.0", "probe/c.0.0", "digest/c.2.0.0")}
    really = os.preadv

    def broken(handle: int, *args: Any) -> int:
        if os.fstat(handle).st_ino in bad:
            raise OSError(5, "Input/output error")
        return really(handle, *args)

    monkeypatch.setattr(os, "preadv", broken)
    assert sorted(places(path)) == [
        ("unreadable", "digest/c.2.0.0", None, None),
        ("unreadable", "logits/c.1.0.0", 3, (0, 16)),
        ("unreadable", "probe/c.0.0", None, None),
    ]


def test_what_cannot_be_looked_into(path: Path, tmp_path: Path) -> None:
    group = json.loads((path / "zarr.json").read_bytes())
    with pytest.raises(StoreNotFound):
        verify(tmp_path / "nothing")
    group["attributes"]["dgkd"]["version"] = 2
    (path / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(Mismatch, match="newer"):
        verify(path)
    (path / "zarr.json").write_text("{")
    with pytest.raises(UnsafeStore, match="no proper JSON"):
        verify(path)


def test_stop(path: Path) -> None:
    with pytest.raises(Interrupted, match="nothing was changed"):
        verify(path, full=True, stop=lambda: True)


@pytest.mark.parametrize("piece", [1, 60, 1000])
@pytest.mark.parametrize("digest_rows", [1, 8, 64])
def test_pieces_of_any_size_give_the_same(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, digest_rows: int
) -> None:
    monkeypatch.setattr("dgkd_stores.checking.rows.PIECE_BYTES", piece)
    recipe(encoding="uint8", digest_rows=digest_rows).write(tmp_path / "a.zarr")
    assert verify(tmp_path / "a.zarr", full=True).damage == ()


def test_metadata_that_another_codec_level_wrote(recipe: Any, tmp_path: Path, recompressed: Any) -> None:
    """Levels are the writer's own: they are no damage."""
    recipe().write(tmp_path / "a.zarr")
    recompressed(tmp_path / "a.zarr", level=7)
    found = verify(tmp_path / "a.zarr", full=True)
    assert (found.exit_code, found.codec, found.damage) == (0, "zstd", ())


def test_a_compressed_store(recipe: Any, tmp_path: Path, recompressed: Any) -> None:
    path = tmp_path / "a.zarr"
    recipe(encoding="uint8").write(path)
    recompressed(path)
    flip(path / "logits" / "c.1.0.0", 12)
    (one,) = damage(path)
    assert (one.view, one.samples) == (1, (0, 32)) and one.kind in ("undecodable", "digest")


@pytest.fixture
def recompressed() -> Any:
    """Compress the rows of a raw store in place, by the codec's library alone."""
    from numcodecs import zstd

    def compress(path: Path, *, level: int = 3) -> None:
        group = json.loads((path / "zarr.json").read_bytes())["attributes"]["dgkd"]
        chunk = json.loads((path / "logits" / "zarr.json").read_bytes())["chunk_grid"]["configuration"]["chunk_shape"]
        for name in StoreLayout(StoreHeader.from_dict(group), chunk_rows=chunk[1]).rows:
            metadata = json.loads((path / name / "zarr.json").read_bytes())
            metadata["codecs"].append({"name": "zstd", "configuration": {"level": level, "checksum": True}})
            (path / name / "zarr.json").write_bytes(json_file(metadata))
            for file in (path / name).glob("c.*"):
                file.write_bytes(zstd.compress(file.read_bytes(), level=level, checksum=True))

    return compress


def test_thousands_of_strays(path: Path) -> None:
    """Each is named once, and looking for it does not go through all the others."""
    names = {f"stray-{number}" for number in range(3000)}
    for name in names:
        (path / name).write_bytes(b"")
    found = verify(path)
    assert found.exit_code == 15 and sorted(one.file for one in found.damage) == sorted(names)


def test_the_search_for_digests_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, all views but one, one view, one block: no more is tried, however many differ."""
    tried = []
    monkeypatch.setattr(
        "dgkd_stores.checking.recover_digests.array_digest", lambda array: tried.append(array.tobytes()) or ""
    )
    stored, computed = np.zeros((40, 2, 32), np.uint8), np.ones((40, 2, 32), np.uint8)
    assert prove_digests(stored, computed, np.ones((40, 2), np.bool_), "f" * 64) is None
    assert len(tried) == 1 + 40 + 40 + 80 and len(set(tried)) == len(tried) and not stored.any()
