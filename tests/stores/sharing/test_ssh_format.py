"""SSH keys and signatures as bytes: the example of PROTOCOL.sshsig, and what other than Ed25519 is called."""

from __future__ import annotations

import base64
import contextlib
import hashlib

import pytest
from hypothesis import given, strategies as st

from dgkd_stores.sharing.ssh_format import parse_public_key, parse_signature, signed_bytes

# The example in OpenSSH's PROTOCOL.sshsig, namespace "foo".
EXAMPLE = b"""-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgJKxoLBJBivUPNTUJUSslQTt2hD
jozKvHarKeN8uYFqgAAAADZm9vAAAAAAAAAFMAAAALc3NoLWVkMjU1MTkAAABAKNC4IEbt
Tq0Fb56xhtuE1/lK9H9RZJfON4o6hE9R4ZGFX98gy0+fFJ/1d2/RxnZky0Y7GojwrZkrHT
FgCqVWAQ==
-----END SSH SIGNATURE-----
"""


def blob(*parts: bytes, magic: bytes = b"SSHSIG", version: int = 1) -> bytes:
    return magic + version.to_bytes(4, "big") + b"".join(len(one).to_bytes(4, "big") + one for one in parts)


def strings(*parts: bytes) -> bytes:
    return b"".join(len(one).to_bytes(4, "big") + one for one in parts)


def armored(data: bytes) -> bytes:
    return b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(data) + b"\n-----END SSH SIGNATURE-----\n"


KEY = strings(b"ssh-ed25519", b"k" * 32)
SIGNED = strings(b"ssh-ed25519", b"s" * 64)
PARTS = (KEY, b"dgkd-seal@v1", b"", b"sha512", SIGNED)


def test_a_signature_is_read_and_written_as_openssh_does() -> None:
    found, rest = parse_signature(armored(blob(*PARTS)) + b"what follows")
    assert (found.key, found.namespace, found.hash_name) == (b"k" * 32, "dgkd-seal@v1", "sha512")
    assert found.signature == b"s" * 64 and rest == b"what follows"
    text = found.armored()
    assert parse_signature(text)[0] == found and max(map(len, text.splitlines())) == 70


def test_the_example_of_the_protocol_has_an_older_form() -> None:
    """It lacks the hash, as OpenSSH's page has had it for years; ssh-keygen does not take it either."""
    with pytest.raises(ValueError, match="cut short|the hash|of type"):
        parse_signature(EXAMPLE)


def test_what_is_signed_is_the_hash_in_its_purpose() -> None:
    digest = hashlib.sha256(b"message").digest()
    expected = b"SSHSIG" + strings(b"dgkd-seal@v1", b"", b"sha256", digest)
    assert signed_bytes(b"message", hash_name="sha256") == expected


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (blob(*PARTS, magic=b"SSHSIX"), "no SSH signature"),
        (blob(*PARTS, version=2), "version 2"),
        (blob(*PARTS) + b"x", "bytes after the last part"),
        (blob(*PARTS)[:-1], "cut short"),
        (blob(*PARTS[:2], b"later", *PARTS[3:]), "a reserved field"),
        (blob(*PARTS[:3], b"md5", SIGNED), "the hash 'md5'"),
        (blob(*PARTS[:4], SIGNED + b"x"), "bytes after the last part"),
        (blob(*PARTS[:4], strings(b"ssh-rsa", b"s" * 64)), "a signature of type 'ssh-rsa'"),
        (blob(*PARTS[:4], strings(b"ssh-ed25519", b"s" * 63)), "63 bytes"),
        (blob(strings(b"ssh-rsa", b"k"), *PARTS[1:]), "a key of type 'ssh-rsa'"),
        (blob(strings(b"sk-ssh-ed25519@openssh.com", b"k" * 32), *PARTS[1:]), "a key of type 'sk-ssh-ed25519"),
        (blob(strings(b"ssh-ed25519-cert-v01@openssh.com", b""), *PARTS[1:]), "a certificate of type"),
        (blob(strings(b"ssh-ed25519", b"k" * 31), *PARTS[1:]), "of 31 bytes"),
    ],
)
def test_other_signatures_are_named(data: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        parse_signature(armored(data))


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-rsa AAAA", "ssh-ed25519 !", "ssh-ed25519 AAAA"])
def test_other_public_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_public_key(text)


def test_a_public_key_is_one_line() -> None:
    line = f"ssh-ed25519 {base64.b64encode(KEY).decode()} a lab\n"
    assert parse_public_key(line).comment == "a lab"
    with pytest.raises(ValueError, match="several lines"):
        parse_public_key(line * 2)


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 400))
def test_any_bytes_are_a_signature_or_a_value_error(data: bytes, first: int, last: int) -> None:
    whole = blob(*PARTS)
    for each in (armored(data), armored(whole[:first] + data + whole[last:]), data):
        with contextlib.suppress(ValueError):
            parse_signature(each)
    with contextlib.suppress(ValueError):
        parse_public_key(f"ssh-ed25519 {base64.b64encode(data).decode()}")
