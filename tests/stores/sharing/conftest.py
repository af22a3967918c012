"""A published store and a web server over it; keys that the real ssh-keygen makes, and what it says of a signature."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore
from stores.support.web import Web, web

from dgkd_stores import push
from dgkd_stores.sharing.parallel import Tally

Keygen = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(autouse=True)
def _cryptography() -> None:
    """Another Python (`make test-other`) may be without the extra `share`."""
    pytest.importorskip("cryptography", reason="the extra share is not installed")


@pytest.fixture(scope="session")
def keygen() -> Keygen:
    """Runs ssh-keygen."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed (Debian: openssh-client)")

    def run(*words: str | Path, stdin: bytes = b"", **more: object) -> subprocess.CompletedProcess[bytes]:
        command = ["ssh-keygen", *map(str, words)]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, **more)  # type: ignore[call-overload, no-any-return]  # what a test passes on

    return run


@pytest.fixture(scope="session")
def new_key(keygen: Keygen, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a key pair of a name, once; returns the path of the private one."""
    folder = tmp_path_factory.mktemp("keys")

    def make(name: str, kind: str = "ed25519", passphrase: str = "") -> Path:
        path = folder / name
        if not path.exists():
            bits = ["-b", "2048"] if kind == "rsa" else []
            done = keygen("-q", "-t", kind, *bits, "-N", passphrase, "-C", f"{name}@example.org", "-f", path)
            assert done.returncode == 0, done.stderr
        return path

    return make


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A finished store, each of whose views is one chunk."""
    SmallStore().write(path := tmp_path / "ta1.zarr")
    return path


@pytest.fixture
def agrees(keygen: Keygen, tmp_path: Path) -> Callable[..., bool]:
    """Returns what `ssh-keygen -Y verify` says of a store's signature file, read with `tail -n 1` as a lab would."""

    def ask(signature: Path, allowed: str, who: str = "lab@example.org") -> bool:
        (file := tmp_path / "asked_signers").write_text(allowed)
        message = subprocess.run(["tail", "-n", "1", signature], capture_output=True, check=True).stdout
        done = keygen("-Y", "verify", "-n", "dgkd-seal@v1", "-s", signature, "-f", file, "-I", who, stdin=message)
        return done.returncode == 0

    return ask


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tally, "pause", lambda self, attempt: self.check())


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut within a small object loses a part of it."""
    monkeypatch.setattr("dgkd_stores.sharing.object_storage.PIECE_BYTES", 50)


@pytest.fixture
def tally() -> Tally:
    return Tally(0, lambda done, total: None, lambda: False)


@pytest.fixture
def place(path: Path, tmp_path: Path) -> Path:
    """A place that holds the small store `a.zarr`."""
    push(path, str(tmp_path / "place"))
    return tmp_path / "place"


@pytest.fixture
def served(place: Path) -> Iterator[Web]:
    """The place as a web server has it."""
    pytest.importorskip("obstore", reason="SKIPPED: no obstore here; `pip install 'dgkd-cache[share]'` gets it")
    with web(place) as server:
        yield server


@pytest.fixture
def other(recipe: type[SmallStore], small_chunks: None, tmp_path: Path) -> Path:
    """Another store of the name and the shape of `path`: its rows differ."""

    class Other(recipe):  # type: ignore[misc, valid-type]
        def logits(self, view: int) -> object:
            return super().logits(view) + 1

    Other().write(tmp_path / "other" / "a.zarr")
    return tmp_path / "other" / "a.zarr"
