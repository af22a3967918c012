"""Whose signature a store must have: the options that say it, and what a check finds. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.decorators import FC

from dgkd_cache.errors import DgkdError
from dgkd_stores import Signature, TrustedKeys, Verification, check_signature, clean, describe_signature

__all__ = ["SignatureCheck", "key_options", "look_at_signature", "signed_text", "trusted_by_options"]


def key_options(target: FC) -> FC:
    """Adds --key, --allowed-signers and --signer; `trusted_by_options` takes their values."""
    options: list[Callable[[FC], FC]] = [
        click.option(
            "--key",
            "keys",
            multiple=True,
            metavar="FILE|LINE",
            help="Require a signature by this public SSH key (Ed25519); may be repeated.",
        ),
        click.option(
            "--allowed-signers",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Require a signature by a key that this file of ssh-keygen's allows.",
        ),
        click.option("--signer", default="", metavar="WHO", help="With --allowed-signers: who must have signed."),
    ]
    for option in reversed(options):
        target = option(target)
    return target


def trusted_by_options(keys: tuple[str, ...], allowed_signers: Path | None, signer: str) -> TrustedKeys | None:
    """Returns the keys that the options name; None without them. Raises UsageError, InvalidInput for a wrong key."""
    if signer and allowed_signers is None:
        raise click.UsageError("--signer goes with --allowed-signers, which says whose keys they are")
    if not keys and allowed_signers is None:
        return None
    return TrustedKeys.read(keys=keys, allowed_signers=allowed_signers, signer=signer)


@dataclass(frozen=True, kw_only=True)
class SignatureCheck:
    """The check of the signature of a whole store."""

    note: str
    """A few words about it."""
    signature: Signature | None = None
    """The signature, if keys are required and one of them made it."""
    error: DgkdError | None = None
    """Why it does not count, if keys are required."""

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON."""
        signed = self.signature
        return {
            "checked": signed is not None,
            "signer": signed.signer if signed else None,
            "key": signed.fingerprint if signed else None,
            "date": signed.date if signed else None,
            "note": self.note,
        }


def look_at_signature(found: Verification, trusted: TrustedKeys | None) -> SignatureCheck | None:
    """Checks the signature beside a store; None for one without a sound seal, of which nobody could sign anything."""
    if not found.complete or any(one.kind == "seal" for one in found.damage):
        return None
    try:
        if trusted is None:
            return SignatureCheck(note=describe_signature(found))
        signed = check_signature(found, trusted)
        return SignatureCheck(note=signed_text(signed), signature=signed)
    except DgkdError as error:
        return SignatureCheck(note=str(error), error=error)


def signed_text(signed: Signature) -> str:
    """Says who signed, when, and with which key."""
    return f"signed by {clean(signed.signer)} on {signed.date[:10]} ({signed.fingerprint})"
