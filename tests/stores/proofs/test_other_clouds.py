"""Push and pull over gs:// and az://: Azurite, and a fake of Google's XML API, since no emulator has what it needs."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores.support.cutting_proxy import cutting_proxy
from stores.support.fake_gcs import TOKEN, FakeGcs, fake_gcs
from stores.support.servers import AZURE_KEY, azure
from stores.support.small_store import SmallStore, tree

from dgkd_stores import Damaged, DgkdError, Incomplete, Mismatch, StoreNotFound, convert, pull, push
from dgkd_stores.sharing.address import parse_address
from dgkd_stores.sharing.object_storage import ObjectStorage, open_object_storage
from dgkd_stores.sharing.parallel import Tally

pytest.importorskip("obstore", reason="SKIPPED: no obstore here; `pip install 'dgkd-cache[share]'` gets it")

_PLACES = itertools.count()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tally, "pause", lambda self, attempt: self.check())
    monkeypatch.setattr("dgkd_stores.sharing.object_storage.PIECE_BYTES", 50)


@pytest.fixture
def other(small_chunks: None, tmp_path: Path) -> Path:
    """Another store of the name and the shape of `path`."""
    SmallStore(compute={"device": "cpu", "batch": 16, "torch": "3"}).write(tmp_path / "other" / "a.zarr")
    return tmp_path / "other" / "a.zarr"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    with fake_gcs() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with azure(tmp_path_factory.mktemp("azurite")) as env:
        yield env


@pytest.fixture(params=["gs", pytest.param("az", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place of its own in each service, whose settings are in the environment."""
    if request.param == "gs":
        request.getfixturevalue("google")
    else:
        for name, value in request.getfixturevalue("azurite").items():
            monkeypatch.setenv(name, value)
    return f"{request.param}://lab/guides-{next(_PLACES)}"


def write(address: str, name: str, data: bytes) -> None:
    place = open_object_storage(parse_address(address))
    assert isinstance(place, ObjectStorage)
    place.replace(name, data)


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_round_trip(path: Path, tmp_path: Path, address: str, form: str) -> None:
    convert(path, tmp_path / "a.h5")
    pushed = push(tmp_path / form, address)
    assert pushed.conditional is True and push(tmp_path / form, address).sent_files == 0
    found = pull(address, tmp_path / "got")
    assert found.seal == pushed.seal and found.verification is not None and found.verification.exit_code == 0
    got = tmp_path / "got" / form
    assert tree(got) == tree(path) if got.is_dir() else got.read_bytes() == (tmp_path / form).read_bytes()
    assert os.listdir(tmp_path / "got") == [form]


def test_what_is_there_is_not_replaced(path: Path, other: Path, tmp_path: Path, address: str) -> None:
    place = open_object_storage(parse_address(address))
    assert isinstance(place, ObjectStorage)
    assert place.create("x", b"ours") and not place.create("x", b"theirs")
    assert b"".join(place.read("x").pieces) == b"ours"
    push(path, address)
    with pytest.raises(Mismatch) as refused:
        push(other, address)
    assert refused.value.exit_code == 13
    pull(address, tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_a_push_that_stopped_goes_on(path: Path, tmp_path: Path, address: str) -> None:
    calls = itertools.count()
    with pytest.raises(DgkdError) as stopped:
        push(path, address, jobs=1, stop=lambda: next(calls) > 60)
    assert stopped.value.exit_code == 130
    with pytest.raises(Incomplete, match="not published yet"):
        pull(f"{address}/a.zarr", tmp_path / "got")
    assert 0 < push(path, address).sent_files < len(tree(path))
    pull(address, tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_damage_of_the_same_size_is_fetched_again_alone(path: Path, tmp_path: Path, address: str) -> None:
    push(path, address)
    right = (path / "logits" / "c.1.0.0").read_bytes()
    write(address, "a.zarr/logits/c.1.0.0", bytes([right[0] ^ 1]) + right[1:])
    with pytest.raises(Damaged) as refused:
        pull(address, tmp_path / "got")
    assert refused.value.exit_code == 12 and not (tmp_path / "got" / "a.zarr").exists()
    write(address, "a.zarr/logits/c.1.0.0", right)
    assert pull(address, tmp_path / "got").fetched_files <= 10
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_what_the_hint_of_a_refusal_offers_works(
    request: pytest.FixtureRequest, path: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a public bucket, which is read without credentials."""
    service = {"gs": "GOOGLE", "az": "AZURE"}[address[:2]]
    public = address.replace("lab", "public") if service == "AZURE" else address
    push(path, public)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "ya29.wrong")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
    with pytest.raises(DgkdError, match="refuses access") as refused:
        pull(address, tmp_path / "got")
    name, value = f"{service}_SKIP_SIGNATURE", "true"
    assert refused.value.do.endswith(f"a public bucket wants {name}={value}")
    if service == "GOOGLE":
        request.getfixturevalue("google").public = True
    monkeypatch.setenv(name, value)
    pull(public, tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_refused_credentials_are_told_and_not_shown(path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "ya29.Another-Tell-Tale")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "QW5vdGhlci1UZWxsLVRhbGU=")
    with pytest.raises(DgkdError, match="refuses access") as refused:
        push(path, address)
    assert refused.value.exit_code == 1
    for secret in ("Another-Tell-Tale", "QW5vdGhlci1UZWxsLVRhbGU", TOKEN, AZURE_KEY):
        assert secret not in str(refused.value)


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_a_bucket_that_does_not_exist(path: Path, tmp_path: Path, address: str, form: str) -> None:
    """It is told with the first answer, in words."""
    nowhere = address.replace("//lab/", "//nosuch/")
    convert(path, tmp_path / "a.h5")
    for work in (
        lambda: push(tmp_path / form, nowhere),
        lambda: push(tmp_path / form, nowhere, dry_run=True),
        lambda: pull(nowhere, tmp_path / "got"),
        lambda: pull(f"{nowhere}/{form}", tmp_path / "got"),
    ):
        with pytest.raises(StoreNotFound, match=f"no place at {nowhere}.* does not exist") as refused:
            work()
        assert refused.value.exit_code == 10 and "<" not in str(refused.value)
    place = open_object_storage(parse_address(nowhere))
    assert isinstance(place, ObjectStorage)
    for write in (place.create, place.replace):
        with pytest.raises(StoreNotFound, match="no place at"):
            write("x", b"1")


@pytest.mark.parametrize("status", [409, 503])
def test_writes_that_fail_for_a_moment_are_sent_again(google: FakeGcs, path: Path, tmp_path: Path, status: int) -> None:
    """409 is what a service answers while another request for the name is on its way; nothing is there afterwards."""
    failed = dict[str, int]()

    def fault(method: str, name: str) -> int:
        failed[name] = failed.get(name, 0) + (method == "PUT")
        return status if method == "PUT" and failed[name] <= 2 else 0

    google.fault = fault
    pushed = push(path, "gs://lab/x")
    refused = [name for method, name, answer in google.asked if (method, answer) == ("PUT", status)]
    assert len(refused) == 2 * (pushed.files + len(pushed.beside)), "each name, twice"
    pull("gs://lab/x", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_bodies_that_are_cut_go_on_with_range(google: FakeGcs, path: Path, tmp_path: Path) -> None:
    push(path, "gs://lab/x")
    cut = set[str]()

    def fault(method: str, name: str) -> int:
        first = method == "GET" and "/logits/c." in name and name not in cut
        cut.update([name] if first else [])
        return -1 if first else 0

    google.fault = fault
    pull("gs://lab/x", tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)
    went_on = {name for name, span in google.ranges if span != "bytes=0-"}
    assert cut and went_on == cut


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_connections_to_azure_that_are_cut(
    tmp_path: Path, azurite: dict[str, str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    for name, value in azurite.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 400_000)
    monkeypatch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 400_000)
    path, address = tmp_path / "a.zarr", f"az://lab/cut-{next(_PLACES)}"
    SmallStore(samples=10_000, views=6, classes=20).write(path)
    if verb == "pull":
        push(path, address)
    port, rest = azurite["AZURE_STORAGE_ENDPOINT"].removeprefix("http://127.0.0.1:").split("/")
    with cutting_proxy(int(port), cuts=30, most=600_000, seed=7) as proxy:
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:{proxy.port}/{rest}")
        while proxy.left:  # a call gives up after some failures of one file; the same call goes on
            with contextlib.suppress(Incomplete):
                if verb == "push":
                    push(path, address)
                pull(address, tmp_path / f"got-{proxy.left}")
        push(path, address)
        pull(address, tmp_path / "got")
        assert len(proxy.cuts) == 30
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_a_service_that_refuses_conditions(path: Path, other: Path, tmp_path: Path, google: FakeGcs) -> None:
    """It gets plain writes of what is not there, and is reported, as one that ignores conditions is."""
    google.conditions = False
    address = f"gs://lab/guides-{next(_PLACES)}"
    assert push(path, address).conditional is False
    assert push(path, address).sent_files == 0
    with pytest.raises(Mismatch):
        push(other, address)
    pull(address, tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)
