"""Damage done to a store on disk, what is found of it, and its repair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dgkd_stores import ChunkSlot, StoreRepair, verify
from dgkd_stores.checking.damage import KINDS, Damage

__all__ = ["damage", "flip", "mend", "places"]


def flip(file: Path, at: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def damage(path: Path, *, full: bool = True) -> list[Damage]:
    """Returns the findings about a damaged store, each of a kind that is known."""
    found = verify(path, full=full)
    assert found.exit_code == 12 and {one.kind for one in found.damage} <= set(KINDS)
    json.dumps(found.to_dict())
    return list(found.damage)


def places(path: Path, *, full: bool = True) -> list[tuple[Any, ...]]:
    """Kind, file, view and samples of what is found."""
    return [(one.kind, one.file, one.view, one.samples) for one in damage(path, full=full)]


def mend(small: Any, path: Path, *, change: float = 0) -> tuple[list[str], list[ChunkSlot]]:
    """Repair with the rows of the recipe: the files replaced, and the chunks whose rows were asked for."""
    with StoreRepair(path) as repair:
        repair.mend()
        if repair.lost_arrays:
            repair.write_arrays(small.identity)
        lost = repair.lost_chunks
        for slot in lost:
            repair.write(slot, small.logits(slot.view)[slot.start : slot.stop] + np.float32(change))
        assert repair.finish() is not None
        return repair.mended, lost
