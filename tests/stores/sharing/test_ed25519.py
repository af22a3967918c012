"""Ed25519 by `cryptography`: RFC 8032's vector, wrong keys, and the error where the package is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dgkd_stores import InvalidInput
from dgkd_stores.sharing import ed25519
from dgkd_stores.sharing.ed25519 import fits, sign_message
from dgkd_stores.sharing.ssh_format import SshSignature


def test_a_published_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8032, 7.1, TEST 2: one byte 72, signed without the frame of SSH."""
    monkeypatch.setattr(ed25519, "signed_bytes", lambda message, **_: message)
    signature = SshSignature(
        key=bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
        namespace="",
        hash_name="sha512",
        signature=bytes.fromhex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    )
    assert fits(signature, b"\x72") and not fits(signature, b"\x73")


def test_bytes_that_are_no_key_fit_nothing() -> None:
    assert not fits(SshSignature(key=b"\xff" * 32, namespace="x", hash_name="sha256", signature=b"s" * 64), b"")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n", b"-----BEGIN PRIVATE KEY-----\n"]
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (key := tmp_path / "key").write_bytes(content)
    with pytest.raises(InvalidInput):
        sign_message(b"x", key)
    with pytest.raises(InvalidInput, match="no key at"):
        sign_message(b"x", tmp_path / "nowhere")


def test_a_damaged_private_key_is_refused(tmp_path: Path, new_key: Callable[..., Path]) -> None:
    lines = new_key("lab").read_text().splitlines()
    (key := tmp_path / "key").write_text("\n".join([*lines[:3], *lines[4:], ""]))
    with pytest.raises(InvalidInput, match="cannot be used"):
        sign_message(b"x", key)


def test_where_the_package_is_missing_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, new_key: Callable[..., Path]
) -> None:
    made = sign_message(b"x", new_key("lab"))
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for call in (lambda: fits(made, b"x"), lambda: sign_message(b"x", new_key("lab"))):
        with pytest.raises(InvalidInput, match=r'pip install "dgkd-cache\[share\]"') as caught:
            call()
        assert caught.value.exit_code == 2
