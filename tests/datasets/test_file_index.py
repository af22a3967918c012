"""The index of files: facts are used while all that is known of a file agrees, and never else."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.datasets.file_index import FileFacts, FileIndex, index_folder

PATHS = ["cat/0.png", "cat/1.png", "dog/\udcff.png"]
LATER = 10**10
"""Nanoseconds after which files that were just written are old."""


def make(folder: Path) -> Path:
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode("utf-8", "surrogateescape"))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "data")


def index(folder: Path, *, decoder: str = "one", later: int = LATER) -> FileIndex:
    newest = max(os.stat(folder / path).st_ctime_ns for path in PATHS if (folder / path).exists())
    return FileIndex(folder, cache=folder.parent / "cache", decoder=decoder, clock=lambda: newest + later)


def filled(facts: FileFacts, folder: Path) -> FileFacts:
    for row, path in enumerate(PATHS):
        digest = hashlib.sha256((folder / path).read_bytes()).digest()[:16]
        facts.digest_N16[row] = np.frombuffer(digest, np.uint8)
        facts.shape_N2[row], facts.traits_N[row] = (7 + row, 9), row
    facts.read_N[:] = facts.measured_N[:] = True
    return facts


def fill(folder: Path, **given: object) -> FileFacts:
    """An index of the folder with all of its files."""
    one = index(folder, **given)  # type: ignore[arg-type]
    facts = filled(one.find(PATHS), folder)
    one.keep(PATHS, facts, np.arange(len(PATHS)))
    return facts


def segments(folder: Path) -> list[Path]:
    return sorted(index_folder(folder, folder.parent / "cache").glob("*"))


def test_what_was_kept_is_found_in_any_order(folder: Path) -> None:
    assert not index(folder).find(PATHS).read_N.any()
    facts = fill(folder)
    found = index(folder).find([*PATHS[::-1], "cat/other.png"])
    for name in ("status_N4", "digest_N16", "shape_N2", "traits_N", "read_N", "measured_N"):
        assert np.array_equal(getattr(found, name)[:3], getattr(facts, name)[::-1])
    assert found.read_N.tolist() == [True, True, True, False] and found.status_N4[3].tolist() == [-1] * 4
    status = os.stat(folder / PATHS[0])
    assert found.status_N4[2].tolist() == [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def touch_back(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", ["size", "mtime", "ctime", "inode", "gone"])
def test_a_file_that_differs_in_one_thing_is_unknown(folder: Path, change: str) -> None:
    fill(folder)
    path = folder / PATHS[1]
    before = path.stat()
    if change == "size":
        path.write_bytes(b"longer than before")
        touch_back(path, before)
    elif change == "mtime":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    elif change == "ctime":
        path.chmod(0o600)  # neither size nor content nor modification time change
        assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_ctime_ns != before.st_ctime_ns
    elif change == "inode":
        (other := folder / "other").write_bytes(path.read_bytes())
        touch_back(other, before)
        os.replace(other, path)
        assert path.stat().st_ino != before.st_ino
    else:
        path.unlink()
    assert index(folder).find(PATHS).read_N.tolist() == [True, False, True]


@pytest.mark.parametrize(("later", "known"), [(2 * 10**9, False), (2 * 10**9 + 1, True)])
def test_a_file_that_changed_just_before_it_was_read_is_read_again(folder: Path, later: int, known: bool) -> None:
    """A write within the same tick of the file system's clock would leave its times as they are."""
    now = 10**18
    for path in PATHS:
        os.utime(folder / path, ns=(now, now))
    one = FileIndex(folder, cache=folder.parent / "cache", decoder="one", clock=lambda: now + later)
    facts = filled(one.find(PATHS), folder)
    facts.status_N4[:, 2] = now  # the change time is that of the clock, which no test can set
    one.keep(PATHS, facts, np.arange(3))
    assert bool(segments(folder)) is known


def test_another_folder_and_a_copy_of_it_are_unknown(folder: Path, tmp_path: Path) -> None:
    """Whoever moves data and cache together gets no fact of the old place; a link to the folder is the folder."""
    fill(folder)
    assert not index(make(tmp_path / "other")).find(PATHS).read_N.any()
    (tmp_path / "link").symlink_to(folder)
    assert index(tmp_path / "link").find(PATHS).read_N.all()
    there = index_folder(moved := folder.rename(tmp_path / "moved"), tmp_path / "cache")
    index_folder(folder, tmp_path / "cache").rename(there)
    assert not index(moved).find(PATHS).read_N.any()


def test_another_decoder_keeps_digests_alone(folder: Path) -> None:
    fill(folder)
    found = index(folder, decoder="two").find(PATHS)
    assert found.read_N.all() and not found.measured_N.any() and not found.shape_N2.any()


def test_segments_are_joined_and_none_is_lost(folder: Path) -> None:
    """Two processes each keep a part; a third finds both and joins them, while a fourth has read them before."""
    for row in range(3):
        one = index(folder)
        facts = filled(one.find(PATHS), folder)
        one.keep(PATHS, facts, np.array([row]))
    assert len(segments(folder)) == 3
    joining, reading = index(folder), index(folder)
    facts = joining.find(PATHS)
    assert facts.read_N.all() and reading.find(PATHS).read_N.all()
    added = index(folder)
    added.find([])
    added.keep(PATHS, facts, np.array([1]))
    joining.finish(PATHS, facts)
    assert len(segments(folder)) == 2, "what another process wrote since stays"
    reading.finish(PATHS, facts)
    assert index(folder).find(PATHS).read_N.all()


def test_two_lists_of_one_folder_leave_each_other_what_is_still_true(folder: Path) -> None:
    """The splits of a data set may have their images in one folder; what is not true any more is left out."""
    lists = [PATHS[:1], [*PATHS[1:], "dog/1.png", "dog/2.png"]]
    for path in lists[1][2:]:
        (folder / path).write_bytes(path.encode())
    for paths in lists:
        one = index(folder)
        facts = one.find(paths)
        facts.digest_N16[:, 0], facts.shape_N2[:] = 1 + np.arange(len(paths)), (7, 9)
        facts.read_N[:] = facts.measured_N[:] = True
        one.keep(paths, facts, np.arange(len(paths)))
    (folder / "dog/1.png").write_bytes(b"another content")
    (folder / "dog/2.png").unlink()
    one.finish(lists[1], one.find(lists[1]))
    assert len(segments(folder)) == 1
    assert index(folder).find(lists[0]).digest_N16[:, 0].tolist() == [1]
    found = index(folder).find(lists[1])
    assert found.digest_N16[:, 0].tolist() == [1, 2, 0, 0] and found.read_N.tolist() == [True, True, False, False]
    assert found.measured_N[:2].all() and found.shape_N2[:2].tolist() == [[7, 9]] * 2
    (path,) = segments(folder)
    assert b"dog/1.png" not in path.read_bytes() and b"dog/2.png" not in path.read_bytes()


def test_many_at_once_lose_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Eight that each keep their part and join all that they find, over and over."""
    folder, paths = tmp_path / "data", [f"{number}.png" for number in range(40)]
    folder.mkdir()
    for path in paths:
        (folder / path).write_bytes(b"image")
    later = time.time_ns() + LATER

    def work(worker: int) -> None:
        for row in range(worker, len(paths), 8):
            one = FileIndex(folder, cache=tmp_path / "cache", decoder="one", clock=lambda: later)
            facts = one.find(paths)
            facts.digest_N16[row], facts.read_N[row], facts.measured_N[row] = row, True, True
            one.keep(paths, facts, np.array([row]))
            one.finish(paths, facts)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    found = FileIndex(folder, cache=tmp_path / "cache", decoder="one", clock=lambda: later).find(paths)
    assert found.read_N.all() and found.digest_N16[:, 0].tolist() == list(range(40)) and caplog.messages == []


def test_a_segment_that_goes_while_it_is_read_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    one, listed = index(folder), segments(folder)
    listed[0].rename(listed[0].with_name("0.files"))
    monkeypatch.setattr("dgkd_cache.datasets.file_index._segments_in", lambda place: [*listed, *segments(folder)])
    assert one.find(PATHS).read_N.all()


def test_every_changed_byte_is_noticed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(folder)
    (path,) = segments(folder)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not index(folder).find(PATHS).read_N.any()
        assert not path.exists() and f"the index {path} is damaged" in caplog.messages[-1]
    for content in (b"", whole[:-1], whole + b"x", whole[:20]):
        path.write_bytes(content)
        assert not index(folder).find(PATHS).read_N.any() and not path.exists()
    path.write_bytes(whole)
    assert index(folder).find(PATHS).read_N.all()


def rewritten(whole: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A segment with another content, whose digest is right."""
    magic, content = whole[:18], change(whole[50:])
    return magic + hashlib.sha256(content).digest() + content


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b'"files":3', b'"files":4'),
        lambda content: content.replace(b'"files":3', b'"files":2'),
        lambda content: content.replace(b'"files":3', b'"files":-'),
        lambda content: content.replace(b'"names"', b'"other"'),
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content[:5],
        lambda content: content + b"more",
    ],
)
def test_another_form_with_a_right_digest_is_left_out(folder: Path, change: Callable[[bytes], bytes]) -> None:
    fill(folder)
    (path,) = segments(folder)
    path.write_bytes(rewritten(path.read_bytes(), lambda content: content))
    assert index(folder).find(PATHS).read_N.all(), "the test writes the form itself"
    path.write_bytes(rewritten(path.read_bytes(), change))
    assert not index(folder).find(PATHS).read_N.any() and not path.exists()


def test_a_cache_that_cannot_be_written_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder.parent / "cache").write_text("in the way")
    one = index(folder)
    facts = filled(one.find(PATHS), folder)
    for row in range(3):
        one.keep(PATHS, facts, np.array([row]))
    assert len(caplog.messages) == 1 and "cannot be kept in" in caplog.messages[0]
    assert (folder.parent / "cache").read_text() == "in the way"


def test_forgetting_removes_the_segments_of_this_folder(folder: Path, tmp_path: Path) -> None:
    fill(folder)
    fill(other := make(tmp_path / "other"))
    index(folder).forget()
    assert not index(folder).find(PATHS).read_N.any() and index(other).find(PATHS).read_N.all()
