"""Signatures that do not count: each is exit code 13 where a key is required."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.signing import accepted, line_of, public, sign_with_ssh_keygen, trusting
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, InvalidInput, Mismatch
from dgkd_stores.sharing.signatures import check_signature, describe_signature, sign_store, signature_path
from dgkd_stores.sharing.trust import TrustedKeys

NewKey = Callable[..., Path]
Agrees = Callable[..., bool]


def test_without_a_signature(store: Path, new_key: NewKey) -> None:
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="is not signed, and keys are required"):
        check_signature(opened, trusting(new_key("lab")))


def test_by_a_foreign_key(store: Path, new_key: NewKey) -> None:
    sign_store(store, new_key("other"))
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match=r"expected .*lab@example.org.*SHA256"):
        check_signature(opened, trusting(new_key("lab")))


def test_of_another_store(store: Path, tmp_path: Path, new_key: NewKey) -> None:
    SmallStore(views=2).write(other := tmp_path / "other.zarr")
    sign_store(other, new_key("lab"))
    shutil.copy(signature_path(other), signature_path(store))
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="of another store: expected seal"):
        check_signature(opened, trusting(new_key("lab")))


def test_a_store_that_was_forged_and_sealed_again(store: Path, tmp_path: Path, new_key: NewKey) -> None:
    sign_store(store, new_key("lab"))
    shutil.rmtree(store)

    class Forged(SmallStore):
        def logits(self, view: int):  # type: ignore[no-untyped-def]  # as the method that it replaces
            return -super().logits(view)

    Forged().write(store)
    with GuideStore.open(store) as opened:  # whole by its own seal
        assert opened.seal
    assert not accepted(store, trusting(new_key("lab")))
    # The forger signs it with a key that claims to be the lab's.
    signature_path(store).unlink()
    sign_store(store, new_key("forger"))
    assert not accepted(store, trusting(new_key("lab")))


def test_for_another_purpose(store: Path, new_key: NewKey, agrees: Agrees) -> None:
    path = sign_with_ssh_keygen(store, new_key("lab"), namespace="file")
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="a signature for 'file', not for dgkd"):
        check_signature(opened, trusting(new_key("lab")))
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
def test_that_is_changed(store: Path, new_key: NewKey, change: Callable[[bytes], bytes], found: str) -> None:
    path = sign_store(store, new_key("lab"))
    path.write_bytes(change(path.read_bytes()))
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match=found):
        check_signature(opened, trusting(new_key("lab")))
    with GuideStore.open(store) as opened:
        line = describe_signature(opened)
    # Only a check under the key finds that the line is another one.
    assert line.startswith("signed by" if found == "another text" else "unsigned: what lies beside it is no signature")


def test_any_changed_byte_of_the_signature(store: Path, new_key: NewKey) -> None:
    path, trusted = sign_store(store, new_key("lab")), trusting(new_key("lab"))
    whole = path.read_bytes()
    assert accepted(store, trusted)
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not accepted(store, trusted), place


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_by_a_key_of_another_type(store: Path, new_key: NewKey, kind: str) -> None:
    key = new_key(f"lab-{kind}", kind=kind)
    sign_with_ssh_keygen(store, key)
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="found a key of type '(ssh-rsa|ecdsa)"):
        check_signature(opened, trusting(new_key("lab")))
    with pytest.raises(InvalidInput, match="expected an Ed25519 key"):
        sign_store(store, key)


def test_by_a_certificate(store: Path, new_key: NewKey, tmp_path: Path, agrees: Agrees) -> None:
    """ssh-keygen accepts it under `cert-authority`; certificates are not supported here, so it is refused."""
    user, authority = tmp_path / "user", new_key("authority")
    shutil.copy(new_key("lab"), user)
    shutil.copy(public(new_key("lab")), public(user))
    words = ["-q", "-s", authority, "-I", "x", "-n", "lab@example.org", public(user)]
    subprocess.run(["ssh-keygen", *words], check=True)
    path, allowed = sign_with_ssh_keygen(store, tmp_path / "user-cert.pub"), line_of(authority, "cert-authority")
    assert agrees(path, allowed)
    (file := tmp_path / "allowed").write_text(allowed)
    with GuideStore.open(store) as opened, pytest.raises(Mismatch, match="a certificate of type"):
        check_signature(opened, TrustedKeys.read(allowed_signers=file))
