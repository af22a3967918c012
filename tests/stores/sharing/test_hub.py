"""The Hub as a place, on a real socket: commits in their order, on a known parent, and errors with the right code."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from stores.support import fake_hub as fake_hub_module
from stores.support.fake_hub import TOKEN, FakeHub, fake_hub
from stores.support.small_store import tree

from dgkd_stores import Damaged, DgkdError, Incomplete, InvalidInput, Mismatch, StoreNotFound, convert, pull, push
from dgkd_stores.sharing.requests import ATTEMPTS
from dgkd_stores.sharing.signatures import sign_store
from dgkd_stores.sharing.trust import TrustedKeys

pytest.importorskip(
    "huggingface_hub", reason="SKIPPED: no huggingface_hub here; `pip install 'dgkd-cache[hf]'` gets it"
)
pytest.importorskip("obstore", reason="SKIPPED: no obstore here; `pip install 'dgkd-cache[hf]'` gets it")

# huggingface_hub sends a file by LFS in a way that its HTTP client calls outdated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


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
    texts = {name for name in last if name.endswith(("zarr.json", "README.md", "croissant.json"))}
    assert {*hub.pointers} == last.keys() - texts, "all chunks"
    sent = [oid for method, oid in hub.asked if method == "PUT"]
    assert sorted(sent) == sorted(hub.objects) and hub.verified == {*hub.objects}, "each content once, and verified"
    assert push(path, "hf://lab/ta1").sent_files == 0 and [oid for method, oid in hub.asked if method == "PUT"] == sent
    for number, source in enumerate(("hf://lab/ta1", "hf://lab/ta1/a.zarr", "hf://datasets/lab/ta1")):
        folder = tmp_path / f"got-{number}"
        assert pull(source, folder).seal == found.seal
        assert tree(folder / "a.zarr") == tree(path) and os.listdir(folder) == ["a.zarr"]


@pytest.mark.parametrize("part", [1000, 10**9])
def test_an_hdf5_file(hub: FakeHub, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    """The file travels as one upload, and in parts."""
    monkeypatch.setattr(fake_hub_module, "PART", part)
    convert(path, tmp_path / "a.h5")
    found = push(tmp_path / "a.h5", "hf://lab/ta1")
    puts = [oid for method, oid in hub.asked if method == "PUT"]
    assert len(puts) == -(-found.nbytes // part) and {*hub.pointers} == {"a.h5"}
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


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """huggingface_hub sends a request six times, with 23 s between the first and the last."""
    clock = SimpleNamespace(sleep=lambda seconds: None, time=time.time)
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock)


def test_an_upload_that_stopped_goes_on(hub: FakeHub, path: Path, tmp_path: Path, no_sleep: None) -> None:
    stopped = hashlib.sha256((path / "logits" / "c.1.2.0").read_bytes()).hexdigest()
    hub.fault = lambda method, oid: 503 * (method == "PUT" and oid == stopped)
    with pytest.raises(Incomplete, match="run the same command again") as told:
        push(path, "hf://lab/ta1")
    assert told.value.exit_code == 3 and hub.commits == [{}] and stopped not in hub.objects
    hub.fault = lambda method, oid: 0
    there = {*hub.objects}
    hub.asked.clear()
    push(path, "hf://lab/ta1")
    assert stopped in hub.objects and not there & {oid for method, oid in hub.asked if method == "PUT"}
    pull("hf://lab/ta1", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_a_push_that_stopped_before_its_tag(hub: FakeHub, path: Path, tmp_path: Path, form: str) -> None:
    convert(path, tmp_path / "a.h5")
    hub.lost_tags = ATTEMPTS
    with pytest.raises(Incomplete):
        push(tmp_path / form, "hf://lab/ta1")
    assert not hub.tags
    hub.lost_tags = 1
    for _ in range(2):
        found = push(tmp_path / form, "hf://lab/ta1")
        assert found.sent_files == 0 and hub.tags == {found.seal: hub.head}


@pytest.mark.parametrize("event", ["refused", "lost", "moved"])
@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_a_commit_whose_answer_is_lost(hub: FakeHub, path: Path, tmp_path: Path, form: str, event: str) -> None:
    """It is sent again, unless the head has its files; 3 if that goes on."""
    convert(path, tmp_path / "a.h5")
    hub.lost_commits = ["refused"] * ATTEMPTS
    with pytest.raises(Incomplete, match="run the same command again") as told:
        push(tmp_path / form, "hf://lab/ta1")
    assert told.value.exit_code == 3 and hub.commits == [{}] and not hub.lost_commits
    hub.lost_commits = [event] * 2
    found = push(tmp_path / form, "hf://lab/ta1")
    assert not [message for message in hub.messages if hub.messages.count(message) > 1 and message != "another lab"]
    assert hub.tags == {found.seal: hub.head}
    pull("hf://lab/ta1", tmp_path / "got")
    assert found.sent_files == found.files and os.listdir(tmp_path / "got") == [form]


def test_another_commit_where_an_answer_is_lost(hub: FakeHub, path: Path) -> None:
    """The commit that is there by then is not ours."""
    hub.lost_commits = ["refused"]
    hub.after_refusal = lambda: hub.commit({"note": b"x"}, "another lab")
    with pytest.raises(Mismatch, match="has changed during the push"):
        push(path, "hf://lab/ta1")


def test_a_repository_that_may_not_be_made(hub: FakeHub, path: Path) -> None:
    hub.no_owner = True
    with pytest.raises(DgkdError, match="cannot be written") as told:
        push(path, "hf://lab/ta1")
    assert told.value.exit_code == 1 and not hub.commits


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_a_signature_and_a_licence_come_later(
    hub: FakeHub, path: Path, tmp_path: Path, new_key: Callable[..., Path], form: str
) -> None:
    store = tmp_path / form
    convert(path, tmp_path / "a.h5")
    first = push(store, "hf://lab/ta1")
    count = len(hub.commits)
    sign_store(store, new_key("lab"))
    preview = push(store, "hf://lab/ta1", dry_run=True)
    assert len(hub.commits) == count
    second = push(store, "hf://lab/ta1")
    assert second.sent_files == 0 and f"{form}.sig" in second.sent_beside == preview.sent_beside
    assert hub.commits[-1][f"{form}.sig"] == (tmp_path / f"{form}.sig").read_bytes()
    assert push(store, "hf://lab/ta1").sent_beside == () and len(hub.commits) == count + 1
    third = push(store, "hf://lab/ta1", data_licence="CC0-1.0")
    assert third.sent_beside == ("README.md", "croissant.json") and b"CC0-1.0" in hub.commits[-1]["README.md"]
    assert len(hub.commits) == count + 2 and hub.tags == {first.seal: hub.oid(count - 1)}, "the tag stays"
    hub.tags.clear()
    push(store, "hf://lab/ta1")
    assert hub.tags == {first.seal: hub.head}
    trusted = TrustedKeys.read(keys=[f"{new_key('lab')}.pub"])
    assert pull("hf://lab/ta1", tmp_path / "got", trusted=trusted).signature is not None


def test_a_storage_that_refuses(hub: FakeHub, path: Path, no_sleep: None) -> None:
    hub.fault = lambda method, oid: 403 * (method == "PUT")
    with pytest.raises(DgkdError, match="refuses access") as told:
        push(path, "hf://lab/ta1")
    assert told.value.exit_code == 1 and hub.commits == [{}]


def test_downloads_that_are_cut_go_on(hub: FakeHub, path: Path, tmp_path: Path) -> None:
    push(path, "hf://lab/ta1")
    cut = set[str]()

    def fault(method: str, oid: str) -> int:
        first = method == "GET" and oid not in cut
        cut.update([oid] if first else [])
        return -1 if first else 0

    hub.fault = fault
    pull("hf://lab/ta1", tmp_path / "got")
    assert cut == {*hub.objects} and tree(tmp_path / "got" / "a.zarr") == tree(path)
    went_on = {oid for oid, _ in hub.ranges}
    assert went_on == {oid for oid, data in hub.objects.items() if len(data) >= 100}, "a piece has 50 bytes here"


def test_damage_in_the_storage(hub: FakeHub, path: Path, tmp_path: Path) -> None:
    push(path, "hf://lab/ta1")
    oid = hub.pointers["a.zarr/logits/c.1.2.0"]
    right = hub.objects[oid]
    hub.objects[oid] = bytes([right[0] ^ 1]) + right[1:]
    with pytest.raises(Damaged) as told:
        pull("hf://lab/ta1", tmp_path / "got")
    assert told.value.exit_code == 12 and not (tmp_path / "got" / "a.zarr").exists()


@pytest.mark.slow  # hf_xet asks again for two minutes
def test_without_the_service_of_xet(path: Path, monkeypatch: pytest.MonkeyPatch, no_sleep: None) -> None:
    """It is tried where the package is there; HF_HUB_DISABLE_XET, which `fake_hub` sets else, turns it off."""
    pytest.importorskip("hf_xet", reason="SKIPPED: no hf_xet here, which huggingface_hub uses where it is")
    with fake_hub(xet=True) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        with pytest.raises(Incomplete) as told:
            push(path, "hf://lab/ta1")
    assert told.value.exit_code == 3 and not hub.objects and TOKEN not in str(told.value)


def test_no_bar_of_another_program(hub: FakeHub, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    push(path, "hf://lab/ta1")
    assert capfd.readouterr() == ("", "")


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
