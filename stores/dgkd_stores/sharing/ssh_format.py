"""SSH public keys and signatures as bytes: Ed25519 alone, without any cryptography.

Source: PROTOCOL.sshsig of OpenSSH; RFC 4251 (string, uint32), RFC 8709 (ssh-ed25519). A parser raises ValueError, whose
text says what was found.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

__all__ = [
    "ED25519",
    "NAMESPACE",
    "PublicKey",
    "SshSignature",
    "fingerprint",
    "parse_public_key",
    "parse_signature",
    "signed_bytes",
]

ED25519 = "ssh-ed25519"
"""The name of the only key type that is used."""

NAMESPACE = "dgkd-seal@v1"
"""The purpose of these signatures; one that was made for another, such as a file or a commit, does not count."""

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_LINE = 70
"""Characters of base64 in a line, as OpenSSH writes them."""


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """An Ed25519 public key, and its owner's comment."""

    raw: bytes
    """The key's 32 bytes."""
    comment: str = ""
    """The text after the key in its line."""

    @property
    def fingerprint(self) -> str:
        """The key's name for people, as `ssh-keygen -l` prints it."""
        return fingerprint(self.raw)


@dataclass(frozen=True, kw_only=True)
class SshSignature:
    """A parsed SSH signature; nothing about it is checked but its form."""

    key: bytes
    """The 32 bytes of the public key that it names."""
    namespace: str
    """The purpose that it was made for."""
    hash_name: str
    """The hash of the message, sha256 or sha512."""
    signature: bytes
    """The 64 bytes of the Ed25519 signature over `signed_bytes`."""

    def armored(self) -> bytes:
        """Returns the text of the signature as a file has it."""
        blob = _MAGIC + (1).to_bytes(4, "big")
        parts = (_key_blob(self.key), self.namespace.encode(), b"", self.hash_name.encode())
        blob += b"".join(map(_string, parts))
        blob += _string(_string(ED25519.encode()) + _string(self.signature))
        text = base64.b64encode(blob).decode()
        lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
        return "\n".join([_BEGIN, *lines, _END, ""]).encode()


def signed_bytes(message: bytes, *, namespace: str = NAMESPACE, hash_name: str = "sha512") -> bytes:
    """Returns the bytes that are signed for a message."""
    digest = _HASHES[hash_name](message).digest()
    return _MAGIC + b"".join(map(_string, (namespace.encode(), b"", hash_name.encode(), digest)))


def parse_signature(data: bytes) -> tuple[SshSignature, bytes]:
    """Returns the signature that a file begins with, and the bytes after it.

    Raises ValueError for anything else, for another type of key than Ed25519, and for a certificate.
    """
    head, found, rest = data.partition(f"\n{_END}\n".encode())
    lines = head.decode("ascii", errors="replace").split("\n")
    if not found or lines[0] != _BEGIN:
        raise ValueError(f"no line {_BEGIN if lines[0] != _BEGIN else _END!r}")
    fields = _Fields(_base64("".join(lines[1:])))
    if fields.take(len(_MAGIC)) != _MAGIC:
        raise ValueError("no SSH signature between its lines")
    if (version := fields.number()) != 1:
        raise ValueError(f"version {version} of SSH signatures")
    key = _parse_key_blob(fields.string())
    namespace, reserved, hash_name = fields.text(), fields.string(), fields.text()
    inner = _Fields(fields.string())
    kind, signature = inner.text(), inner.string()
    fields.require_end()
    inner.require_end()
    if kind != ED25519 or len(signature) != 64:
        raise ValueError(f"a signature of type {kind!r} and {len(signature)} bytes")
    if hash_name not in _HASHES:
        raise ValueError(f"the hash {hash_name!r}")
    if reserved:
        raise ValueError("a reserved field that is not empty")
    return SshSignature(key=key, namespace=namespace, hash_name=hash_name, signature=signature), rest


def parse_public_key(text: str) -> PublicKey:
    """Returns the key in a line `ssh-ed25519 BASE64 COMMENT`. Raises ValueError for another type, and for no key."""
    words = text.strip().split(None, 2)
    if len(words) < 2 or len(text.strip().splitlines()) > 1:
        raise ValueError("no public key" if len(words) < 2 else "several lines")
    blob = _base64(words[1])
    key = _parse_key_blob(blob)  # it says its type itself
    if words[0] != ED25519:
        raise ValueError(f"a key of type {words[0]!r}")
    return PublicKey(raw=key, comment=words[2] if len(words) == 3 else "")


def fingerprint(key: bytes) -> str:
    """Returns SHA256:... of a public key, as OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(_key_blob(key)).digest()).decode().rstrip("=")


class _Fields:
    """The fields of a blob, from its first byte on; ValueError where they end early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError("a part that is cut short")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return self.string().decode("ascii", errors="replace")

    def require_end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("bytes after the last part")


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _key_blob(key: bytes) -> bytes:
    return _string(ED25519.encode()) + _string(key)


def _parse_key_blob(blob: bytes) -> bytes:
    fields = _Fields(blob)
    kind = fields.text()
    if kind != ED25519:
        what = "a certificate" if "-cert-" in kind else "a key"
        raise ValueError(f"{what} of type {kind!r}")
    key = fields.string()
    fields.require_end()
    if len(key) != 32:
        raise ValueError(f"an Ed25519 key of {len(key)} bytes")
    return key


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("text that is not base64") from error
