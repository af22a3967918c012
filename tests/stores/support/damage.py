"""Damage done to a store on disk, and what is found of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dgkd_stores import verify
from dgkd_stores.checking.damage import KINDS, Damage

__all__ = ["damage", "flip", "places"]


def flip(file: Path, at: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def damage(path: Path, *, full: bool = True) -> list[Damage]:
    """What is found of a damaged store, each of a kind that is known."""
    found = verify(path, full=full)
    assert found.exit_code == 12 and {one.kind for one in found.damage} <= set(KINDS)
    json.dumps(found.to_dict())
    return list(found.damage)


def places(path: Path, *, full: bool = True) -> list[tuple[Any, ...]]:
    """Kind, file, view and samples of what is found."""
    return [(one.kind, one.file, one.view, one.samples) for one in damage(path, full=full)]
