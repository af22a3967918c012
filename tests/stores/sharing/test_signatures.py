"""Signatures of stores, against the real ssh-keygen: it accepts ours, and its own are accepted here."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore

from dgkd_stores import (
    GuideStore,
    GuideStoreWriter,
    IdentityArrays,
    InvalidInput,
    Mismatch,
    StoreNotFound,
    UnsafeStore,
    convert,
    subset,
    verify,
)
from dgkd_stores.checking.origin import origin_path
from dgkd_stores.sharing.signatures import (
    check_signature,
    describe_signature,
    read_signature,
    sign_store,
    signature_path,
    statement_of,
)
from dgkd_stores.sharing.trust import TrustedKeys

NewKey = Callable[..., Path]
Agrees = Callable[..., bool]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    SmallStore().write(path := tmp_path / "ta1.zarr")
    return path


def public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def line_of(key: Path, options: str = "", principals: str = "lab@example.org") -> str:
    kind, blob, _ = public(key).read_text().split()
    return f"{principals} {options} {kind} {blob}\n"


def accepted(store: Path, trusted: TrustedKeys) -> bool:
    """Whether the signature counts; anything else must be exit code 13."""
    try:
        with GuideStore.open(store) as opened:
            check_signature(opened, trusted)
    except Mismatch as error:
        assert error.exit_code == 13
        return False
    return True


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
        found = check_signature(opened, TrustedKeys.read(keys=[public(key)]))
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


def test_a_signature_of_ssh_keygen_is_accepted(store: Path, new_key: NewKey, tmp_path: Path) -> None:
    key, statement = new_key("lab"), tmp_path / "statement"
    statement.write_bytes(statement_of(store))
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "dgkd-seal@v1", "-f", key, statement], check=True)
    made = statement.with_suffix(".sig").read_bytes()
    signature_path(store).write_bytes(made + statement.read_bytes())
    assert accepted(store, TrustedKeys.read(keys=[public(key)]))


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_both_hashes_of_ssh_keygen_are_accepted(store: Path, new_key: NewKey, tmp_path: Path, hash_name: str) -> None:
    statement = tmp_path / "statement"
    statement.write_bytes(statement_of(store))
    words = ["-Y", "sign", "-n", "dgkd-seal@v1", "-O", f"hashalg={hash_name}", "-f", new_key("lab"), statement]
    subprocess.run(["ssh-keygen", "-q", *words], check=True)
    signature_path(store).write_bytes(statement.with_suffix(".sig").read_bytes() + statement.read_bytes())
    assert accepted(store, TrustedKeys.read(keys=[public(new_key("lab"))]))


def test_a_key_with_a_passphrase_is_asked_for_by_ssh_keygen(
    store: Path, new_key: NewKey, agrees: Agrees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key("locked", passphrase="open sesame")
    (ask := tmp_path / "ask").write_text("#!/bin/sh\necho open sesame\n")
    ask.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(ask))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    path = sign_store(store, key)
    assert accepted(store, TrustedKeys.read(keys=[public(key)])) and agrees(path, line_of(key))
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
    assert accepted(store, TrustedKeys.read(keys=[public(key)]))


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
    from dgkd_stores import Damaged, Incomplete

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


class TestRefused:
    """Each of these is exit code 13 where a key is required."""

    def test_without_a_signature(self, store: Path, new_key: NewKey) -> None:
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="is not signed, and keys are required"):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))

    def test_by_a_foreign_key(self, store: Path, new_key: NewKey) -> None:
        sign_store(store, new_key("other"))
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match=r"expected .*lab@example.org.*SHA256"):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))

    def test_of_another_store(self, store: Path, tmp_path: Path, new_key: NewKey) -> None:
        SmallStore(views=2).write(other := tmp_path / "other.zarr")
        sign_store(other, new_key("lab"))
        shutil.copy(signature_path(other), signature_path(store))
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="of another store: expected seal"):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))

    def test_a_store_that_was_forged_and_sealed_again(self, store: Path, tmp_path: Path, new_key: NewKey) -> None:
        sign_store(store, new_key("lab"))
        shutil.rmtree(store)

        class Forged(SmallStore):
            def logits(self, view: int):  # type: ignore[no-untyped-def]  # as the method that it replaces
                return -super().logits(view)

        Forged().write(store)
        with GuideStore.open(store) as opened:  # whole by its own seal
            assert opened.seal
        assert not accepted(store, TrustedKeys.read(keys=[public(new_key("lab"))]))
        # The forger signs it with a key that claims to be the lab's.
        signature_path(store).unlink()
        sign_store(store, new_key("forger"))
        assert not accepted(store, TrustedKeys.read(keys=[public(new_key("lab"))]))

    def test_for_another_purpose(self, store: Path, tmp_path: Path, new_key: NewKey, agrees: Agrees) -> None:
        statement = tmp_path / "statement"
        statement.write_bytes(statement_of(store))
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", new_key("lab"), statement], check=True)
        path = signature_path(store)
        path.write_bytes(statement.with_suffix(".sig").read_bytes() + statement.read_bytes())
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="a signature for 'file', not for dgkd"):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))
        assert not agrees(path, line_of(new_key("lab")))

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            (lambda data: data[: data.index(b"{")], "no statement after it"),
            (lambda data: data.replace(b'"date":"2', b'"date":"3'), "another text"),
            (lambda data: data.replace(b'{"data"', b'{ "data"'), "not canonical"),
            (lambda data: data + b"\n", "not canonical"),
            (lambda data: data.replace(b'"date"', b'"when"'), "not exactly the keys"),
            (lambda data: b"# " + data, "no line '-----BEGIN"),
            (lambda data: data[:100], "no line '-----END"),
            (lambda data: b"", "no line '-----BEGIN"),
            (lambda data: data.replace(b"U1NIU0lH", b"U1NIU0lI"), "no SSH signature"),
        ],
    )
    def test_that_is_changed(
        self, store: Path, new_key: NewKey, agrees: Agrees, change: Callable[[bytes], bytes], found: str
    ) -> None:
        path = sign_store(store, new_key("lab"))
        path.write_bytes(change(path.read_bytes()))
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match=found):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))
        with GuideStore.open(store) as opened:
            line = describe_signature(opened)
        assert line.startswith("unsigned: ") or "not checked" in line

    def test_any_changed_byte_of_the_signature(self, store: Path, new_key: NewKey) -> None:
        path, trusted = sign_store(store, new_key("lab")), TrustedKeys.read(keys=[public(new_key("lab"))])
        whole = path.read_bytes()
        assert accepted(store, trusted)
        for place in range(0, len(whole), 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert not accepted(store, trusted), place

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_by_a_key_of_another_type(self, store: Path, new_key: NewKey, tmp_path: Path, kind: str) -> None:
        key, statement = new_key(f"lab-{kind}", kind=kind), tmp_path / "statement"
        statement.write_bytes(statement_of(store))
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "dgkd-seal@v1", "-f", key, statement], check=True)
        signature_path(store).write_bytes(statement.with_suffix(".sig").read_bytes() + statement.read_bytes())
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="found a key of type '(ssh-rsa|ecdsa)"):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))
        with pytest.raises(InvalidInput, match="expected an Ed25519 key"):
            sign_store(store, key)

    def test_by_a_certificate(self, store: Path, new_key: NewKey, tmp_path: Path, agrees: Agrees) -> None:
        """ssh-keygen accepts it under `cert-authority`; certificates are not supported here, so it is refused."""
        user, authority = tmp_path / "user", new_key("authority")
        shutil.copy(new_key("lab"), user)
        shutil.copy(public(new_key("lab")), public(user))
        words = ["-q", "-s", authority, "-I", "x", "-n", "lab@example.org", public(user)]
        subprocess.run(["ssh-keygen", *words], check=True)
        (statement := tmp_path / "statement").write_bytes(statement_of(store))
        certificate = tmp_path / "user-cert.pub"
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "dgkd-seal@v1", "-f", certificate, statement]
        subprocess.run(sign, check=True, env={**os.environ, "SSH_AUTH_SOCK": ""})
        path = signature_path(store)
        path.write_bytes(statement.with_suffix(".sig").read_bytes() + statement.read_bytes())
        allowed = line_of(authority, "cert-authority")
        assert agrees(path, allowed)
        (file := tmp_path / "allowed").write_text(allowed)
        with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="a certificate of type"):
            check_signature(opened, TrustedKeys.read(allowed_signers=file))


class TestPart:
    """A store of some views has the signature of the published one, whose digests prove its rows."""

    @pytest.fixture
    def part(self, store: Path, new_key: NewKey, tmp_path: Path) -> Path:
        sign_store(store, new_key("lab"))
        subset(store, path := tmp_path / "part.zarr", views=range(1, 3))
        shutil.rmtree(store)
        signature_path(store).unlink()
        return path

    def test_its_origin_is_signed(self, part: Path, new_key: NewKey) -> None:
        for trusted, counts in ((public(new_key("lab")), True), (public(new_key("other")), False)):
            assert accepted(part, TrustedKeys.read(keys=[trusted])) is counts
        assert check_signature(verify(part), TrustedKeys.read(keys=[public(new_key("lab"))])).signer
        with GuideStore.open(part) as opened:
            assert describe_signature(opened) == describe_signature(verify(part))
            assert describe_signature(opened).startswith("taken from a store that is signed by SHA256:")

    def test_other_rows_beside_that_origin(self, part: Path, new_key: NewKey) -> None:
        """A forger keeps header and origin, writes other rows, and seals them again."""
        with GuideStore.open(part) as opened:
            fields = {field.name: getattr(opened, field.name) for field in dataclasses.fields(IdentityArrays)}
            header, identity = opened.header, IdentityArrays(**fields)
        shutil.rmtree(part)
        with GuideStoreWriter(part, header, identity) as writer:
            for slot in writer.missing():
                writer.write(slot, -SmallStore().logits(slot.view)[slot.start : slot.stop])
            writer.seal()
        trusted = TrustedKeys.read(keys=[public(new_key("lab"))])
        assert signature_path(origin_path(part)).exists() and not accepted(part, trusted)
        with pytest.raises(Mismatch, match="is not signed, and keys are required"):
            check_signature(verify(part), trusted)

    def test_without_its_origin(self, part: Path, new_key: NewKey) -> None:
        shutil.rmtree(origin_path(part))
        assert not accepted(part, TrustedKeys.read(keys=[public(new_key("lab"))]))


def test_a_link_in_place_of_a_signature_is_unsafe(store: Path, new_key: NewKey) -> None:
    path = sign_store(store, new_key("lab"))
    path.rename(elsewhere := path.with_name("elsewhere"))
    path.symlink_to(elsewhere)
    with pytest.raises(UnsafeStore, match="a link"):
        read_signature(store)
    with GuideStore.open(store) as opened:
        with pytest.raises(UnsafeStore, match="a link"):
            check_signature(opened, TrustedKeys.read(keys=[public(new_key("lab"))]))
        assert describe_signature(opened) == "unsigned: what lies beside it is no signature, a link"


def test_the_line_where_no_key_is_required(store: Path, tmp_path: Path, new_key: NewKey) -> None:
    def line() -> str:
        with GuideStore.open(store) as opened:
            assert describe_signature(verify(store)) == describe_signature(opened)
            return describe_signature(opened)

    assert line() == "unsigned"
    path = sign_store(store, new_key("lab"), now=datetime(2026, 1, 2, tzinfo=UTC))
    assert line().startswith("signed by SHA256:") and " on 2026-01-02, not checked: no key is req" in line()
    path.write_bytes(path.read_bytes().replace(json.loads(statement_of(store))["seal"].encode(), b"0" * 64))
    assert "the signature beside it is of another store, with seal 000" in line()
