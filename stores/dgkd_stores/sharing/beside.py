"""The files beside a published store: its signature and its card, which are published last and may be replaced.

Both are about the store and no part of it: the signature counts by its key alone, and the card is made again from the
store and its signature.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from dgkd_stores.disk.files import read_small, write_durably
from dgkd_stores.disk.locks import ViewLock
from dgkd_stores.errors import Mismatch, UnsafeStore
from dgkd_stores.sharing.cards import CROISSANT, README, card_of
from dgkd_stores.sharing.ed25519 import MAX_KEY_BYTES
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.one_guide import OTHER_PLACE
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import AccessRefused, Remote, WritableRemote
from dgkd_stores.sharing.requests import attempt
from dgkd_stores.sharing.signatures import read_signature, signature_path

__all__ = [
    "differing",
    "fetch_signature",
    "files_beside",
    "keep_signature",
    "publish_beside",
    "refuse_other_texts",
]

_OURS = {README: b"`dgkd-cache card` wrote this page", CROISSANT: b"dgkd-cache"}
"""Words that the card of any guide has in each of its files; a text without them is somebody else's."""
_MAX_CARD_BYTES = 2**26


def files_beside(store: Path, name: str, *, data_licence: str) -> dict[str, bytes]:
    """Returns the files that lie beside `store` once it is published as `name`: the signature, if any, and the card.

    Raises as `card_of`.
    """
    signature = read_signature(store)
    card = card_of(store, name=name, data_licence=data_licence)
    signed = {} if signature is None else {f"{name}.sig": signature}
    return {**signed, README: card.readme, CROISSANT: card.croissant}


def differing(remote: Remote, files: Mapping[str, bytes], tally: Tally) -> dict[str, bytes]:
    """Returns those of the files that are not at the place, which can be listed, or not with this content."""
    found = {}
    for name, data in files.items():
        there = (attempt(tally, functools.partial(remote.names, name), name) or {}).get(name)
        if there is None or not attempt(tally, functools.partial(remote.has_same, name, there, data), name):
            found[name] = data
    return found


def refuse_other_texts(remote: Remote, changed: Mapping[str, bytes], tally: Tally) -> None:
    """Raises Mismatch if a README.md or croissant.json that would be replaced is not of a card."""
    for name in sorted(_OURS.keys() & changed.keys()):
        try:
            there = Fetcher(remote, "", tally).small(name, limit=_MAX_CARD_BYTES)
        except FileNotFoundError:
            continue
        if _OURS[name] not in there:
            raise Mismatch(
                f"{remote.address} has a {name} that is no card of a guide",
                expected="none, or the card of an earlier guide: a place holds one guide and its card",
                found="another text",
                do=OTHER_PLACE,
            )


def publish_beside(remote: WritableRemote, files: Mapping[str, bytes], tally: Tally) -> None:
    """Publishes files beside a store, each of which replaces one of that name."""
    for name, data in files.items():
        attempt(tally, functools.partial(remote.replace, name, data), name)


def fetch_signature(remote: Remote, name: str, tally: Tally) -> bytes | None:
    """Returns the content of the signature that lies beside the store `name` at a place; None if there is none.

    Where the place cannot list, one that it refuses to give is none.
    """
    try:
        return Fetcher(remote, "", tally).small(f"{name}.sig", limit=MAX_KEY_BYTES)
    except FileNotFoundError:
        return None
    except AccessRefused:
        # A bucket that everybody may read and nobody may list says so of every object that is not there.
        if attempt(tally, lambda: remote.names(f"{name}.sig"), name) is not None:
            raise
        return None


def keep_signature(store: Path, data: bytes | None, lock: ViewLock) -> None:
    """Writes the signature of `store` beside it, under the lock on all its views; None changes nothing.

    Raises UnsafeStore if anything but a file has its name.
    """
    path = signature_path(store)
    if data is None:
        return
    try:
        same = read_small(path, limit=MAX_KEY_BYTES) == data
    except (FileNotFoundError, UnsafeStore):
        same = False
    if not same:
        with lock.unfinished(path.name) as partial:
            write_durably(path, data, temporary=partial)
