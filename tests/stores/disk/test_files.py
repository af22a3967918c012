"""Durable files: no name leads to another file, and no disk's oddity is silent."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import GuideStoreWriter, UnsafeStore
from dgkd_stores.disk.files import (
    create_durably,
    pieces,
    replace_file,
    sweep_partials,
    sync_folder,
    write_durably,
    write_synced,
)


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_a_file_is_created_and_replaces_nothing(tmp_path: Path, there: str) -> None:
    path = tmp_path / "a"
    create_durably(path, b"first", b" part")
    assert path.read_bytes() == b"first part" and os.listdir(tmp_path) == ["a"]
    taken = tmp_path / there
    {"file": taken.touch, "folder": taken.mkdir, "link": lambda: taken.symlink_to("nowhere")}[there]()
    with pytest.raises(FileExistsError):
        create_durably(taken, b"second")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", there]), "nothing unfinished is left"
    assert there != "file" or taken.read_bytes() == b""


def test_a_hard_link_keeps_what_it_had(tmp_path: Path) -> None:
    path, other = tmp_path / "card.json", tmp_path / "thesis.tex"
    other.write_bytes(b"precious")
    os.link(other, path)
    write_durably(path, b"ne", b"w")
    assert (path.read_bytes(), other.read_bytes()) == (b"new", b"precious")
    assert sorted(os.listdir(tmp_path)) == ["card.json", "thesis.tex"]


@pytest.mark.parametrize("what", ["a link", "a link to nowhere", "a folder", "a pipe", "a device"])
def test_what_lies_in_the_place_of_a_file_is_refused_and_left(tmp_path: Path, what: str) -> None:
    path, other = tmp_path / "run files" / "card.json", tmp_path / "thesis.tex"
    path.parent.mkdir()
    other.write_bytes(b"precious")
    if what.startswith("a link"):
        path.symlink_to(tmp_path / "nothing" if "nowhere" in what else other)
    elif what == "a folder":
        path.mkdir()
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    before = os.lstat(path)
    found = {"a link to nowhere": "a link", "a folder": "a folder"}.get(what, what)
    found = "a pipe, socket or device" if what in ("a pipe", "a device") else found
    with pytest.raises(UnsafeStore, match=f"expected a regular file, or nothing, found {found}; move it .*`mv '") as no:
        write_durably(path, b"new")
    assert no.value.exit_code == 15
    assert os.lstat(path)[:4] == before[:4] and other.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["run files", "thesis.tex"] and os.listdir(path.parent) == ["card.json"]


@pytest.mark.parametrize("kind", ["link", "file", "pipe"])
def test_a_prepared_temporary_is_never_written_into(tmp_path: Path, kind: str) -> None:
    """Its default name holds 128 random bits; one that a caller chose is opened only where it makes the file."""
    partial, other = tmp_path / "partial", tmp_path / "thesis.tex"
    other.write_bytes(b"precious")
    {
        "link": lambda: partial.symlink_to(other),
        "file": lambda: os.link(other, partial),
        "pipe": lambda: os.mkfifo(partial),
    }[kind]()
    for write in (
        lambda: write_synced(partial, b"new"),
        lambda: write_durably(tmp_path / "a", b"new", temporary=partial),
    ):
        with pytest.raises(FileExistsError):
            write()
    assert other.read_bytes() == b"precious" and os.path.lexists(partial) and not (tmp_path / "a").exists()


def test_what_a_kill_leaves_is_swept_and_nothing_else(tmp_path: Path) -> None:
    def killed() -> str:
        os.replace = lambda *_: os._exit(9)
        write_durably(tmp_path / "card.json", b"new")
        return "not reached"

    pid = os.fork()
    if pid == 0:
        killed()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    (left,) = os.listdir(tmp_path)
    assert left.startswith("card.json.") and left.endswith(".partial")
    mine = ["notes.partial", "a.0123.partial", f"{'0' * 32}.partial", "card.json"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    (tmp_path / f"b.{'1' * 32}.partial").mkdir()
    (tmp_path / f"c.{'1' * 32}.partial").symlink_to("card.json")
    sweep_partials(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*mine, f"b.{'1' * 32}.partial", f"c.{'1' * 32}.partial"])
    sweep_partials(tmp_path / "nothing")


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_folder_that_fails_to_sync_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def sync(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match=os.strerror(code)):
        sync_folder(tmp_path)


@pytest.mark.parametrize(("write", "synced"), [(write_durably, ["file", "folder"]), (replace_file, ["file"])])
def test_the_folder_is_synced_by_one_of_two_ways_to_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None], synced: list[str]
) -> None:
    seen = list[str]()
    folder = os.stat(tmp_path).st_ino
    monkeypatch.setattr(
        os, "fsync", lambda handle: seen.append("folder" if os.fstat(handle).st_ino == folder else "file")
    )
    (tmp_path / "a").write_bytes(b"old")
    write(tmp_path / "a", b"ne", b"w")
    assert (tmp_path / "a").read_bytes() == b"new" and os.listdir(tmp_path) == ["a"] and seen == synced


@pytest.mark.parametrize(("start", "stop", "found"), [(0, 9, b"012345678"), (3, 99, b"3456789"), (4, 4, b"")])
def test_pieces_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, stop: int, found: bytes) -> None:
    monkeypatch.setattr("dgkd_stores.disk.files.PIECE_BYTES", 4)
    (tmp_path / "a").write_bytes(b"0123456789")
    with (tmp_path / "a").open("rb") as file:
        read = list(pieces(file.fileno(), start, stop))
    assert b"".join(read) == found and all(len(each) <= 4 for each in read)


def test_a_writer_asks_for_new_names_only(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that a dump makes is opened so that neither a link nor a file of before can be meant."""
    flags: list[int] = []

    def opened(path: Any, how: int, *args: Any, **kwargs: Any) -> int:
        if how & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            flags.append(how)
        return really(path, how, *args, **kwargs)

    really = os.open
    monkeypatch.setattr(os, "open", opened)
    small = recipe()
    with GuideStoreWriter(tmp_path / "a.zarr", small.header, small.identity) as writer:
        for slot in writer.missing():
            writer.write(slot, small.logits(slot.view)[slot.start : slot.stop])
        writer.seal()
    needed = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    assert len(flags) > 10 and all(how & needed == needed and not how & os.O_TRUNC for how in flags)
