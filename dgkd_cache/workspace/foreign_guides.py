"""Signatures of the guides that a workspace has from elsewhere.

A guide is its own if it was dumped here: its seal is among those that the dumps of this workspace have recorded. So are
views that were taken from such a store, whose rows are proven by its origin. Every other guide is from elsewhere,
wherever it lies and whatever weights its header names.
"""

from __future__ import annotations

from collections.abc import Iterable

from dgkd_cache.progress import Progress
from dgkd_cache.workspace.dumped_here import dumped_seals
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, check_signature, clean, describe_signature, verify

__all__ = ["check_signatures", "is_own"]


def check_signatures(ws: Workspace, stores: Iterable[GuideStore], progress: Progress) -> None:
    """Checks the signature of each store from elsewhere, if [sharing] names keys, and says a line about each.

    Raises Mismatch (13) for one that no trusted key has signed, InvalidInput for keys that cannot be read.
    """
    foreign = [store for store in stores if not is_own(ws, store)]
    trusted = ws.trusted_keys() if foreign else None
    for store in foreign:
        if trusted is None:
            progress.say(f"{store.path} is {describe_signature(store)}")
            continue
        found = check_signature(store, trusted)
        progress.say(f"{store.path} is signed by {clean(found.signer)} on {found.date[:10]} ({found.fingerprint})")


def is_own(ws: Workspace, store: GuideStore) -> bool:
    """Returns True if the store was dumped in this workspace, or has views that were taken from one that was."""
    own = dumped_seals(ws.folder)
    if store.seal in own:
        return True
    found = verify(store.path) if own else None
    return found is not None and not found.damage and found.origin_seal in own
