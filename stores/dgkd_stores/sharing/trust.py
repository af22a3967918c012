"""TrustedKeys: whose signatures count here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dgkd_stores.arguments import as_path, require_kind
from dgkd_stores.errors import InvalidInput, Mismatch
from dgkd_stores.sharing.allowed_signers import AllowedSigner, read_allowed_signers
from dgkd_stores.sharing.ed25519 import read_public_key
from dgkd_stores.sharing.ssh_format import ED25519, PublicKey, fingerprint, parse_public_key

__all__ = ["TrustedKeys"]

_ASK = "ask the lab for its public key, a file KEY.pub, by another way than its stores"


@dataclass(frozen=True, kw_only=True)
class TrustedKeys:
    """The keys whose signatures count: public keys, and the lines of an allowed signers file.

    `TrustedKeys.read` makes it.
    """

    keys: tuple[PublicKey, ...] = ()
    """Keys that count without condition."""
    allowed: tuple[AllowedSigner, ...] = ()
    """Lines of an allowed signers file, each with its conditions."""
    signer: str = ""
    """The identity that must have signed, as `lab@example.org`, for `allowed`; empty: any in the file."""
    clock: Callable[[], float] = time.time
    """The time at which validity is judged, in seconds since 1970."""

    @classmethod
    def read(
        cls,
        *,
        keys: Sequence[Path | str] = (),
        allowed_signers: Path | str | None = None,
        signer: str = "",
        folder: Path = Path(),
    ) -> Self:
        """Reads Ed25519 public keys (each a line `ssh-ed25519 ...` or the path of a file) and an allowed signers file.

        Relative paths start at `folder`. Raises InvalidInput if nothing is named, for a file that is not there, a key
        of another type, and a line that is not understood.
        """
        require_kind("TrustedKeys.read", "signer", signer, str, expected="an identity, as text")
        require_kind("TrustedKeys.read", "keys", keys, (list, tuple), expected="a list of keys")
        if not keys and allowed_signers is None:
            expected = "a public key, or an allowed signers file"
            raise InvalidInput("no key is named whose signatures count", expected=expected, found="neither")
        if signer and allowed_signers is None:
            expected = "an allowed signers file, which says whose keys they are"
            raise InvalidInput(f"the signer {signer!r} cannot be told", expected=expected, found="keys alone")
        found = tuple(_key(one, folder) for one in keys)
        if allowed_signers is None:
            return cls(keys=found)
        path = folder / as_path("TrustedKeys.read", "allowed_signers", allowed_signers).expanduser()
        return cls(keys=found, allowed=read_allowed_signers(path), signer=signer)

    def require(self, key: bytes, *, of: str) -> str:
        """Returns whose key this is (32 bytes): the principals of its line, or its comment, or its fingerprint.

        `of` names the signature in the error. Raises Mismatch unless the key counts now.
        """
        for one in self.keys:
            if one.raw == key:
                return one.comment or one.fingerprint
        now, refused = self.clock(), []
        for line in self.allowed:
            if line.key is not None and line.key.raw == key:
                why = line.refusal(self.signer, now)
                if not why:
                    return line.principals
                refused.append(f"line {line.line} of the allowed signers {why}")
        raise Mismatch(
            f"{of} is not by a key that is trusted here",
            expected=self._expected(),
            found=f"the key {fingerprint(key)}" + "".join(f"; {one}" for one in refused),
            do="ask its maker, by another way than you got it, which key is theirs",
        )

    def _expected(self) -> str:
        known = [one.fingerprint + (f" ({one.comment})" if one.comment else "") for one in self.keys]
        known += [f"{one.key.fingerprint} ({one.principals})" for one in self.allowed if one.key is not None]
        others = sum(one.key is None for one in self.allowed)
        known += [f"{others} of other types than {ED25519}, which are not supported"] if others else []
        shown = known[:3] + ([f"{len(known) - 3} more"] if len(known) > 3 else [])
        return "a signature by " + (", ".join(shown) or "somebody, but the allowed signers file has no key")


def _key(text: Path | str, folder: Path) -> PublicKey:
    if isinstance(text, str) and text.lstrip().startswith(f"{ED25519} "):
        try:
            return parse_public_key(text)
        except ValueError as error:
            expected = f"{ED25519} BASE64 COMMENT"
            raise InvalidInput("a trusted key cannot be used", expected=expected, found=str(error)) from error
    return read_public_key(folder / as_path("TrustedKeys.read", "keys", text).expanduser(), do=_ASK)
