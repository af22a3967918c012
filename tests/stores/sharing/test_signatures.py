"""Signatures of stores, against the real ssh-keygen: it accepts ours, and its own are accepted here."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stores.support.signing import accepted, line_of, public, sign_with_ssh_keygen, trusting
from stores.support.small_store import SmallStore

from dgkd_stores import Damaged, GuideStore, Incomplete, InvalidInput, StoreNotFound, UnsafeStore, convert, verify
from dgkd_stores.sharing.signatures import (
    check_signature,
    describe_signature,
    read_signature,
    sign_store,
    signature_path,
    statement_of,
)

NewKey = Callable[..., Path]
Agrees = Callable[..., bool]


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_signature_of_ours_is_accepted_here_and_by_ssh_keygen(
    store: Path, new_key: NewKey, agrees: Agrees, suffix: str
) -> None:
    if suffix == ".h5":
        convert(store, store := store.with_suffix(".h5"))
    key = new_key("lab")
    path = sign_store(store, key, now=datetime(2026, 11, 26, 14, 30, 5, tzinfo=UTC))
    assert path.name == f"ta1{suffix}.sig" and signature_path(store) == path
    with GuideStore.open(store) as opened:
        found = check_signature(opened, trusting(key))
        header = opened.header
        # The line is canonical JSON: written out here by hand.
        assert path.read_text().splitlines()[-1] == (
            f'{{"data":"{header.dataset.digest}","date":"2026-11-26T14:30:05Z","guide":"{header.guide.weights_digest}",'
            f'"plan":"{header.plan_digest}","seal":"{opened.seal}"}}'
        )
    assert found.signer == "lab@example.org" and found.date == "2026-11-26T14:30:05Z"
    listed = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True).stdout
    assert found.fingerprint == listed.split()[1]
    assert agrees(path, line_of(key)) and not agrees(path, line_of(new_key("other")))


@pytest.mark.parametrize("options", [(), ("-O", "hashalg=sha256"), ("-O", "hashalg=sha512")])
def test_a_signature_of_ssh_keygen_is_accepted(store: Path, new_key: NewKey, options: tuple[str, ...]) -> None:
    sign_with_ssh_keygen(store, new_key("lab"), *options)
    assert accepted(store, trusting(new_key("lab")))


def test_a_key_with_a_passphrase_is_asked_for_by_ssh_keygen(
    store: Path, new_key: NewKey, agrees: Agrees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key("locked", passphrase="open sesame")
    (ask := tmp_path / "ask").write_text("#!/bin/sh\necho open sesame\n")
    ask.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(ask))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    path = sign_store(store, key)
    assert accepted(store, trusting(key)) and agrees(path, line_of(key))
    path.unlink()
    ask.write_text("#!/bin/sh\necho another\n")
    with pytest.raises(InvalidInput, match=r"could not sign .*expected its passphrase.*ssh-add"):
        sign_store(store, key)
    assert not path.exists()


def test_an_agent_signs_for_a_public_key(
    store: Path, new_key: NewKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed")
    key, socket = tmp_path / "held", tmp_path / "agent"
    shutil.copy(new_key("lab"), key)
    shutil.copy(public(new_key("lab")), public(key))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if socket.exists():
                break
            time.sleep(0.05)
        subprocess.run(["ssh-add", "-q", key], check=True)
        key.unlink()  # only the agent has it now
        sign_store(store, public(key))
    finally:
        agent.terminate()
        agent.wait(30)
    assert accepted(store, trusting(key))


def test_without_ssh_keygen_a_locked_key_is_refused_and_a_plain_one_works(
    store: Path, new_key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, plain = new_key("locked", passphrase="open sesame"), new_key("lab")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidInput, match="needs ssh-keygen.*no such program.*docs/sharing.md"):
        sign_store(store, locked)
    sign_store(store, plain)


def test_a_store_is_signed_once_by_a_key(store: Path, new_key: NewKey) -> None:
    path = sign_store(store, new_key("lab"))
    before = path.read_bytes()
    assert sign_store(store, new_key("lab"), now=datetime(2030, 1, 1, tzinfo=UTC)) == path
    assert path.read_bytes() == before
    with pytest.raises(InvalidInput, match=r"is there already: expected .*found one by the key SHA256:\S+; `rm "):
        sign_store(store, new_key("other"))
    assert path.read_bytes() == before
    path.write_text("not a signature")
    with pytest.raises(InvalidInput, match="is there already"):
        sign_store(store, new_key("lab"))


def test_only_a_finished_whole_store_is_signed(tmp_path: Path, new_key: NewKey) -> None:
    SmallStore().write(half := tmp_path / "half.zarr", chunks=1)
    SmallStore().write(hurt := tmp_path / "hurt.zarr")
    label = hurt / "label" / "c.0"
    label.write_bytes(bytes([label.read_bytes()[0] ^ 1]) + label.read_bytes()[1:])
    for path, error in ((half, Incomplete), (hurt, Damaged), (tmp_path / "none.zarr", StoreNotFound)):
        with pytest.raises(error):
            sign_store(path, new_key("lab"))
        assert not signature_path(path).exists()


def test_the_path_of_a_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ta1.zarr").mkdir()
    monkeypatch.chdir(tmp_path / "ta1.zarr")
    assert signature_path(".") == tmp_path / "ta1.zarr.sig"
    assert signature_path("guides/ta1.zarr/") == Path("guides/ta1.zarr.sig")


def test_a_link_in_place_of_a_signature_is_unsafe(store: Path, new_key: NewKey) -> None:
    path = sign_store(store, new_key("lab"))
    path.rename(elsewhere := path.with_name("elsewhere"))
    path.symlink_to(elsewhere)
    with pytest.raises(UnsafeStore, match="a link"):
        read_signature(store)
    with GuideStore.open(store) as opened:
        with pytest.raises(UnsafeStore, match="a link"):
            check_signature(opened, trusting(new_key("lab")))
        assert describe_signature(opened) == "unsigned: what lies beside it is no signature, a link"


def test_the_line_where_no_key_is_required(store: Path, tmp_path: Path, new_key: NewKey) -> None:
    def line() -> str:
        with GuideStore.open(store) as opened:
            assert describe_signature(verify(store)) == describe_signature(opened)
            return describe_signature(opened)

    assert line() == "unsigned"
    path = sign_store(store, new_key("lab"), now=datetime(2026, 1, 2, tzinfo=UTC))
    assert line().startswith("signed by SHA256:") and " on 2026-01-02, not checked (`verify --key` does)" in line()
    path.write_bytes(path.read_bytes().replace(json.loads(statement_of(store))["seal"].encode(), b"0" * 64))
    assert "the signature beside it is of another store, with seal 000" in line()
