"""The Hub as a place, on a real socket: commits in their order, on a known parent, and errors with the right code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores.support.fake_hub import TOKEN, FakeHub, fake_hub
from stores.support.small_store import tree

from dgkd_stores import DgkdError, Incomplete, InvalidInput, Mismatch, StoreNotFound, convert, pull, push

pytest.importorskip(
    "huggingface_hub", reason="SKIPPED: no huggingface_hub here; `pip install 'dgkd-cache[hf]'` gets it"
)
pytest.importorskip("obstore", reason="SKIPPED: no obstore here; `pip install 'dgkd-cache[hf]'` gets it")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


def test_there_and_back(hub: FakeHub, path: Path, tmp_path: Path) -> None:
    preview = push(path, "hf://lab/ta1", dry_run=True)
    assert preview.sent_files == preview.files and not hub.commits
    found = push(path, "hf://lab/ta1")
    assert found.sent_files == found.files and found.address == "hf://lab/ta1/a.zarr"
    assert ["a.zarr/zarr.json" in files for files in hub.commits] == [False] * (len(hub.commits) - 1) + [True]
    last, before = hub.commits[-1], hub.commits[-2]
    assert set(last) - set(before) == {"a.zarr/zarr.json", "README.md", "croissant.json"}
    assert hub.tags == {found.seal: hub.head}
    assert push(path, "hf://lab/ta1").sent_files == 0
    for number, source in enumerate(("hf://lab/ta1", "hf://lab/ta1/a.zarr", "hf://datasets/lab/ta1")):
        folder = tmp_path / f"got-{number}"
        assert pull(source, folder).seal == found.seal
        assert tree(folder / "a.zarr") == tree(path) and os.listdir(folder) == ["a.zarr"]


def test_an_hdf5_file(hub: FakeHub, path: Path, tmp_path: Path) -> None:
    convert(path, tmp_path / "a.h5")
    found = push(tmp_path / "a.h5", "hf://lab/ta1")
    assert set(hub.commits[-1]) == {"a.h5", "README.md", "croissant.json"} and hub.tags == {found.seal: hub.head}
    pull("hf://lab/ta1", tmp_path / "got")
    assert (tmp_path / "got" / "a.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()


def test_another_commit_in_between(hub: FakeHub, path: Path, tmp_path: Path) -> None:
    hub.after_commit = lambda: hub.commit({"note": b"x"}, "another lab") if len(hub.commits) == 2 else None
    with pytest.raises(Mismatch, match="has changed during the push") as told:
        push(path, "hf://lab/ta1")
    assert told.value.exit_code == 13 and "a.zarr/zarr.json" not in hub.commits[-1]
    with pytest.raises(Incomplete):
        pull("hf://lab/ta1/a.zarr", tmp_path / "got")
    push(path, "hf://lab/ta1")
    pull("hf://lab/ta1", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_another_store_is_there(hub: FakeHub, path: Path, other: Path) -> None:
    push(path, "hf://lab/ta1")
    count = len(hub.commits)
    with pytest.raises(Mismatch, match="another store lies"):
        push(other, "hf://lab/ta1")
    assert len(hub.commits) == count


def test_a_gitignore_that_drops_files(hub: FakeHub, path: Path) -> None:
    hub.ignored = ("a.zarr/label/c.0",)
    with pytest.raises(Incomplete, match="gitignore"):
        push(path, "hf://lab/ta1")
    assert "a.zarr/zarr.json" not in hub.commits[-1]


def test_refusals(hub: FakeHub, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreNotFound):
        pull("hf://lab/ta1", tmp_path / "got")
    for address in ("hf://lab", "hf://lab/ta1/more/a.zarr"):
        with pytest.raises(InvalidInput, match="hf://OWNER/REPOSITORY"):
            push(path, address)
    monkeypatch.setenv("HF_TOKEN", "hf_AnotherTellTale")
    with pytest.raises(DgkdError, match="refuses access") as refused:
        push(path, "hf://lab/ta1")
    assert refused.value.exit_code == 1 and "TellTale" not in str(refused.value)
