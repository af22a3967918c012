"""HDF5 files that change while they are pulled, and what an earlier pull has left: nothing but what was announced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.signing import trusting
from stores.support.web import Answer, Web

from dgkd_stores import Interrupted, Mismatch, convert, pull, push, sign_store

NewKey = Callable[..., Path]


@pytest.fixture
def file(path: Path, served: Web, new_key: NewKey, tmp_path: Path) -> Path:
    """A signed file at the place."""
    convert(path, tmp_path / "a.h5")
    sign_store(tmp_path / "a.h5", new_key("lab"))
    served.root = tmp_path / "own"
    push(tmp_path / "a.h5", str(served.root))
    return served.root / "a.h5"


@pytest.fixture
def forged(other: Path, tmp_path: Path) -> bytes:
    """The content of another file, sealed by anybody."""
    convert(other, tmp_path / "forged.h5")
    return (tmp_path / "forged.h5").read_bytes()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata comes in several parts."""
    monkeypatch.setattr("dgkd_stores.sharing.remote_blocks.PAGE_BYTES", 1000)


def interrupted(address: str, into: Path, left: str) -> list[Path]:
    """Stops a pull while it fetches the file, or once the file is there; returns what it leaves."""

    def stop() -> bool:
        names = [each.name for each in into.glob(".a.h5*")]
        return any(name.endswith(".partial.partial") == (left == "unfinished") for name in names)

    with pytest.raises(Interrupted):
        pull(address, into, stop=stop)
    return [each for each in into.iterdir() if each.is_file()]


@pytest.mark.parametrize("at", ["whole", "part"])
@pytest.mark.parametrize("tags", [True, False])
def test_another_file_after_the_inspection(
    served: Web, file: Path, forged: bytes, new_key: NewKey, tmp_path: Path, tags: bool, at: str
) -> None:
    served.tags = tags

    def swap(answer: Answer) -> None:
        if answer.range and at == "part":
            file.write_bytes(forged)
        elif answer.path == "a.h5" and not answer.range and len(served.asked) > 2:
            answer.body, answer.total, answer.tag = forged, len(forged), "other" if tags else None

    served.fault = swap
    with pytest.raises(Mismatch) as told:
        pull(f"{served.address}/a.h5", tmp_path / "got", trusted=trusting(new_key("lab")))
    assert told.value.exit_code == 13 and not (tmp_path / "got" / "a.h5").exists()
    assert at == "part" or ("was replaced" in str(told.value) and "ask its maker" in told.value.do)


@pytest.mark.parametrize("left", ["finished", "unfinished"])
@pytest.mark.parametrize("keys", [True, False])
def test_a_new_version_after_an_interrupted_pull(
    served: Web, file: Path, forged: bytes, new_key: NewKey, tmp_path: Path, left: str, keys: bool
) -> None:
    signed = file.read_bytes()
    file.write_bytes(forged)
    assert interrupted(f"{served.address}/a.h5", tmp_path / "got", left)
    file.write_bytes(signed)
    trusted = trusting(new_key("lab")) if keys else None
    pull(f"{served.address}/a.h5", tmp_path / "got", trusted=trusted)
    assert (tmp_path / "got" / "a.h5").read_bytes() == signed


@pytest.mark.parametrize("left", ["finished", "unfinished"])
@pytest.mark.parametrize("damage", ["cut", "start", "end", "all"])
def test_what_was_left_is_damaged(served: Web, file: Path, tmp_path: Path, left: str, damage: str) -> None:
    right = file.read_bytes()
    for each in interrupted(f"{served.address}/a.h5", tmp_path / "got", left):
        data = bytearray(each.read_bytes())
        if damage == "cut":
            del data[len(data) // 2 :]
        else:
            span = {"start": slice(0, 500), "end": slice(-500, None), "all": slice(None)}[damage]
            data[span] = b"x" * len(data[span])
        each.write_bytes(data)
    pull(f"{served.address}/a.h5", tmp_path / "got")
    assert (tmp_path / "got" / "a.h5").read_bytes() == right
    assert sorted(os.listdir(tmp_path / "got")) == ["a.h5", "a.h5.sig"]


def test_pulled_again_where_no_part_can_be_read(served: Web, file: Path, tmp_path: Path) -> None:
    served.ranges = False
    for _ in range(2):
        pull(f"{served.address}/a.h5", tmp_path / "got")
    damaged = tmp_path / "got" / "a.h5"
    damaged.write_bytes(file.read_bytes()[:-100] + bytes(100))
    pull(f"{served.address}/a.h5", tmp_path / "got")
    assert damaged.read_bytes() == file.read_bytes()


def test_a_key_that_is_not_trusted_ends_it_before_the_bulk(
    served: Web, file: Path, new_key: NewKey, tmp_path: Path
) -> None:
    served.ranges, bulk = False, list[str]()
    served.fault = lambda answer: bulk.append(answer.path)
    address = f"{served.address}/a.h5"
    for dry_run in (True, False):
        bulk.clear()
        with pytest.raises(Mismatch, match="not by a key that is trusted"):
            pull(address, tmp_path / "got", trusted=trusting(new_key("other")), dry_run=dry_run)
        assert bulk == ["a.h5", "a.h5.sig"], "the first one finds the size, and is not read"
    trusted = trusting(new_key("lab"))
    preview = pull(address, tmp_path / "got", trusted=trusted, dry_run=True)
    assert preview.signature is not None and preview.seal is None and preview.fetched_bytes == len(file.read_bytes())
    assert pull(address, tmp_path / "got", trusted=trusted).signature == preview.signature


def test_what_a_dry_run_finds_here(served: Web, file: Path, tmp_path: Path) -> None:
    address, size = f"{served.address}/a.h5", file.stat().st_size
    (left,) = interrupted(address, tmp_path / "got", "unfinished")
    preview = pull(address, tmp_path / "got", dry_run=True)
    assert preview.fetched_bytes == size - left.stat().st_size and preview.fetched_files == 1
    pull(address, tmp_path / "got")
    preview = pull(address, tmp_path / "got", dry_run=True)
    assert preview.was_there and preview.fetched_bytes == preview.fetched_files == 0
