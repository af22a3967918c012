"""Whatever is wrong with a store is found and placed; what is right is not called wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from stores.support.damage import damage, flip, places

from dgkd_stores import Mismatch, StoreNotFound, UnsafeStore, verify
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import StoreLayout, json_file

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def path(recipe: Any, tmp_path: Path) -> Path:
    recipe(first_view=2).write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


@pytest.mark.parametrize("encoding", ["float16", "float32", "uint8", "factored", "topk"])
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


def test_padding(path: Path) -> None:
    file = path / "logits" / "c.1.3.0"
    flip(file, 2 * 28)  # two rows, the rest is NaN
    assert verify(path).damage == ()
    (one,) = damage(path)
    assert (one.kind, one.file, one.view, one.expected) == ("padding", "logits/c.1.3.0", 3, "NaN")


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


def test_what_cannot_be_looked_into(path: Path, tmp_path: Path) -> None:
    group = json.loads((path / "zarr.json").read_bytes())
    with pytest.raises(StoreNotFound):
        verify(tmp_path / "nothing")
    group["attributes"]["dgkd"]["version"] = 3
    (path / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(Mismatch, match="newer"):
        verify(path)
    (path / "zarr.json").write_text("{")
    with pytest.raises(UnsafeStore, match="no proper JSON"):
        verify(path)


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
