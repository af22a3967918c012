"""The control: the good stores as they are go through every way, so no refusal is for how the corpus is made."""

from __future__ import annotations

from pathlib import Path

from .corpus import enter


def untouched(store: Path) -> None:
    pass


GOOD = [
    ("good", "raw", "Raw."),
    ("good_zstd", "zstd", "Compressed by Zstandard."),
    ("good_blosc", "blosc", "Compressed by Blosc."),
    ("good_uint8", "uint8", "Rows of two arrays."),
    ("good_factored", "factored", "Version 2: rows of coefficients, and arrays that they share."),
    ("good_topk", "topk", "Version 2: rows of the largest logits, with their classes and the share of the others."),
]
"""Name, store, what it is."""

for name, base, tries in GOOD:
    enter(name, tries, untouched, None, base=base)
