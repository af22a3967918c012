"""Keys that the real ssh-keygen makes, and what it says of a signature."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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
def agrees(keygen: Keygen, tmp_path: Path) -> Callable[..., bool]:
    """Returns what `ssh-keygen -Y verify` says of a store's signature file, read with `tail -n 1` as a lab would."""

    def ask(signature: Path, allowed: str, who: str = "lab@example.org") -> bool:
        (file := tmp_path / "asked_signers").write_text(allowed)
        message = subprocess.run(["tail", "-n", "1", signature], capture_output=True, check=True).stdout
        done = keygen("-Y", "verify", "-n", "dgkd-seal@v1", "-s", signature, "-f", file, "-I", who, stdin=message)
        return done.returncode == 0

    return ask
