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
    path: Path | None
    """The path of the store on this machine; None with `dry_run`."""
    seal: str
    """The seal of the store, SHA-256 in hex."""
    guide: str
    """The name of the guide."""
    nbytes: int
    """The size of the store's chunks in bytes; where the place cannot list, an upper bound for compressed ones."""
    fetched_files: int
    """Number of files that were fetched; the others were there and right."""
    signature: Signature | None
    """The signature of a key that was required; None if none was."""
    verification: Verification | None
    """The result of `verify(full=True)` on the store; None with `dry_run`."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON; the size is called `bytes`."""
        return {
            "address": self.address,
            "path": None if self.path is None else str(self.path),
            "seal": self.seal,
            "guide": self.guide,
            "bytes": self.nbytes,
            "fetched_files": self.fetched_files,
            "signature": None if self.signature is None else asdict(self.signature),
            "verification": None if self.verification is None else self.verification.to_dict(),
        }
