"""Gives a damaged store of a guide the arrays and the rows that it has lost, and forwards nothing else.

Whether this machine computes what the one before did is told by the digests that were sealed, not by versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dgkd_cache.dump.header import StoreDraft
from dgkd_cache.errors import Mismatch
from dgkd_cache.progress import Progress
from dgkd_stores import StoreRepair, check_same_header, differing_keys

__all__ = ["restore_lost"]


def restore_lost(draft: StoreDraft, store: StoreRepair, *, progress: Progress, stop: Callable[[], bool]) -> None:
    """Computes the arrays and rows that `store` has lost, and writes them.

    Raises Mismatch for another guide, and where the result is not what was sealed, naming what differs on this machine.
    When stopped, it keeps what is mended and raises Interrupted.
    """
    held = store.header
    if not store.sealed:
        # As when a dump is taken up: what was measured has to come out again, too.
        ours, identity = draft.complete("repair", progress)
        check_same_header(store.path, stored=held, given=replace(ours, digest_rows=held.digest_rows))
        store.write_arrays(identity)
    else:
        check_same_header(store.path, stored=held, given=replace(draft.like(held), compute=held.compute))
    try:
        _write_lost(draft, store, progress, stop)
    except Mismatch as error:
        differing = differing_keys(held.compute, draft.header.compute)
        here = ", ".join(f"{key} {there}, here {here}" for key, (there, here) in differing.items())
        if not here:
            raise
        raise error.with_hint(do=f"it was computed with {here}; {error.do}") from error


def _write_lost(draft: StoreDraft, store: StoreRepair, progress: Progress, stop: Callable[[], bool]) -> None:
    if store.lost_arrays:
        test_rows_MF = store.test_rows_MF
        if test_rows_MF is None:
            tests = store.header.dataset.test_samples
            progress.start(f"repair {store.header.guide.called}, test set", total=tests, unit="samples")
            test_rows_MF = draft.test_rows(progress)
            progress.finish()
        store.write_arrays(draft.arrays(store.header, test_rows_MF))
    for slot, rows_SC in draft.rows(store.lost_chunks, "repair", "repair", progress, stop):
        store.write(slot, rows_SC, condensed=True)
