"""Signatures of stores: made, found beside a store, and checked against the store and the keys that are trusted.

The signature of NAME.zarr is the file NAME.zarr.sig, that of NAME.h5 is NAME.h5.sig: an SSH signature as `ssh-keygen -Y
sign` makes it, and after it the line that it signs. So any lab checks it with `tail -n 1 NAME.zarr.sig | ssh-keygen -Y
verify -n dgkd-seal@v1 -s NAME.zarr.sig -f ALLOWED_SIGNERS -I WHO`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dgkd_stores.arguments import as_path, require_kind
from dgkd_stores.checking.damage import Verification
from dgkd_stores.checking.origin import OriginCheck, origin_path
from dgkd_stores.disk.files import create_durably, lies_at, read_small
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import InvalidInput, Mismatch, UnsafeStore
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.sanitize import clean, one_line
from dgkd_stores.sharing.ed25519 import MAX_KEY_BYTES, fits, sign_message
from dgkd_stores.sharing.ssh_format import NAMESPACE, SshSignature, fingerprint, parse_signature
from dgkd_stores.sharing.statement import Statement
from dgkd_stores.sharing.trust import TrustedKeys

__all__ = [
    "Signature",
    "check_signature",
    "describe_signature",
    "read_signature",
    "sign_store",
    "signature_path",
    "signed_date",
    "signed_statement",
    "statement_of",
    "verify_signature",
]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature that was checked: it fits the store, and its key is trusted."""

    signer: str
    """Whose key it is, as the trusted keys say: principals, a comment, or the fingerprint."""
    fingerprint: str
    """The key, as SHA256:..."""
    date: str
    """The time at which it was made, by the signer's own clock: `2026-11-26T14:30:00Z`."""


def signature_path(store: Path | str) -> Path:
    """Returns the path of a store's signature, which may not exist. Raises InvalidInput for what is no path."""
    path = as_path("signature_path", "store", store)
    path = path if path.name else path.absolute()
    return path.with_name(f"{path.name}.sig")


def statement_of(store: Path | str, *, now: datetime | None = None) -> bytes:
    """Returns the line that a signature of a finished store signs, with the date of `now`, or of today.

    Raises as `GuideStore.open`: the seal, and all that it covers but the rows, is checked.
    """
    require_kind("statement_of", "now", now, (datetime, type(None)), expected="a datetime, or None for today")
    with GuideStore.open(as_path("statement_of", "store", store)) as opened:
        assert opened.seal is not None
        return Statement.of(opened.header, opened.seal, now or datetime.now(UTC)).message


def sign_store(store: Path | str, key: Path | str, *, now: datetime | None = None) -> Path:
    """Signs a finished store with the SSH key in the file `key`, and returns the path of the signature.

    A key with a passphrase, and a public key whose private one an agent holds, are used by way of ssh-keygen. A
    signature by that key that is there already is kept. Raises InvalidInput for a key that cannot be used, where
    another signature is in the way, and without the extra `share`, NoSpace, and as `GuideStore.open`.
    """
    store, key = as_path("sign_store", "store", store), as_path("sign_store", "key", key)
    message, path = statement_of(store, now=now), signature_path(store)
    signature = sign_message(message, key)
    try:
        with full_disk(path, left="the store is not signed"):
            create_durably(path, signature.armored(), message)
    except FileExistsError as error:
        _require_same(path, signature, message, read_signature(store) or b"", error)
    return path


def read_signature(store: Path | str) -> bytes | None:
    """Returns the content of a store's signature file; None if there is none. Raises UnsafeStore for a link."""
    try:
        return read_small(signature_path(store), limit=MAX_KEY_BYTES)
    except FileNotFoundError:
        return None


def check_signature(store: GuideStore | Verification, trusted: TrustedKeys) -> Signature:
    """Returns the signature beside a store that is open, or that `verify` found sealed, once it is checked.

    For a store of some views, taken from a published one, the signature of that one counts: what lies in NAME.origin
    proves that its rows were published.

    Raises Mismatch (13) if there is none, or it is not a trusted key's signature of this store; UnsafeStore for a link,
    InvalidInput for arguments of another kind and without the extra `share`.
    """
    _require_store("check_signature", store)
    require_kind("check_signature", "trusted", trusted, TrustedKeys, expected="TrustedKeys")
    found = _find(store)
    return verify_signature(found.data, header=store.header, seal=found.seal, trusted=trusted, source=str(found.path))


def verify_signature(
    data: bytes | None, *, header: StoreHeader, seal: str, trusted: TrustedKeys, source: str
) -> Signature:
    """Checks the content of a signature file, which `source` names, against the header and the seal of a store.

    `seal` must be that of the content: a reader computes it, a puller proves it afterwards. None: there is no file.
    Raises Mismatch (13) if there is none, if it is by a key that is not trusted now, is not a signature of what it
    states, or states another seal, guide, data set or view plan. Raises InvalidInput without the extra `share`.
    """
    signature, statement = signed_statement(data, trusted=trusted, source=source)
    if differs := _differs(header, seal, statement):
        key, of_store, stated = differs
        raise Mismatch(
            f"{source} is the signature of another store",
            expected=f"{key} {of_store}",
            found=f"{key} {stated}",
            do="get store and signature again from their maker; whoever changed the store sealed it again, but could "
            "not sign it",
        )
    return signature


def signed_statement(data: bytes | None, *, trusted: TrustedKeys, source: str) -> tuple[Signature, Statement]:
    """Checks a signature file without the store: returns who signed, and what.

    Raises as `verify_signature`, but for the difference from the store, which is still to be compared.
    """
    if data is None:
        raise Mismatch(
            f"{source.removesuffix('.sig')} is not signed, and keys are required",
            expected=f"its signature at {source}",
            found="no such file",
            do="ask its maker to sign it, or sign it if it is yours: a seal tells that it is whole, not who made it",
        )
    try:
        signature, statement = _parse(data)
    except ValueError as error:
        raise _unusable(source, str(error)) from error
    signer = trusted.require(signature.key, of=f"the signature {source}")
    if not fits(signature, statement.message):
        raise _unusable(source, "another text, or bits that have changed")
    checked = Signature(signer=clean(signer), fingerprint=fingerprint(signature.key), date=statement.date)
    return checked, statement


def describe_signature(store: GuideStore | Verification) -> str:
    """Says in a few words whether a store is signed, where no key is required: `unsigned`, or by which key.

    Whether that key is its maker's, and whether it made the signature, is not checked. Raises InvalidInput for an
    argument of another kind.
    """
    _require_store("describe_signature", store)
    try:
        found = _find(store)
        if found.data is None:
            return "unsigned"
        signature, statement = _parse(found.data)
    except (ValueError, UnsafeStore) as error:
        why = error.found if isinstance(error, UnsafeStore) else error
        return f"unsigned: what lies beside it is no signature, {one_line(str(why))}"
    if differs := _differs(store.header, found.seal, statement):
        return f"unsigned: the signature beside it is of another store, with {differs[0]} {differs[2]}"
    taken = "taken from a store that is " if found.seal != store.seal else ""
    return f"{taken}signed by {fingerprint(signature.key)} on {statement.date[:10]}, not checked (`verify --key` does)"


def signed_date(store: Path | str) -> str:
    """Returns the day, as `2026-11-26`, that the signature beside a store states, unchecked; "" without a signature."""
    try:
        data = read_signature(store)
        return _parse(data)[1].date[:10] if data is not None else ""
    except (ValueError, UnsafeStore):
        return ""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The signature that stands for a store: its file, the content (None: no file), and the seal that it must state."""

    path: Path
    data: bytes | None
    seal: str


def _find(store: GuideStore | Verification) -> _Found:
    """Returns a store's own signature; without one, that of the published store whose rows it is proven to have."""
    path, data = signature_path(store.path), read_signature(store.path)
    if data is None and (origin_seal := _proven_origin(store)) is not None:
        origin = origin_path(store.path)
        return _Found(path=signature_path(origin), data=read_signature(origin), seal=origin_seal)
    return _Found(path=path, data=data, seal=store.seal or "")


def _proven_origin(store: GuideStore | Verification) -> str | None:
    if isinstance(store, Verification):
        return None if any(one.kind == "origin" for one in store.damage) else store.origin_seal
    if not lies_at(origin_path(store.path)):
        return None
    found = OriginCheck(store.path, store.header, store.container.seal, store.container.digests())
    return None if found.damage else found.seal


def _require_store(call: str, store: object) -> None:
    require_kind(call, "store", store, (GuideStore, Verification), expected="an open GuideStore, or a Verification")


def _parse(data: bytes) -> tuple[SshSignature, Statement]:
    """Returns both parts of a signature file. Raises ValueError, which says what was found instead."""
    signature, message = parse_signature(data)
    if signature.namespace != NAMESPACE:
        raise ValueError(f"a signature for {signature.namespace!r}, not for {NAMESPACE}")
    if not message:
        raise ValueError("no statement after it (`cat STATEMENT.sig STATEMENT` joins what ssh-keygen made)")
    return signature, Statement.parse(message)


def _unusable(source: str, found: str) -> Mismatch:
    return Mismatch(
        f"{source} is not a signature of a store",
        expected="an SSH signature by an Ed25519 key, and after it the line that it signs",
        found=found,
        do="get it again from its maker",
    )


def _differs(header: StoreHeader, seal: str, stated: Statement) -> tuple[str, str, str] | None:
    return Statement.of(header, seal, datetime.now(UTC)).first_difference(stated)


def _require_same(path: Path, made: SshSignature, message: bytes, there: bytes, error: FileExistsError) -> None:
    """Raises InvalidInput unless `there`, the content of `path`, is a signature by the same key of the same store."""
    try:
        signature, statement = _parse(there)
        differs = Statement.parse(message).first_difference(statement)
        same = differs is None and signature.key == made.key and fits(signature, statement.message)
        found = f"one by the key {fingerprint(signature.key)}" + (f" of {differs[0]} {differs[2]}" if differs else "")
    except ValueError as unusable:
        same, found = False, str(unusable)
    if not same:
        raise InvalidInput(
            f"{path} is there already",
            expected=f"no signature, or one by the key {fingerprint(made.key)} of this store",
            found=found,
            do=f"`rm {shlex.quote(str(path))}` if it is no longer wanted",
        ) from error
