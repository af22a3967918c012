"""`push` to a folder: what it says, what it sends, and each refusal with its exit code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore, tree

from dgkd_stores import Damaged, Incomplete, InvalidInput, Mismatch, StoreNotFound, convert, push


def test_what_it_says(path: Path, tmp_path: Path) -> None:
    reports = list[tuple[int, int]]()
    size = sum(len(data) for data in tree(path).values() if data is not None)
    files = sum(data is not None for data in tree(path).values())
    preview = push(path, str(tmp_path / "place"), dry_run=True)
    assert not (tmp_path / "place").exists()
    assert (preview.sent_files, preview.sent_bytes, preview.conditional) == (files, size, None)
    found = push(path, str(tmp_path / "place"), report=lambda done, total: reports.append((done, total)))
    assert found.to_dict() == {
        "address": f"{tmp_path}/place/a.zarr",
        "seal": found.seal,
        "files": files,
        "bytes": size,
        "sent_files": files,
        "sent_bytes": size,
        "conditional": True,
        "beside": ("README.md", "croissant.json"),
        "sent_beside": ("README.md", "croissant.json"),
        "dry_run": False,
    }
    assert reports[-1] == (size, size) and [done for done, _ in reports] == sorted(done for done, _ in reports)
    again = push(path, str(tmp_path / "place"))
    assert (again.sent_files, again.sent_bytes, again.sent_beside) == (0, 0, ())
    assert tree(tmp_path / "place" / "a.zarr") == tree(path)


def test_a_name_at_the_end_of_the_address(path: Path, tmp_path: Path) -> None:
    assert push(path, f"{tmp_path}/place/teacher.zarr").address.endswith("place/teacher.zarr")
    assert tree(tmp_path / "place" / "teacher.zarr") == tree(path)


def test_an_hdf5_file(path: Path, tmp_path: Path, other: Path) -> None:
    convert(path, tmp_path / "a.h5")
    convert(other, tmp_path / "other.h5")
    found = push(tmp_path / "a.h5", str(tmp_path / "place"))
    assert (found.files, found.sent_files) == (1, 1)
    assert (tmp_path / "place" / "a.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()
    assert push(tmp_path / "a.h5", str(tmp_path / "place")).sent_files == 0
    with pytest.raises(Mismatch):
        push(tmp_path / "other.h5", f"{tmp_path}/place/a.h5")
    data = bytearray((tmp_path / "a.h5").read_bytes())
    data[-100] ^= 1
    (tmp_path / "b.h5").write_bytes(data)
    with pytest.raises(Damaged):
        push(tmp_path / "b.h5", str(tmp_path / "place"))
    assert not (tmp_path / "place" / "b.h5").exists()


def test_another_store_is_there(path: Path, other: Path, tmp_path: Path) -> None:
    push(path, str(tmp_path / "place"))
    before = tree(tmp_path / "place")
    with pytest.raises(Mismatch) as told:
        push(other, str(tmp_path / "place"))
    assert told.value.exit_code == 13 and tree(tmp_path / "place") == before


def test_refusals(path: Path, recipe: type[SmallStore], tmp_path: Path) -> None:
    recipe().write(tmp_path / "half.zarr", chunks=1)
    for store, destination, error in (
        (tmp_path / "no.zarr", "place", StoreNotFound),
        (tmp_path / "half.zarr", "place", Incomplete),
        (path, "https://host/x", InvalidInput),
        (path, "place/a.h5", InvalidInput),
        (path, "https://user:secret@host/x", InvalidInput),
        (path / "logits", "place", InvalidInput),
    ):
        with pytest.raises(error):
            push(store, destination if "://" in destination else str(tmp_path / destination))
    assert not (tmp_path / "place").exists()


def test_its_own_folder_and_names_that_no_address_has(path: Path, tmp_path: Path) -> None:
    before = tree(path)
    os.symlink(path.parent, tmp_path / "link")
    for place in (path.parent, path, f"{path.parent}/b.zarr", f"{path}/inside", tmp_path / "link"):
        with pytest.raises(InvalidInput) as refused:
            push(path, str(place))
        assert refused.value.exit_code == 2
    assert tree(path) == before and not (path.parent / "README.md").exists()
    for name in ("a#b.zarr", "a?b.zarr"):
        os.rename(path, path := path.with_name(name))
        with pytest.raises(InvalidInput, match="without . and #"):
            push(path, "s3://lab/x")
        assert push(path, str(tmp_path / name[:-5])).address == f"{tmp_path}/{name[:-5]}/{name}"


def test_damage_on_the_way_leaves_no_store(path: Path, tmp_path: Path) -> None:
    file = path / "logits" / "c.2.1.0"
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(Damaged):
        push(path, str(tmp_path / "place"))
    assert not (tmp_path / "place" / "a.zarr" / "zarr.json").exists()


def test_an_hdf5_file_is_reported_while_it_is_read(path: Path, tmp_path: Path) -> None:
    convert(path, tmp_path / "a.h5")
    reports = list[tuple[int, int, bool]]()

    def report(done: int, total: int) -> None:
        reports.append((done, total, (tmp_path / "place").exists()))

    push(tmp_path / "a.h5", str(tmp_path / "place"), report=report)
    assert reports[-1][0] == reports[-1][1]
    assert len({done for done, _, begun in reports if not begun}) > 3


@pytest.mark.parametrize(("scheme", "most"), [("s3", 5_368_709_120), ("az", 5_242_880_000)])
def test_a_file_that_is_too_large_for_one_request(tmp_path: Path, scheme: str, most: int) -> None:
    """Amazon's page "Uploading objects": 5 GB in one PUT; Azure's "Put Blob": 5,000 MiB."""
    with (tmp_path / "a.h5").open("wb") as file:
        file.truncate(most + 1)
    with pytest.raises(InvalidInput, match=f"at most {most} bytes, found {most + 1}"):
        push(tmp_path / "a.h5", f"{scheme}://lab/x")


def test_a_published_file_that_is_damaged_is_found_by_the_next_push(path: Path, tmp_path: Path) -> None:
    push(path, str(tmp_path / "place"))
    file = tmp_path / "place" / "a.zarr" / "logits" / "c.1.0.0"
    right = file.read_bytes()
    file.write_bytes(bytes(len(right)))
    with pytest.raises(Mismatch, match=r"expected logits/c\.1\.0\.0 of the store") as told:
        push(path, str(tmp_path / "place"))
    assert told.value.exit_code == 13
    file.unlink()
    assert push(path, str(tmp_path / "place")).sent_files == 1 and file.read_bytes() == right
