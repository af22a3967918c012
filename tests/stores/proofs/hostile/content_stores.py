"""Content that means harm under digests and a seal that are valid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dgkd_stores import Damaged, UnsafeStore

from .corpus import hostile, redigest, reseal


def put(file: Path, position: int, value: float, dtype: str) -> None:
    """Set one element of a raw chunk."""
    content = np.frombuffer(file.read_bytes(), dtype=dtype).copy()
    content[position] = value
    file.write_bytes(content.tobytes())


@hostile(Damaged, rows=True, says="finite numbers")
def rows_that_are_nan(store: Path) -> None:
    """One NaN makes every weight NaN."""
    put(store / "logits" / "c.0.0.0", 5, np.nan, "<f4")
    redigest(store)


@hostile(Damaged, rows=True, says="finite numbers")
def rows_that_are_infinite(store: Path) -> None:
    """So does infinity."""
    put(store / "logits" / "c.1.1.0", 0, -np.inf, "<f4")
    redigest(store)


@hostile(Damaged, rows=True, base="uint8", says="finite numbers")
def scale_that_is_nan(store: Path) -> None:
    """Levels are fine, what they are multiplied by is not."""
    put(store / "scale" / "c.0.0.0", 0, np.nan, "<f4")
    redigest(store)


@hostile(Damaged, rows=True, base="uint8", says="finite numbers")
def scale_that_is_infinite(store: Path) -> None:
    """The offset as well."""
    put(store / "scale" / "c.0.0.0", 1, np.inf, "<f4")
    redigest(store)


@hostile(Damaged, rows=True, base="uint8", says="finite numbers")
def scale_that_overflows(store: Path) -> None:
    """Finite itself: 255 times it is not."""
    put(store / "scale" / "c.0.0.0", 0, 3e38, "<f4")
    redigest(store)


@hostile(Damaged, says="finite numbers")
def logits_of_the_test_set_that_are_nan(store: Path) -> None:
    """What the test set's table is made of."""
    put(store / "test_logits" / "c.0.0", 3, np.nan, "<f4")
    reseal(store)


@hostile(Damaged, base="uint8", says="finite numbers")
def scale_of_the_test_set_that_overflows(store: Path) -> None:
    """The same, once decoded."""
    put(store / "test_scale" / "c.0.0", 0, 3e38, "<f4")
    reseal(store)


@hostile(UnsafeStore, says="labels in label that are no class")
def label_beyond_the_classes(store: Path) -> None:
    """An index outside whatever it indexes."""
    put(store / "label" / "c.0", 3, 2**40, "<i8")
    reseal(store)


@hostile(UnsafeStore, says="labels in test_label that are no class")
def label_negative(store: Path) -> None:
    """-1 indexes from the end."""
    put(store / "test_label" / "c.0", 0, -1, "<i8")
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
