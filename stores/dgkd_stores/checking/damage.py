"""The findings of `verify`: each damage with its place, and their summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dgkd_stores.format.header import StoreHeader

__all__ = ["KINDS", "Damage", "Verification"]

KINDS = {
    "foreign": "a name, link, pipe or device that does not belong, or labels that are no class",
    "seal": "the header or the seal is not what was sealed",
    "metadata": "a zarr.json that is not, byte for byte, what the header implies",
    "missing": "a file, or a digest, that is not there",
    "size": "a file of a size that it cannot have",
    "undecodable": "a chunk that does not decode to its size",
    "unreadable": "a file that the system cannot read",
    "array": "a whole array, or a chunk of digests, that is not what was sealed",
    "digest": "rows that their digest does not fit",
    "not-finite": "rows that are no numbers, or of classes out of order, under a digest that fits",
    "padding": "what fills up a last chunk is not the fill value",
    "origin": "what is not as in the published store that the views were taken from",
}


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One damaged place."""

    kind: str
    """One of `KINDS`."""
    files: tuple[str, ...]
    """Paths within the store; several if one digest covers them all."""
    arrays: tuple[str, ...] = ()
    """Names of the arrays that these files belong to."""
    view: int | None = None
    """The number of the view; None for what belongs to no view."""
    samples: tuple[int, int] | None = None
    """The first sample, and one past the last; None for what belongs to no sample."""
    expected: str = ""
    """The right value, as text for a message."""
    found: str = ""
    """The value that is there, as text for a message."""

    @property
    def file(self) -> str:
        """The files as text."""
        return ", ".join(self.files)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The result of `verify`; `exit_code` is 15 for foreign files, else 12 for damage, else 3 if incomplete, else 0."""

    path: Path
    """The path of the store."""
    container: str
    """`zarr` or `hdf5`."""
    codec: str
    """The name of the codec of its rows."""
    header: StoreHeader
    """The header of the store."""
    seal: str | None
    """The seal, SHA-256 in hex; None for an unfinished store."""
    full: bool
    """True if all rows were read and hashed."""
    blocks: int
    """Number of blocks of rows in the store, each with one digest once it is written."""
    blocks_written: int
    """Number of blocks with a digest."""
    blocks_checked: int
    """Number of blocks that were read and hashed; matching ones are right, whatever else is damaged."""
    nbytes: int
    """The size of all files, in bytes."""
    damage: tuple[Damage, ...]
    """All damaged places."""
    origin_seal: str | None = None
    """The seal of the published store that the views were taken from and compared with; None for any other store."""

    @property
    def complete(self) -> bool:
        """True if the store was finished, damaged or not."""
        return self.seal is not None

    @property
    def damaged_files(self) -> frozenset[str]:
        """The paths within the store of all that is damaged."""
        return frozenset(name for one in self.damage for name in one.files)

    @property
    def exit_code(self) -> int:
        """The exit code of `dgkd-cache verify`."""
        if any(one.kind == "foreign" for one in self.damage):
            return 15
        return 12 if self.damage else 0 if self.complete else 3

    def to_dict(self) -> dict[str, Any]:
        """Returns the findings as JSON, without the header."""
        return {
            "path": str(self.path),
            "container": self.container,
            "codec": self.codec,
            "guide": self.header.guide.called,
            "seal": self.seal,
            "complete": self.complete,
            "full": self.full,
            "views": self.header.views,
            "blocks": self.blocks,
            "blocks_written": self.blocks_written,
            "blocks_checked": self.blocks_checked,
            "bytes": self.nbytes,
            "origin_seal": self.origin_seal,
            "damage": [asdict(one) for one in self.damage],
        }
