"""Checks whether a store can be repaired, and makes the errors for those that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dgkd_stores.checking.damage import KINDS, Damage
from dgkd_stores.containers import ZarrFolder, open_container
from dgkd_stores.errors import Damaged, InvalidInput, Mismatch, UnsafeStore
from dgkd_stores.format.header import StoreHeader

__all__ = ["header_of", "other_than_sealed", "refuse_unmendable"]

_SHOWN = 5


def header_of(path: Path) -> StoreHeader:
    """Returns the header of a repairable store; raises UnsafeStore if it is lost, InvalidInput for an HDF5 file."""
    try:
        held = open_container(path, note=lambda name, error: None)
    except UnsafeStore as error:
        do = "nothing else tells a header: check the path, get a whole copy of the store, or dump the guide again"
        raise error.with_hint(do=do) from error
    if not isinstance(held, ZarrFolder):
        raise InvalidInput(
            f"{path} is not mended in place",
            expected="a Zarr folder",
            found=f"{held.kind}, a single file",
            do="get it again, or export it again from the store that it was made of",
        )
    return held.header


def refuse_unmendable(path: Path, header: StoreHeader, damage: Sequence[Damage]) -> None:
    """Raises UnsafeStore for foreign files in the store, Damaged for content that cannot be restored."""
    if foreign := [one.file for one in damage if one.kind == "foreign"]:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise UnsafeStore(
            f"{path} holds what does not belong in a guide store",
            expected="files of the store and nothing else",
            found=", ".join(foreign[:_SHOWN]) + more,
            do="remove them, which no repair does, and run the same command again",
        )
    for one in damage:
        if one.kind in ("seal", "not-finite"):
            raise Damaged(
                f"{path / one.file}: {KINDS[one.kind]}",
                expected=one.expected,
                found=one.found,
                do=f"nothing in the store tells what it should be: {_make_again(path, header)}",
            )


def other_than_sealed(path: Path, header: StoreHeader, what: str, expected: str, found: str) -> Mismatch:
    """Returns the error for rows or arrays that were computed again and have another SHA-256 than was sealed."""
    return Mismatch(
        f"{path}: {what} come out otherwise than they were sealed, and are left as they are",
        expected=f"SHA-256 {expected}",
        found=found,
        do="repair it on the machine that made it, with the same versions, data and weights, or "
        + _make_again(path, header),
    )


def _make_again(path: Path, header: StoreHeader) -> str:
    command = f"`dgkd-cache dump --model {header.guide.dump_words}`"
    if header.guide.identity is not None:
        command = "the program that gave its logits"
    return f"get a whole copy of it, or remove {path} and make it again with {command}"
