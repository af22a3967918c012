"""The control: the good stores as they are go through every way, so no refusal is for how the corpus is made."""

from __future__ import annotations

from pathlib import Path

from .corpus import hostile


@hostile(None)
def good(store: Path) -> None:
    """Raw."""


@hostile(None, base="zstd")
def good_zstd(store: Path) -> None:
    """Compressed by Zstandard."""


@hostile(None, base="blosc")
def good_blosc(store: Path) -> None:
    """Compressed by Blosc."""


@hostile(None, base="uint8")
def good_uint8(store: Path) -> None:
    """Rows of two arrays."""
