"""Content that means harm under digests and a seal that are valid."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from dgkd_stores import Damaged, UnsafeStore

from .corpus import enter, hostile, redigest, reseal


def put(file: Path, position: int, value: float, dtype: str) -> None:
    """Set one element of a raw chunk."""
    content = np.frombuffer(file.read_bytes(), dtype=dtype).copy()
    content[position] = value
    file.write_bytes(content.tobytes())


def put_row(store: Path, path: str, at: int, value: float) -> None:
    """Set one number of the rows, under a digest and a seal that fit."""
    put_row_of(store, path, at, value, "<f4")


def put_row_of(store: Path, path: str, at: int, value: float, dtype: str) -> None:
    """`put_row` of another type."""
    put(store / path, at, value, dtype)
    redigest(store)


def put_sealed(store: Path, path: str, at: int, value: float) -> None:
    """Set one number of another array, under a seal that fits."""
    put(store / path, at, value, "<i8" if "label" in path else "<f4")
    reseal(store)


@hostile(Damaged, says="seal|sealed")
def label_changed_under_the_seal(store: Path) -> None:
    """A label that is a class, and another than was sealed."""
    content = np.frombuffer((store / "label" / "c.0").read_bytes(), dtype="<i8")
    (store / "label" / "c.0").write_bytes(((content + 1) % 3).tobytes())


@hostile(Damaged, rows=True, says="SHA-256")
def rows_changed_under_their_digest(store: Path) -> None:
    """One number, a little."""
    put(store / "logits" / "c.0.0.0", 0, 0.5, "<f4")


@hostile(Damaged, rows=True, says="SHA-256")
def views_swapped(store: Path) -> None:
    """Sound rows in another place."""
    first, second = store / "logits" / "c.0.0.0", store / "logits" / "c.1.0.0"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


@hostile(Damaged, says="seal")
def digest_zeroed_under_the_seal(store: Path) -> None:
    """A block that says it was never written."""
    data = bytearray((store / "digest" / "c.0.0.0").read_bytes())
    data[:32] = bytes(32)
    (store / "digest" / "c.0.0.0").write_bytes(data)


@hostile(Damaged, says="a digest for every block|lost rows")
def sealed_with_a_block_that_was_never_written(store: Path) -> None:
    """The same, sealed anew: a finished store with a hole in it."""
    data = bytearray((store / "digest" / "c.0.0.0").read_bytes())
    data[:32] = bytes(32)
    (store / "digest" / "c.0.0.0").write_bytes(data)
    reseal(store)


ROWS = [
    ("rows_that_are_nan", "raw", "logits/c.0.0.0", 5, np.nan, "One NaN makes every weight NaN."),
    ("rows_that_are_infinite", "raw", "logits/c.1.1.0", 0, -np.inf, "So does infinity."),
    ("scale_that_is_nan", "uint8", "scale/c.0.0.0", 0, np.nan, "Levels are fine, what they are multiplied by is not."),
    ("scale_that_is_infinite", "uint8", "scale/c.0.0.0", 1, np.inf, "The offset as well."),
    ("scale_that_overflows", "uint8", "scale/c.0.0.0", 0, 3e38, "Finite itself: 255 times it is not."),
]
"""Name, store, a file of its rows, which number of it becomes what, what that tries."""

for name, base, path, at, value, tries in ROWS:
    change = partial(put_row, path=path, at=at, value=value)
    enter(name, tries, change, Damaged, base=base, rows=True, says="finite numbers")


ARRAYS = [
    (
        "logits_of_the_test_set_that_are_nan",
        "raw",
        "test_logits/c.0.0",
        3,
        np.nan,
        Damaged,
        "finite numbers",
        "What the test set's table is made of.",
    ),
    (
        "scale_of_the_test_set_that_overflows",
        "uint8",
        "test_scale/c.0.0",
        0,
        3e38,
        Damaged,
        "finite numbers",
        "The same, once decoded.",
    ),
    (
        "label_beyond_the_classes",
        "raw",
        "label/c.0",
        3,
        2**40,
        UnsafeStore,
        "labels in label that are no class",
        "An index outside whatever it indexes.",
    ),
    (
        "label_negative",
        "raw",
        "test_label/c.0",
        0,
        -1,
        UnsafeStore,
        "labels in test_label that are no class",
        "-1 indexes from the end.",
    ),
]
"""Name, store, a file of another array, which number of it becomes what, refusal and its words, what it tries."""

for name, base, path, at, value, refused, says, tries in ARRAYS:
    enter(name, tries, partial(put_sealed, path=path, at=at, value=value), refused, base=base, says=says)
