"""Push and pull against real servers on loopback: S3 with and without conditional writes, nginx."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores.support.cutting_proxy import cutting_proxy
from stores.support.servers import S3_KEYS, bad_s3, good_s3, nginx
from stores.support.small_store import SmallStore, tree

from dgkd_stores import (
    Damaged,
    DgkdError,
    Incomplete,
    Mismatch,
    Pushed,
    StoreNotFound,
    convert,
    pull,
    push,
    verify,
)
from dgkd_stores.sharing.address import parse_address
from dgkd_stores.sharing.open_place import open_place

pytestmark = pytest.mark.slow

_PLACES = itertools.count()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with good_s3(tmp_path_factory.mktemp("weed")) as env:
        yield env


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with bad_s3(tmp_path_factory.mktemp("rclone")) as env:
        yield env


@pytest.fixture(params=["good", "bad"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An S3 service, whose settings are in the environment; gives its kind."""
    for name, value in request.getfixturevalue(request.param).items():
        monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture
def address(service: str) -> str:
    """A place of its own."""
    return f"s3://lab/guides-{next(_PLACES)}"


def make(folder: Path, **recipe: object) -> Path:
    store = SmallStore(**recipe)  # type: ignore[arg-type]
    store.write(folder / "a.zarr", codec="none")
    return folder / "a.zarr"


@pytest.fixture
def store(tmp_path: Path, small_chunks: None) -> Path:
    return make(tmp_path)


def replace(address: str, name: str, data: bytes) -> None:
    open_place(parse_address(address)).replace(name, data)


@pytest.mark.parametrize("form", ["none", "zstd", "blosc", "h5", "gzip"])
@pytest.mark.parametrize("encoding", ["float32", "float16", "uint8", "factored", "topk"])
def test_round_trip(small_chunks: None, tmp_path: Path, address: str, service: str, encoding: str, form: str) -> None:
    folder = tmp_path / "a.zarr"
    seal = SmallStore(encoding=encoding).write(folder, codec=form if form in ("zstd", "blosc") else "none")
    path = folder
    if form in ("h5", "gzip"):
        path = tmp_path / "a.h5"
        convert(folder, path, codec="none" if form == "h5" else "gzip")
    pushed = push(path, address)
    assert pushed.seal == seal and pushed.conditional is (service == "good")
    assert push(path, address).sent_files == 0
    for source, name in ((address, "one"), (f"{address}/{path.name}", "two")):
        found = pull(source, tmp_path / name)
        assert found.seal == seal and found.verification is not None and found.verification.exit_code == 0
        got = tmp_path / name / path.name
        assert tree(got) == tree(path) if got.is_dir() else got.read_bytes() == path.read_bytes()


def test_larger_objects(tmp_path: Path, address: str) -> None:
    path = make(tmp_path, samples=200_000, views=2, classes=100, encoding="float16")
    assert max(file.stat().st_size for file in path.rglob("*")) > 20_000_000
    push(path, address)
    pull(address, tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)


def test_damage_of_the_same_size(store: Path, tmp_path: Path, address: str) -> None:
    push(store, address)
    right = (store / "logits" / "c.1.0.0").read_bytes()
    replace(address, "a.zarr/logits/c.1.0.0", bytes([right[0] ^ 1]) + right[1:])
    with pytest.raises(Damaged) as refused:
        pull(address, tmp_path / "got")
    assert refused.value.exit_code == 12 and not (tmp_path / "got" / "a.zarr").exists()
    with pytest.raises(StoreNotFound):
        pull(f"{address}/nothing", tmp_path / "got")
    replace(address, "a.zarr/logits/c.1.0.0", right)
    assert pull(address, tmp_path / "got").fetched_files <= 10


def test_a_publication_that_stopped(store: Path, tmp_path: Path, address: str) -> None:
    calls = itertools.count()
    with pytest.raises(DgkdError) as stopped:
        push(store, address, jobs=1, stop=lambda: next(calls) > 60)
    assert stopped.value.exit_code == 130
    with pytest.raises(Incomplete, match="not published yet"):
        pull(f"{address}/a.zarr", tmp_path / "got")
    assert 0 < push(store, address).sent_files < len(tree(store))
    pull(address, tmp_path / "got")
    assert tree(tmp_path / "got" / "a.zarr") == tree(store)


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_connections_that_are_cut(
    tmp_path: Path, good: dict[str, str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    for name, value in good.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 400_000)
    monkeypatch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 400_000)
    path, address = make(tmp_path, samples=20_000, views=10, classes=20), f"s3://lab/cut-{next(_PLACES)}"
    if verb == "pull":
        push(path, address)
    port = int(good["AWS_ENDPOINT_URL"].rpartition(":")[2])
    with cutting_proxy(port, cuts=60, most=600_000, seed=5) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        while proxy.left:  # a call gives up after some failures of one file; the same call goes on
            with contextlib.suppress(Incomplete):
                if verb == "push":
                    push(path, address)
                else:
                    shutil.rmtree(tmp_path / "got" / "a.zarr", ignore_errors=True)
                    pull(address, tmp_path / "got")
        if verb == "push":
            push(path, address)
        pull(address, tmp_path / "got")
        assert len(proxy.cuts) == 60
    assert tree(tmp_path / "got" / "a.zarr") == tree(path)
    assert os.listdir(tmp_path / "got") == ["a.zarr"]


@pytest.mark.parametrize("names", [("a.zarr", "a.zarr"), ("a.zarr", "b.zarr")])
@pytest.mark.parametrize("attempt", range(10))
def test_two_pushes_at_once_one_wins(
    small_chunks: None,
    tmp_path: Path,
    good: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    attempt: int,
    names: tuple[str, str],
) -> None:
    for name, value in good.items():
        monkeypatch.setenv(name, value)
    address = f"s3://lab/race-{next(_PLACES)}"
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    stores = [make(tmp_path / "1"), make(tmp_path / "2", compute={"device": "cpu", "batch": 16, "torch": "3"})]
    outcomes: list[Pushed | Exception] = []
    together = threading.Barrier(2)

    def work(path: Path, name: str) -> None:
        together.wait()
        try:
            outcomes.append(push(path, f"{address}/{name}"))
        except DgkdError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work, args=one) for one in zip(stores, names, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [each for each in outcomes if isinstance(each, Pushed)]
    (told,) = [each for each in outcomes if isinstance(each, DgkdError)]
    assert isinstance(told, Mismatch)
    assert pull(address, tmp_path / "got").seal == won.seal


def test_no_credential_in_any_text(
    store: Path, tmp_path: Path, address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = [str(push(store, address).to_dict()), str(pull(address, tmp_path / "got").to_dict())]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Another-Tell-Tale")
    with pytest.raises(DgkdError) as refused:
        pull(address, tmp_path / "new")
    assert refused.value.exit_code == 1 and "refuses access" in str(refused.value)
    texts += [str(refused.value), caplog.text]
    texts += [file.read_text(errors="replace") for file in (tmp_path / "got").rglob("*") if file.is_file()]
    for secret in (*S3_KEYS.values(), "Another-Tell-Tale"):
        assert not [text for text in texts if secret in text]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_nginx(store: Path, tmp_path: Path, ranges: bool, form: str) -> None:
    convert(store, tmp_path / "a.h5")
    os.chmod(tmp_path, 0o755)
    (tmp_path / "nginx").mkdir()
    push(tmp_path / form, str(tmp_path / "place"))
    with nginx(tmp_path / "place", tmp_path / "nginx", ranges=ranges) as web:
        found = pull(f"{web}/{form}", tmp_path / "got")
        assert found.verification is not None and found.verification.exit_code == 0
        if form == "a.zarr":
            assert tree(tmp_path / "got" / form) == tree(store)
            left = tmp_path / "got" / form / "logits" / "c.0.0.0"
            left.write_bytes(bytes(left.stat().st_size))
            assert pull(f"{web}/{form}", tmp_path / "got").fetched_files == 1
        assert verify(tmp_path / "got" / form, full=True).exit_code == 0
