"""Is a store whole? And where it is not: which file, which view, which samples.

Quick: names, sizes, metadata, the seal and every array that it covers. Full: besides, every row against its digest,
padding, and metadata byte for byte, so that any flipped bit of an uncompressed store is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dgkd_stores.arguments import as_path, require_callable, require_flags
from dgkd_stores.checking.damage import Verification
from dgkd_stores.checking.diagnosis import Report, Survey

__all__ = ["verify"]


def verify(
    path: Path | str,
    *,
    full: bool = False,
    report: Report = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Verification:
    """Look a store over; `report` is told of bytes read, out of how many, and `stop` is asked between pieces.

    Damage to the seal comes first: the rest may only follow from a header that lies.
    Memory is bounded by a few megabytes, a compressed chunk, and the arrays beside the rows. Raises `StoreNotFound`,
    `UnsafeStore` or `Mismatch` for a store whose own zarr.json cannot be read, and `Interrupted`.
    """
    path = as_path("verify", "path", path)
    require_flags("verify", full=full)
    require_callable("verify", report=report, stop=stop)
    survey = Survey(path, full=full, report=report, stop=stop)
    return Verification(
        path=survey.path,
        container=survey.held.kind,
        codec=survey.layout.codec.name,
        header=survey.header,
        seal=survey.seal.digest if survey.seal else None,
        full=full,
        blocks=survey.known_VB.size,
        blocks_written=int(survey.written_VB.sum()),
        blocks_checked=int(survey.known_VB.sum()),
        nbytes=survey.held.nbytes,
        damage=tuple(sorted(survey.damage, key=lambda one: one.kind != "seal")),
    )
