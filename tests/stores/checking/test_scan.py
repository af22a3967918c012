"""A store as it lies there: every file is read once, and reading can be told of and stopped."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from stores.support.damage import places

from dgkd_stores import Interrupted, verify

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def path(recipe: Any, tmp_path: Path) -> Path:
    recipe(first_view=2).write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


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


def test_stop(path: Path) -> None:
    with pytest.raises(Interrupted, match="nothing was changed"):
        verify(path, full=True, stop=lambda: True)


def test_every_file_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But zarr.json files, which are compared byte for byte after they were understood."""
    opened: Counter[str] = Counter()
    really = os.open

    def note(file: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if str(file).startswith(str(path)) and not os.path.isdir(file):
            opened[os.path.relpath(file, path)] += 1
        return really(file, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", note)
    monkeypatch.setattr("dgkd_stores.checking.rows.PIECE_BYTES", 2**20)
    told: list[tuple[int, int]] = []
    assert verify(path, full=True, report=lambda done, total: told.append((done, total))).damage == ()
    chunks = {str(file.relative_to(path)) for file in path.rglob("c.*")}
    rows = {name for name in chunks if name.startswith("logits/")}
    assert {name: opened[name] for name in chunks} == dict.fromkeys(chunks, 1)
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done) and set(totals) == {done[-1]}
    assert done[-1] == 3 * 50 * 7 * 4 + sum((path / name).stat().st_size for name in chunks - rows)


@pytest.mark.parametrize("after", [0, 1, 7])
def test_stopped_after_some_of_it(path: Path, after: int) -> None:
    told: list[int] = []
    with pytest.raises(Interrupted):
        verify(path, full=True, report=lambda done, total: told.append(done), stop=lambda: len(told) >= after)
    assert len(told) == after
