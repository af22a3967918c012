"""Signatures beside a store: made by the real ssh-keygen, and what counts for a check."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dgkd_stores import GuideStore, Mismatch
from dgkd_stores.sharing.signatures import check_signature, signature_path, statement_of
from dgkd_stores.sharing.trust import TrustedKeys

__all__ = ["accepted", "line_of", "public", "sign_with_ssh_keygen", "trusting"]


def public(key: Path) -> Path:
    """Returns the path of the public key that belongs to a private one."""
    return key.with_name(f"{key.name}.pub")


def line_of(key: Path, options: str = "", principals: str = "lab@example.org") -> str:
    """Returns the line of an allowed signers file for a key."""
    kind, blob, _ = public(key).read_text().split()
    return f"{principals} {options} {kind} {blob}\n"


def trusting(key: Path) -> TrustedKeys:
    """Returns the trust in one key, given as its private file."""
    return TrustedKeys.read(keys=[public(key)])


def accepted(store: Path, trusted: TrustedKeys) -> bool:
    """Returns True if the signature of a store counts; anything else must be exit code 13."""
    try:
        with GuideStore.open(store) as opened:
            check_signature(opened, trusted)
    except Mismatch as error:
        assert error.exit_code == 13
        return False
    return True


def sign_with_ssh_keygen(store: Path, key: Path, *options: str, namespace: str = "dgkd-seal@v1") -> Path:
    """Signs a store as a lab does that has nothing of ours; returns the path of the signature."""
    statement, path = store.with_name("statement"), signature_path(store)
    statement.write_bytes(statement_of(store))
    words = ["-Y", "sign", "-n", namespace, *options, "-f", key, statement]
    subprocess.run(["ssh-keygen", "-q", *words], check=True, env={**os.environ, "SSH_AUTH_SOCK": ""})
    path.write_bytes(statement.with_suffix(".sig").read_bytes() + statement.read_bytes())
    return path
