"""Verifies a store: lists damaged files, views and samples.

Quick: names, sizes, metadata, the seal and every array that it covers. Full: also every row against its digest,
padding, and metadata byte for byte, so that any flipped bit of an uncompressed store is found.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dgkd_stores.arguments import as_path, require_callable, require_flags
from dgkd_stores.checking.damage import Verification
from dgkd_stores.checking.diagnosis import Diagnosis, Report
from dgkd_stores.checking.origin import OriginCheck, origin_path
from dgkd_stores.disk.files import lies_at

__all__ = ["verify"]


def verify(
    path: Path | str,
    *,
    full: bool = False,
    report: Report = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Verification:
    """Verifies a store; `report` gets the bytes read and the total, and `stop` is called between pieces.

    A store with NAME.zarr.origin beside it, as `pull --views` leaves it, is compared with the published store of
    which that is the root and the digests. Damage to the seal comes first, because other findings may only result
    from a wrong header. Memory is bounded by a few megabytes, a compressed chunk, and the arrays other than rows.
    Raises `StoreNotFound`, `UnsafeStore` or `Mismatch` for a store whose own zarr.json cannot be read,
    `InvalidInput` for arguments of another kind, and `Interrupted`.
    """
    path = as_path("verify", "path", path)
    require_flags("verify", full=full)
    require_callable("verify", report=report, stop=stop)
    diagnosis = Diagnosis(path, full=full, report=report, stop=stop)
    scan = diagnosis.scan
    origin = None
    if lies_at(origin_path(path)):
        origin = OriginCheck(path, scan.header, scan.seal, diagnosis.right_VB32)
    return Verification(
        path=scan.path,
        container=scan.held.kind,
        codec=scan.layout.codec.name,
        header=scan.header,
        seal=scan.seal.digest if scan.seal else None,
        full=full,
        blocks=scan.known_VB.size,
        blocks_written=int(diagnosis.written_VB.sum()),
        blocks_checked=int(scan.known_VB.sum()),
        nbytes=scan.held.nbytes,
        damage=(*sorted(scan.damage, key=lambda one: one.kind != "seal"), *(origin.damage if origin else ())),
        origin_seal=origin.seal if origin else None,
    )
