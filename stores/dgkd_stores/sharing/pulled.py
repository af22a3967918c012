"""The result of a pull."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dgkd_stores.checking.damage import Verification
from dgkd_stores.sharing.signatures import Signature

__all__ = ["Pulled"]


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """The result of `pull`."""

    address: str
    """The address of the published store."""
    path: Path
    """The path of the store on this machine."""
    seal: str | None
    """The seal of the store, SHA-256 in hex; None with `dry_run` for an HDF5 file on a server without Range."""
    guide: str | None
    """The name of the guide; None as for `seal`."""
    files: int
    """Number of files of the store."""
    nbytes: int
    """The size of all files in bytes; with `dry_run`, where the place cannot list, at most."""
    was_there: bool
    """True if the store was at `path` already, whole."""
    fetched_files: int
    """Number of files that were fetched, or with `dry_run` would be, besides each zarr.json, which every pull reads."""
    fetched_bytes: int
    """The size of these in bytes; with `dry_run`, at most."""
    signature: Signature | None
    """The signature of a key that was required; None if none was."""
    verification: Verification | None
    """The result of `verify(full=True)` on the store; None with `dry_run`."""
    dry_run: bool
    """True if nothing was fetched or changed."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON; the size is called `bytes`."""
        return {
            "address": self.address,
            "path": str(self.path),
            "seal": self.seal,
            "guide": self.guide,
            "files": self.files,
            "bytes": self.nbytes,
            "was_there": self.was_there,
            "fetched_files": self.fetched_files,
            "fetched_bytes": self.fetched_bytes,
            "signature": None if self.signature is None else asdict(self.signature),
            "verification": None if self.verification is None else self.verification.to_dict(),
            "dry_run": self.dry_run,
        }
