"""The record of what was dumped: one line for each store, whoever dumps, and none for what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.tiny_chain import dump, train, workspace

from dgkd_cache.workspace.dumped_here import DUMPED_FILE, dumped_seals, record_dumped
from dgkd_stores import verify

A, B = "a" * 64, "b" * 64


def test_seals_are_added(tmp_path: Path) -> None:
    assert dumped_seals(tmp_path) == frozenset()
    record_dumped(tmp_path, A)
    record_dumped(tmp_path, B)
    assert dumped_seals(tmp_path) == {A, B} and (tmp_path / DUMPED_FILE).read_text() == f"{A}\n{B}\n"


@pytest.mark.parametrize("what", ["link", "hard link", "pipe", "folder", "large", "binary"])
def test_a_file_that_cannot_be_read_has_no_seals(tmp_path: Path, what: str) -> None:
    path = tmp_path / DUMPED_FILE
    if what == "link":
        (tmp_path / "elsewhere").write_text(f"{A}\n")
        path.symlink_to("elsewhere")
    elif what == "hard link":
        (tmp_path / "elsewhere").write_text("not a seal\n")
        path.hardlink_to(tmp_path / "elsewhere")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "large":
        path.write_bytes(f"{A}\n".encode() + bytes(2**23))
    else:
        path.write_bytes(f"{A}\n\xff".encode("latin-1"))
    before = os.path.getsize(tmp_path / "elsewhere") if "link" in what else 0
    assert A not in dumped_seals(tmp_path)
    record_dumped(tmp_path, B)
    assert not {A, B} & dumped_seals(tmp_path)
    assert "link" not in what or os.path.getsize(tmp_path / "elsewhere") == before, "nothing is written through a link"


def test_each_dump_is_recorded_once(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", training__epochs=1)
    train(ws, "teacher")
    for _ in range(2):
        dump(ws, "teacher")
    seal = verify(ws.store_path("teacher")).seal
    assert (ws.folder / DUMPED_FILE).read_text() == f"{seal}\n"
