"""An Ed25519 key pair as ssh-keygen writes it, from a fixed seed, for tests that need no ssh-keygen."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["key_pair"]


def key_pair(folder: Path, name: str = "lab") -> tuple[Path, Path]:
    """Writes the key pair of a name; returns the paths of the private and the public one."""
    pytest.importorskip("cryptography", reason="the extra share is not installed")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))
    form = serialization.PrivateFormat.OpenSSH
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    folder.mkdir(parents=True, exist_ok=True)
    (path := folder / name).write_bytes(private)
    (other := folder / f"{name}.pub").write_bytes(public + f" {name}@example.org\n".encode())
    return path, other
