"""Signs and checks with Ed25519: by `cryptography`, which only these calls load, or by `ssh-keygen`.

A private key without a passphrase is used directly. One with a passphrase, and one that an agent holds, is left to
`ssh-keygen -Y sign`, so no passphrase passes through this program.
"""

from __future__ import annotations

import base64
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path

from dgkd_stores.errors import InvalidInput
from dgkd_stores.sharing.ssh_format import (
    ED25519,
    NAMESPACE,
    PublicKey,
    SshSignature,
    parse_public_key,
    parse_signature,
    signed_bytes,
)

__all__ = ["MAX_KEY_BYTES", "fits", "read_public_key", "sign_message"]

MAX_KEY_BYTES = 64 * 2**10
"""Limit of a key file and of a signature file; real ones have a few hundred bytes."""

_PRIVATE = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_MAKE = "`ssh-keygen -t ed25519 -f KEY` makes a key pair, KEY and KEY.pub"


def fits(signature: SshSignature, message: bytes) -> bool:
    """Returns True if the key that `signature` names made it over `message`. Raises InvalidInput without the extra."""
    _require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = signed_bytes(message, namespace=signature.namespace, hash_name=signature.hash_name)
    try:
        Ed25519PublicKey.from_public_bytes(signature.key).verify(signature.signature, signed)
    except (InvalidSignature, ValueError):  # ValueError: bytes that are no point of the curve
        return False
    return True


def sign_message(message: bytes, key: Path) -> SshSignature:
    """Returns the signature over `message` with the private key in the file `key`, or with an agent's for `KEY.pub`.

    Raises InvalidInput for a key of another type, a file that is no key, a passphrase that is not given, and without
    the extra.
    """
    data = _read_key(key)
    if _is_plain_private(data):
        return _sign_directly(message, key, data)
    if not data.startswith(_PRIVATE):
        read_public_key(key)  # refuses what is no key at all
    return _sign_with_ssh_keygen(message, key)


def read_public_key(key: Path, *, do: str = _MAKE) -> PublicKey:
    """Returns the Ed25519 public key in a file. Raises InvalidInput, with the hint `do`, for a file that has none."""
    data = _read_key(key, do)
    if b"PRIVATE KEY" in data[:100]:
        hint = f"give the public one, usually {key}.pub: a private key leaves its owner's machine never"
        raise InvalidInput(f"{key} is a private key", expected="a public key", do=hint)
    try:
        return parse_public_key(data.decode())
    except ValueError as error:
        expected = f"one line `{ED25519} BASE64 COMMENT`"
        raise InvalidInput(f"{key} cannot be used", expected=expected, found=str(error), do=do) from error


def _read_key(key: Path, do: str = _MAKE) -> bytes:
    try:
        with key.open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        found = str(error.strerror)
        raise InvalidInput(f"no key at {key}", expected="the file of an SSH key", found=found, do=do) from error


def _is_plain_private(data: bytes) -> bool:
    """Returns True for a private key without a passphrase: its cipher is `none`."""
    lines = data.splitlines()
    if not lines or lines[0] != _PRIVATE:
        return False
    try:
        start = base64.b64decode(b"".join(lines[1:2]) + b"==")
    except ValueError:
        return False
    return start.startswith(b"openssh-key-v1\0\0\0\0\x04none")


def _sign_directly(message: bytes, key: Path, data: bytes) -> SshSignature:
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        private = load_ssh_private_key(data, password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{key} cannot be used", expected="a private key", found=str(error), do=_MAKE) from error
    if not isinstance(private, Ed25519PrivateKey):
        found = type(private).__name__.removesuffix("PrivateKey")
        raise InvalidInput(f"{key} cannot be used", expected="an Ed25519 key", found=f"one of {found}", do=_MAKE)
    return SshSignature(
        key=private.public_key().public_bytes_raw(),
        namespace=NAMESPACE,
        hash_name="sha512",
        signature=private.sign(signed_bytes(message)),
    )


def _sign_with_ssh_keygen(message: bytes, key: Path) -> SshSignature:
    """Lets ssh-keygen ask for the passphrase on the terminal, or ask the agent; its messages go to stderr."""
    try:
        command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)]
        done = subprocess.run(command, input=message, stdout=subprocess.PIPE, check=False)
    except FileNotFoundError as error:
        do = "install OpenSSH, or sign on a machine that has it (docs/sharing.md, Signing)"
        problem = f"{key} needs ssh-keygen, which asks for its passphrase or asks the agent"
        raise InvalidInput(problem, expected="ssh-keygen", found="no such program", do=do) from error
    if done.returncode:
        raise InvalidInput(
            f"ssh-keygen could not sign with {key}",
            expected="its passphrase, or an agent that has the key",
            found=f"exit code {done.returncode}",
            do=f"`ssh-add {shlex.quote(str(key).removesuffix('.pub'))}` gives the key to the agent",
        )
    try:
        return parse_signature(done.stdout)[0]
    except ValueError as error:
        raise InvalidInput(f"{key} cannot be used", expected="an Ed25519 key", found=str(error), do=_MAKE) from error


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise InvalidInput(
            "signatures cannot be made or checked",
            expected="the package cryptography",
            found="No module named 'cryptography'",
            do='run: pip install "dgkd-cache[share]"',
        )
