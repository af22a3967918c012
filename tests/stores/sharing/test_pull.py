"""`pull`: from folders and the web, what it says, where it puts the store, and each refusal with its exit code."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore, tree
from stores.support.web import Answer, Web
from support.disk import FullDisk, watched

from dgkd_stores import Incomplete, InvalidInput, Locked, Mismatch, NoSpace, StoreNotFound, pull, push, verify
from dgkd_stores.disk import ALL_VIEWS, ViewLock


def test_what_it_says(place: Path, tmp_path: Path) -> None:
    reports = list[tuple[int, int]]()
    preview = pull(str(place), tmp_path / "got", dry_run=True)
    assert preview.dry_run and not (tmp_path / "got").exists()
    found = pull(str(place), tmp_path / "got", report=lambda done, total: reports.append((done, total)))
    size = sum(len(data) for name, data in tree(place / "a.zarr").items() if data is not None and "/c." in name)
    assert reports[-1] == (size, size) and preview.fetched_bytes == size == found.fetched_bytes
    told = ("path", "seal", "guide", "files", "nbytes", "fetched_files")
    assert [getattr(preview, name) for name in told] == [getattr(found, name) for name in told]
    text = found.to_dict()
    assert found.verification is not None and found.verification.path == found.path
    assert text.pop("verification")["damage"] == []
    assert text == {
        "address": f"{place}/a.zarr",
        "path": f"{tmp_path}/got/a.zarr",
        "seal": verify(place / "a.zarr").seal,
        "guide": "ta1",
        "bytes": sum(len(data) for data in tree(place / "a.zarr").values() if data is not None),
        "files": len(files := [data for data in tree(place / "a.zarr").values() if data is not None]),
        "was_there": False,
        "fetched_files": len(files) - len(list((place / "a.zarr").rglob("zarr.json"))),
        "fetched_bytes": size,
        "signature": None,
        "dry_run": False,
    }
    assert tree(tmp_path / "got" / "a.zarr") == tree(place / "a.zarr")
    assert os.listdir(tmp_path / "got") == ["a.zarr"]
    again = pull(f"{place}/a.zarr", tmp_path / "got")
    assert again.was_there and again.fetched_files == 0 and again.verification is not None and again.verification.full


def test_another_name(place: Path, tmp_path: Path) -> None:
    assert pull(str(place), tmp_path / "got" / "teacher.zarr").path == tmp_path / "got" / "teacher.zarr"
    assert verify(tmp_path / "got" / "teacher.zarr", full=True).exit_code == 0


def test_the_store_at_a_place(place: Path, other: Path, served: Web, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="NAME.zarr"):
        pull(served.address, tmp_path / "got")
    shutil.copytree(other, place / "b.zarr")
    with pytest.raises(InvalidInput, match="a.zarr, b.zarr"):
        pull(str(place), tmp_path / "got")
    for empty in ("nowhere", "nowhere/x.zarr", "nowhere/x.h5"):
        with pytest.raises(StoreNotFound) as refused:
            pull(str(tmp_path / empty), tmp_path / "got")
        assert refused.value.exit_code == 10


def test_an_odd_name_from_the_web(place: Path, served: Web, tmp_path: Path) -> None:
    os.rename(place / "a.zarr", place / "mä #1%.zarr")
    for number, name in enumerate(("m%C3%A4%20%231%25.zarr", "mä %231%.zarr")):
        found = pull(f"{served.address}/{name}", tmp_path / f"got-{number}")
        assert found.path == tmp_path / f"got-{number}" / "mä #1%.zarr"
        assert found.address == f"{served.address}/m%C3%A4%20%231%25.zarr"


def test_nothing_is_pulled_into_a_store(place: Path, tmp_path: Path) -> None:
    before = tree(place)
    for into in (place / "a.zarr" / "in", place / "a.zarr" / "b.zarr"):
        with pytest.raises(InvalidInput, match="inside of a.zarr"):
            pull(str(place), into)
    assert tree(place) == before


def test_something_else_is_there(place: Path, other: Path, tmp_path: Path) -> None:
    shutil.copytree(other, tmp_path / "got" / "a.zarr")
    before = tree(tmp_path / "got")
    with pytest.raises(Mismatch) as refused:
        pull(str(place), tmp_path / "got")
    assert refused.value.exit_code == 13 and tree(tmp_path / "got") == before
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.zarr").write_text("a file")
    with pytest.raises(Mismatch):
        pull(str(place), tmp_path / "new")
    pull(str(place), tmp_path / "third")
    (tmp_path / "third" / "a.zarr" / "note.txt").write_text("x")
    with pytest.raises(Mismatch, match="do not belong"):
        pull(str(place), tmp_path / "third")


def test_another_writer(place: Path, tmp_path: Path) -> None:
    (tmp_path / "got").mkdir()
    with ViewLock(tmp_path / "got" / "a.zarr", ALL_VIEWS, guide=""), pytest.raises(Locked):
        pull(str(place), tmp_path / "got")


def test_a_server_that_is_lost_and_comes_back(served: Web, tmp_path: Path) -> None:
    def fail(answer: Answer) -> None:
        if len(served.asked) > 25:
            answer.status = 503

    served.fault = fail
    with pytest.raises(Incomplete, match="run the same command again") as stopped:
        pull(f"{served.address}/a.zarr", tmp_path / "got", jobs=1)
    assert stopped.value.exit_code == 3 and not (tmp_path / "got" / "a.zarr").exists()
    before = {path for path, _ in served.asked[:25] if "/c." in path}
    served.fault = lambda answer: None
    served.asked.clear()
    pull(f"{served.address}/a.zarr", tmp_path / "got", jobs=1)
    assert tree(tmp_path / "got" / "a.zarr") == tree(served.root / "a.zarr")
    assert before and not before & {path for path, _ in served.asked}


@pytest.mark.parametrize("point", [3, 30, 55])
def test_a_full_disk(place: Path, tmp_path: Path, point: int) -> None:
    full = FullDisk(point, names=("write",), code=errno.ENOSPC, lasting=True)
    with watched(full), pytest.raises(NoSpace) as refused:
        pull(str(place), tmp_path / "got", jobs=1)
    assert refused.value.exit_code == 14 and full.met and not (tmp_path / "got" / "a.zarr").exists()
    assert pull(str(place), tmp_path / "got").verification is not None
    assert tree(tmp_path / "got" / "a.zarr") == tree(place / "a.zarr")
    assert os.listdir(tmp_path / "got") == ["a.zarr"]


@pytest.mark.parametrize("point", [3, 20, 60])
def test_a_full_disk_under_a_push(path: Path, tmp_path: Path, point: int) -> None:
    full = FullDisk(point, names=("write",), code=errno.ENOSPC, lasting=True)
    with watched(full), pytest.raises(NoSpace) as refused:
        push(path, str(tmp_path / "place"), jobs=1)
    assert refused.value.exit_code == 14 and full.met and not (tmp_path / "place" / "a.zarr" / "zarr.json").exists()
    push(path, str(tmp_path / "place"))
    assert tree(tmp_path / "place" / "a.zarr") == tree(path)
    assert sorted(os.listdir(tmp_path / "place")) == ["README.md", "a.zarr", "croissant.json"]


def test_bad_arguments(place: Path, tmp_path: Path, recipe: type[SmallStore]) -> None:
    for arguments in ({"seal": "abc"}, {"jobs": 0}, {"report": 1}):
        with pytest.raises(InvalidInput):
            pull(str(place), tmp_path / "got", **arguments)
    with pytest.raises(InvalidInput, match="no name for this store"):
        pull(str(place), tmp_path / "a.h5")
