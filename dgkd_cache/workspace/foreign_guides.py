"""Signatures of the guides that a workspace has from elsewhere.

A guide is its own if it lies in `guides/` and a finished run here has its weights. Whoever can change these files can
change dgkd.toml, too, so a signature would prove nothing more. Every other guide is from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from dgkd_cache.errors import DgkdError
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, check_signature, clean, describe_signature

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
    """Returns True if a finished run of this workspace made the store, which lies in its `guides/`."""
    if store.path.resolve().parent != (ws.folder / "guides").resolve():
        return False
    guide = store.header.guide
    names = sorted(ws.runs(), key=lambda name: name not in (guide.name, store.path.stem))
    return any(_weights(ws, name) == guide.weights_digest for name in names)


def _weights(ws: Workspace, run: str) -> str:
    with suppress(DgkdError, OSError):  # an unfinished or damaged run vouches for nothing
        return load_card(ws.run_folder(run)).weights_digest
    return ""
