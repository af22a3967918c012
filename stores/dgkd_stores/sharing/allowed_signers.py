"""The allowed signers file of OpenSSH: who may sign with which key, for what, and when.

Source: ssh-keygen(1), ALLOWED SIGNERS, and PATTERNS in ssh_config(5). A line means here what it means to `ssh-keygen -Y
verify`. A line with a syntax or an option that this program does not know refuses the whole file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dgkd_stores.errors import InvalidInput
from dgkd_stores.sharing.ssh_format import NAMESPACE, PublicKey, parse_public_key

__all__ = ["AllowedSigner", "matches", "parse_allowed_signers", "read_allowed_signers"]

MAX_BYTES = 2**20
"""Limit of an allowed signers file."""

_OTHER_TYPES = re.compile(r"(ssh-rsa|ssh-dss|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9-]+@openssh\.com)")
_OPTION = re.compile(r'([A-Za-z-]+)(?:="((?:[^"\\]|\\.)*)")?(,|\Z)')
_OPTIONS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+')


@dataclass(frozen=True, kw_only=True)
class AllowedSigner:
    """One line: a key, and what it may do. A line of a key that this program does not check has no key."""

    line: int
    """Its number in the file, from 1."""
    principals: str
    """Patterns of the identities that it stands for, as `*@example.org,!guest@example.org`."""
    key: PublicKey | None
    """The key; None for one of another type."""
    authority: bool = False
    """True if the key signs certificates, and nothing itself."""
    namespaces: str = ""
    """Patterns of what it may sign; empty: anything."""
    valid_after: float | None = None
    """The first second, since 1970 in UTC, in which its signatures count."""
    valid_before: float | None = None
    """The last one."""

    def refusal(self, signer: str, now: float) -> str:
        """Returns why this line does not accept a signature by its key at this time; empty if it does.

        `signer` is the identity that is asked for; empty: any.
        """
        if self.authority:
            return "is a certificate authority, and certificates are not supported"
        if signer and not matches(signer, self.principals):
            return f"stands for {self.principals}, not for {signer}"
        if self.namespaces and not matches(NAMESPACE, self.namespaces):
            return f"is allowed for {self.namespaces}, not for {NAMESPACE}"
        if self.valid_after is not None and now < self.valid_after:
            return f"is valid after {_text(self.valid_after)} only"
        if self.valid_before is not None and now > self.valid_before:
            return f"has expired: it was valid before {_text(self.valid_before)}"
        return ""


def read_allowed_signers(path: Path) -> tuple[AllowedSigner, ...]:
    """Returns the lines of a file. Raises InvalidInput if there is none, or a line that is not understood."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        found = str(error.strerror)
        raise InvalidInput(f"{path} cannot be read", expected="an allowed signers file", found=found) from error
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path} cannot be read", expected=f"at most {MAX_BYTES} bytes", found="more")
    return parse_allowed_signers(data, source=str(path))


def parse_allowed_signers(data: bytes, *, source: str) -> tuple[AllowedSigner, ...]:
    """Returns the lines of a file's content; `source` names it in errors. Raises as `read_allowed_signers`."""
    found = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            line = raw.decode().strip(" \t\r")
            if line and not line.startswith("#"):
                found.append(_parse(number, line))
        except ValueError as error:
            raise InvalidInput(
                f"line {number} of {source} cannot be used",
                expected="PRINCIPALS [OPTIONS] ssh-ed25519 BASE64, as ssh-keygen(1) describes under ALLOWED SIGNERS",
                found=str(error),
                do="correct the line, or leave it out",
            ) from error
    return tuple(found)


def matches(text: str, patterns: str) -> bool:
    """Returns True if a pattern of the comma-separated list matches, and none with `!` before it does."""
    found = False
    for pattern in patterns.split(","):
        negated = pattern.startswith("!")
        if re.fullmatch(_regex(pattern.removeprefix("!")), text, flags=re.DOTALL):
            if negated:
                return False
            found = True
    return found


def _regex(pattern: str) -> str:
    parts = {"*": ".*", "?": "."}
    return "".join(parts.get(letter, re.escape(letter)) for letter in pattern)


def _parse(number: int, line: str) -> AllowedSigner:
    principals, *rest = line.split(None, 1)
    if not rest:
        raise ValueError("no key")
    if '"' in principals:
        raise ValueError("principals in quotes")
    options, key = "", rest[0]
    if not _begins_with_key(key):
        held = _OPTIONS.match(key)
        if held is None:
            raise ValueError("a quote that does not end")
        options, key = held[0], key[held.end() :].strip()
        if not _begins_with_key(key):
            raise ValueError(f"no key after {options[:40]!r}" if key else "no key")
    known = dict(_parse_options(options))
    after, before = _time(known.get("valid-after")), _time(known.get("valid-before"))
    if after is not None and before is not None and before <= after:
        raise ValueError("valid-before that is not after valid-after")
    return AllowedSigner(
        line=number,
        principals=principals,
        key=None if _OTHER_TYPES.fullmatch(key.split()[0]) else parse_public_key(key),
        authority="cert-authority" in known,
        namespaces=known.get("namespaces") or "",
        valid_after=after,
        valid_before=before,
    )


def _begins_with_key(text: str) -> bool:
    words = text.split(None, 1)
    return len(words) == 2 and (words[0] == "ssh-ed25519" or bool(_OTHER_TYPES.fullmatch(words[0])))


def _parse_options(text: str) -> Iterator[tuple[str, str | None]]:
    at, seen = 0, set[str]()
    while at < len(text):
        option = _OPTION.match(text, at)
        if option is None:
            raise ValueError(f"the options {text[:60]!r}")
        name, value, at = option[1].lower(), option[2], option.end()
        takes_value = name in ("namespaces", "valid-after", "valid-before")
        if name != "cert-authority" and not takes_value:
            raise ValueError(f"the unknown option {name!r}")
        if takes_value != (value is not None) or name in seen or (option[3] and at == len(text)):
            raise ValueError(f"a wrong use of the option {name!r}")
        if takes_value and not value:
            raise ValueError(f"an empty {name}")
        seen.add(name)
        yield name, None if value is None else value.replace('\\"', '"')


def _time(text: str | None) -> float | None:
    """Returns a time as seconds since 1970: YYYYMMDD or YYYYMMDDHHMM[SS] in local time, or in UTC with a Z after it."""
    if text is None:
        return None
    digits = re.fullmatch(r"(\d{8}|\d{12}|\d{14})(Z|UTC)?", text, flags=re.IGNORECASE | re.ASCII)
    if digits is None:
        raise ValueError(f"the time {text[:20]!r}")
    date, clock = digits[1][:8], f"{digits[1][8:]}000000"
    try:
        moment = datetime.fromisoformat(f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:6]}")
        # As ssh-keygen reads it: without daylight saving time, even in summer.
        local = (*moment.timetuple()[:8], 0)
        return moment.replace(tzinfo=UTC).timestamp() if digits[2] else time.mktime(local)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"the time {text!r}: {error}") from error


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
