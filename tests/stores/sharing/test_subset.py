"""Some views of a store: rows, digests and identity by plain numpy on what Zarr reads of both."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stores.support.small_store import tree

from dgkd_stores import Damaged, GuideStore, InvalidInput, Mismatch, convert, pull, push, read_header, subset, verify

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.mark.parametrize("encoding", ["float32", "float16", "uint8", "factored", "topk"])
@pytest.mark.parametrize(("name", "codec"), [("b.zarr", "none"), ("b.zarr", "zstd"), ("b.h5", "gzip")])
def test_views_of_a_store(recipe: Any, tmp_path: Path, encoding: str, name: str, codec: str) -> None:
    small = recipe(views=5, first_view=2, encoding=encoding)
    seal = small.write(tmp_path / "a.zarr")
    made = subset(tmp_path / "a.zarr", tmp_path / name, views=range(3, 5), codec=codec)
    assert made.written and made.codec == codec and made.seal != seal
    found = verify(tmp_path / name, full=True)
    assert found.exit_code == 0 and found.seal == made.seal
    convert(tmp_path / name, tmp_path / "c.zarr")
    source, part = (zarr.open_group(tmp_path / each, mode="r") for each in ("a.zarr", "c.zarr"))
    for array in source:
        whole, some = source[array][:], part[array][:]
        by_view = array in ("index", "logits", "scale", "tail", "digest", "view_digest")
        assert np.array_equal(some, whole[1:3] if by_view else whole, equal_nan=True), array
    header = read_header(tmp_path / name).header
    assert (header.first_view, header.views) == (3, 2)
    assert header.guide.training["derived_from"] == {
        "operation": "subset",
        "sources": [{"seal": seal, "first_view": 2, "views": 5}],
        "probe": [{"first_view": 2, "views": 5}],
    }
    same = {**small.header.to_dict(), "first_view": 3, "views": 2, "guide": header.guide.to_dict()}
    assert header.to_dict() == same


def test_the_same_subset_again_writes_nothing(path: Path, tmp_path: Path, read_tree: Any) -> None:
    made = subset(path, tmp_path / "b.zarr", views=range(1, 2))
    before = read_tree(tmp_path / "b.zarr")
    again = subset(path, tmp_path / "b.zarr", views=range(1, 2))
    assert again.seal == made.seal and not again.written and read_tree(tmp_path / "b.zarr") == before
    with pytest.raises(InvalidInput, match="is there already and is left as it is"):
        subset(path, tmp_path / "b.zarr", views=range(2))


@pytest.mark.parametrize("views", [range(3), range(4), range(2, 4), range(5, 6)])
def test_views_that_are_no_part(path: Path, tmp_path: Path, views: range) -> None:
    with pytest.raises(InvalidInput, match="expected fewer views than 0:3, all of them within") as caught:
        subset(path, tmp_path / "b.zarr", views=views)
    assert ("export" in str(caught.value)) == (views == range(3))
    assert not (tmp_path / "b.zarr").exists()


@pytest.mark.parametrize("views", [3, range(0), range(0, 3, 2), "0:2"])
def test_what_is_no_range_is_refused(path: Path, tmp_path: Path, views: Any) -> None:
    with pytest.raises(InvalidInput, match="subset: the argument 'views' cannot be used"):
        subset(path, tmp_path / "b.zarr", views=views)


def test_a_damaged_row_is_not_copied(path: Path, tmp_path: Path) -> None:
    chunk = path / "logits" / "c.1.0.0"
    chunk.write_bytes(b"\1" + chunk.read_bytes()[1:])
    subset(path, tmp_path / "b.zarr", views=range(2, 3))
    with pytest.raises(Damaged, match="damaged") as caught:
        subset(path, tmp_path / "c.zarr", views=range(1, 3))
    assert caught.value.exit_code == 12 and not (tmp_path / "c.zarr").exists()
    with GuideStore.open(tmp_path / "b.zarr") as part:
        assert part.views == range(2, 3)


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_verify_proves_the_rows_against_the_seal_of_the_source(path: Path, tmp_path: Path, form: str) -> None:
    """The root and the digests of the source lie beside; a part that was sealed again with other rows is found."""
    seal = read_header(path).seal
    if form == "a.h5":
        convert(path, tmp_path / form)
    subset(tmp_path / form, tmp_path / "b.zarr", views=range(1, 3))
    found = verify(tmp_path / "b.zarr", full=True)
    assert found.exit_code == 0 and found.origin_seal == seal
    origin = tmp_path / "b.zarr.origin"
    kept = {str(file.relative_to(origin)) for file in origin.rglob("*") if file.is_file()}
    assert kept == {"zarr.json", *(f"digest/c.{view}.0.0" for view in range(3))}
    assert all((origin / name).read_bytes() == (path / name).read_bytes() for name in kept)
    forged = bytearray((origin / "digest" / "c.2.0.0").read_bytes())
    forged[40] ^= 1
    (origin / "digest" / "c.2.0.0").write_bytes(forged)
    assert verify(tmp_path / "b.zarr").exit_code == 12
    assert not subset(tmp_path / form, tmp_path / "b.zarr", views=range(1, 3)).written
    assert verify(tmp_path / "b.zarr").exit_code == 0, "a rerun mends it"
    shutil.rmtree(origin)
    assert not subset(tmp_path / form, tmp_path / "b.zarr", views=range(1, 3)).written
    assert verify(tmp_path / "b.zarr").origin_seal == seal, "a rerun keeps it again"


def test_an_origin_of_another_store_is_replaced(recipe: Any, path: Path, tmp_path: Path) -> None:
    recipe(views=4).write(tmp_path / "other.zarr")
    subset(tmp_path / "other.zarr", tmp_path / "b.zarr", views=range(1))
    shutil.rmtree(tmp_path / "b.zarr")
    subset(path, tmp_path / "b.zarr", views=range(1))
    found = verify(tmp_path / "b.zarr", full=True)
    assert found.exit_code == 0 and found.origin_seal == read_header(path).seal


def test_the_signature_of_the_source_stays_with_what_is_kept_of_it(path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zarr.sig").write_bytes(b"a signature")
    subset(path, tmp_path / "b.zarr", views=range(1))
    assert (tmp_path / "b.zarr.origin.sig").read_bytes() == b"a signature"
    assert not (tmp_path / "b.zarr.sig").exists(), "it is not one of the part"
    (tmp_path / "a.zarr.sig").write_bytes(b"a later one")
    subset(path, tmp_path / "b.zarr", views=range(1))
    assert (tmp_path / "b.zarr.origin.sig").read_bytes() == b"a later one"


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_what_else_has_the_name_of_an_origin_is_left(path: Path, tmp_path: Path, what: str) -> None:
    push(path, str(tmp_path / "place"))
    work, notes = tmp_path / "work", tmp_path / "notes"
    for folder in (work, notes):
        folder.mkdir()
    (notes / "thesis.txt").write_text("mine")
    if what == "folder":
        shutil.copytree(notes, work / "b.zarr.origin")
    elif what == "file":
        (work / "b.zarr.origin").write_text("mine")
    else:
        os.symlink(notes, work / "b.zarr.origin")
    before = tree(work), tree(notes)
    with pytest.raises(Mismatch, match="in the way") as refused:
        subset(path, work / "b.zarr", views=range(1))
    assert refused.value.exit_code == 13
    with pytest.raises(Mismatch, match="in the way"):
        pull(str(tmp_path / "place"), work / "b.zarr", views=range(1))
    assert (tree(work), tree(notes)) == before
